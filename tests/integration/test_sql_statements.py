"""Every statement of the `.sql` files on the migrated schema: it prepares, is used, and its rows fit their readers."""

import ast
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.domain.policy import ServicePolicy
from server.domain.retry_plan import queued_job
from server.orchestrator.ports import OutboxStats
from server.persistence import queries as queries_module
from server.persistence import rows
from server.persistence.documents import encode
from server.persistence.queries import Query, all_queries, load_queries
from tests.support.database import Connection, connected
from tests.support.postgres import TestServer

PERSISTENCE = Path(queries_module.__file__).parent
QUERIES = tuple(all_queries())

# Who reads the rows of which statement.
READERS: Mapping[tuple[str, str], Callable[[rows.Row], object]] = {
    ("restaurants", "restaurants_page"): rows.restaurant,
    ("inventory", "inventory"): rows.inventory,
    ("bookings", "booking"): rows.booking,
    ("bookings", "bookings_page"): rows.booking,
    ("bookings", "history"): rows.booking_change,
    ("holds", "hold"): rows.hold,
    ("holds", "live_holds_of"): rows.hold,
    ("holds", "holds_page"): rows.hold,
    ("holds", "expired_holds"): rows.hold,
    ("outbox", "outbox_page"): rows.outbox_record,
    ("assignments", "assignment"): rows.assignment,
    ("assignments", "last_assignment_of"): rows.assignment,
    ("assignments", "assignments_page"): rows.assignment,
    ("blocks", "block"): rows.block,
    ("blocks", "blocks_page"): rows.block,
    ("claims", "claims"): rows.claim,
    ("claims", "diary"): lambda row: (rows.claim(row), rows.waiting(row), row["floor_version"]),
    ("groups", "look"): lambda row: (
        row["position"],
        rows.booking(row),
        rows.hold(rows.Prefixed(row, "hold_")),
        row["live_holds"],
        rows.claim(rows.Prefixed(row, "claim_")),
    ),
    ("groups", "open_requests"): lambda row: (
        rows.restaurant(row),
        *(row[name] for name in ("now", "claimed", "request_hash", "field_digests", "refused", "answer")),
    ),
    ("journal", "audit_page"): rows.audit_record,
    ("invariants", "counts"): rows.invariant_counts,
}
# Every check answers with the same columns, and with the number of all its rows beside them.
CHECKS = {("invariants", name) for name in load_queries("invariants")} - {
    ("invariants", name) for name in ("begin_looking", "restaurants_of", "counts")
}
# The same, with the database's clock beside the restaurant.
STANDINGS = {("restaurants", "standing"), ("restaurants", "standings"), ("restaurants", "lock_restaurant")}
EVIDENCE = {
    "taken_at": "taken_at",
    "claims": "restaurant_id table_id window_start window_end kind owner_id booking_id expires_at",
    "holds": "restaurant_id hold_id booking_id table_ids window_start window_end state expires_at created_at",
    "assignments": "restaurant_id assignment_id booking_id table_ids window_start window_end state created_at",
    "bookings": "restaurant_id booking_id status assignment_id",
    "ledger": "method request_id refused reason subject_id",
    "events": "restaurant_id floor_version event_type request_id subject_id",
}
LIMITS = "statement_timeout lock_timeout plan_cache_mode enable_seqscan enable_hashjoin enable_mergejoin"
# Read on the spot, where the statement is run: one value, or a handful under their names.
READ_ON_THE_SPOT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("announcements", "notify"): ("synchronous_commit", "pg_notify"),
    ("bench", "create_database"): ("statement",),
    ("changes", "write_changes"): ("restaurant_id", "floor_version", "direct_telemetry"),
    ("groups", "restaurants_there"): ("tenant_id", "restaurant_id"),
    ("bench", "events_left"): ("events_left",),
    ("bench", "take_rows"): ("restaurant_id", "id", "attempt_count", "payload"),
    ("bench", "take_snapshot"): ("tenants",),
    ("bench_raw", "raise_floor_version"): ("floor_version",),
    ("bench_stock", "add_seats"): ("restaurant_id", "table_id", "booking_id", "window_start"),
    ("bench_stock", "claims_live"): ("claims",),
    ("announcements", "database_identity"): ("identity",),
    ("torture", "lock_restaurants"): ("restaurant_id",),
    ("torture", "unsettled_events"): ("waiting", "dead"),
    ("torture", "repeated_effects"): ("request_id",),
    ("torture", "made_ids"): ("id",),
    ("torture", "committed_events"): ("id", "restaurant_id", "floor_version", "position"),
    ("watching", "begin_viewing"): ("statement_timeout",),
    ("watching", "floor_versions"): ("restaurant_id", "floor_version"),
    ("watching", "changes"): (
        *("newest_version", "compacted_version", "id", "tenant_id", "restaurant_id", "floor_version"),
        *("position", "created_at", "event_type", "booking_id", "idempotency_key", "payload"),
    ),
    ("auto_assign", "job_run"): ("run_number",),
    ("auto_assign", "claim_jobs"): ("tenant_id", "restaurant_id", "booking_id", "dining_start", "job"),
    ("auto_assign", "put_job_back"): ("run_number",),
    ("auto_assign", "wake_jobs"): ("woken", "looked"),
    ("restaurants", "add_restaurant"): ("restaurant_id",),
    ("switches", "switches"): ("name", "value", "actor", "reason", "changed_at"),
    ("restaurants", "ping"): ("count",),
    ("telemetry", "probe"): ("writable",),
    ("telemetry", "delete_older"): ("deleted",),
    ("invariants", "begin_looking"): (
        *("statement_timeout", "work_mem", "jit", "enable_mergejoin", "enable_nestloop"),
        *("parallel_tuple_cost", "now"),
    ),
    ("invariants", "restaurants_of"): ("restaurant_id",),
    ("ledger", "open_request"): (*LIMITS.split(), "claimed"),
    ("ledger", "recall"): ("request_hash", "field_digests", "refused", "answer", "created_at"),
    ("ledger", "in_progress"): ("in_progress",),
    ("outbox", "adopt_restaurants"): ("adopted",),
    ("outbox", "settle_streams"): ("restaurant_id",),
    ("outbox", "extend_leases"): ("restaurant_id",),
    ("outbox", "free_orphans"): ("restaurant_id",),
    ("outbox", "lag"): ("lag_s",),
    ("outbox", "lead"): ("leads",),
    ("outbox", "take_worker_id"): ("worker_id", "locked", "synchronous_commit"),
    ("outbox", "delete_delivered"): ("deleted",),
    ("outbox", "redrive_events"): ("restaurant_id", "id"),
    ("outbox", "outbox_stats"): tuple(OutboxStats.__dataclass_fields__),
    ("outbox", "claim_streams"): (
        *("restaurant_id", "lease_number", "settled_version", "settled_position", "orphanings", "events_max"),
        *("seen_version", "id", "tenant_id", "floor_version", "position", "created_at", "event_type"),
        *("attempt_count", "booking_id", "idempotency_key", "payload"),
    ),
    **{("evidence", name): tuple(columns.split()) for name, columns in EVIDENCE.items()},
    ("upkeep", "restaurants_with_expired_holds"): ("tenant_id", "restaurant_id"),
    ("upkeep", "forget_answers"): ("forgotten",),
    ("upkeep", "clear_past_claims"): ("restaurants", "claims"),
}
# These look at the server rather than at our tables, and are tested where they are used.
ABOUT_THE_SERVER = ("embedded", "inspection", "migrator")

WORDS = {"status": "pending", "from_status": "pending", "to_status": "pending"}
WORDS |= {"state": "active", "kind": "hold", "cause": "other"}
NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)
DOCUMENTS = {
    "field_digests": "{}",
    "answer": "{}",
    "policy": encode(ServicePolicy(())),
    "details": "{}",
    "payload": "{}",
    "zones": "[]",
    "tables": "[]",
    "adjacency": "[]",
    "auto_assign_job": encode(queued_job("host", NOON, NOON, 600)),
}
SAMPLES: Mapping[str, object] = {
    "uuid": UUID(int=1),
    "int4": 1,
    "int8": 1,
    "bool": True,
    "bytea": b"\x00",
    "timestamptz": datetime(2031, 5, 1, tzinfo=UTC),
    "uuid[]": [UUID(int=1)],
    "text[]": ["window"],
}
# Columns of several words that only certain words may be in.
WORD_LISTS: Mapping[str, list[str]] = {"overrides": ["CAPACITY_INSUFFICIENT", "SLACK_BUDGET_EXCEEDED"]}


class Recorded(Mapping[str, Any]):
    """A row of sample values that remembers which columns were asked for."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self._types = types
        self.asked: set[str] = set()

    def __getitem__(self, column: str) -> Any:
        self.asked.add(column)
        kind = self._types[column]
        if kind in ("json", "jsonb"):
            return DOCUMENTS[column]
        # Columns that stand beside another row's have its name in front.
        word = column.removeprefix("hold_").removeprefix("claim_")
        if word in WORD_LISTS:
            return WORD_LISTS[word]
        return WORDS.get(word, "text") if kind == "text" else SAMPLES[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


@pytest.fixture
async def connection(each_postgres: TestServer) -> AsyncIterator[Connection]:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        yield connection


async def columns(connection: Connection, query: Query) -> dict[str, str]:
    """What a statement answers with: the names and types of its columns, in order."""
    prepared = await connection.prepare(query.sql)
    attributes = prepared.get_attributes()
    found = {attribute.name: attribute.type.name for attribute in attributes}
    assert len(found) == len(attributes), f"{query.name} answers with two columns of one name"
    return found


async def test_every_statement_prepares_and_its_columns_are_what_is_read(connection: Connection) -> None:
    for query in QUERIES:
        types, key = await columns(connection, query), (query.file, query.name)
        if key in CHECKS:
            row = Recorded(types)
            rows.invariant_violation(row)
            assert row.asked | {"violations"} == types.keys(), key
        elif key in READERS or key in STANDINGS:
            row = Recorded(types)
            (rows.restaurant if key in STANDINGS else READERS[key])(row)
            assert row.asked | ({"now"} if key in STANDINGS else set()) == types.keys(), key
        elif query.file not in ABOUT_THE_SERVER:
            assert tuple(types) == READ_ON_THE_SPOT.get(key, ()), key


def test_the_table_of_readers_names_statements_that_exist() -> None:
    known = {(query.file, query.name) for query in QUERIES}
    assert READERS.keys() | STANDINGS | READ_ON_THE_SPOT.keys() <= known


def test_every_statement_is_used_and_every_one_that_is_used_exists() -> None:
    assert set(_used()) == {(query.file, query.name) for query in QUERIES}


def _used() -> Iterator[tuple[str, str]]:
    """File and name of every statement that the room's modules ask for."""
    trees = {path: ast.parse(path.read_text()) for path in PERSISTENCE.rglob("*.py")}
    shared = {
        name: file for path, tree in trees.items() if path.name == "reader.py" for name, file in _loaded(tree)
    }
    for tree in trees.values():
        known = {
            **{name: file for name, file in shared.items() if _imports(tree, name)},
            **dict(_loaded(tree)),
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and node.value.id in known
            ):
                for name in _names(tree, node.slice):
                    yield known[node.value.id], name


def _loaded(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module constants made by load_queries, and the file that each was loaded from."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        target = targets[0]
        value = getattr(node, "value", None)
        if (
            isinstance(target, ast.Name)
            and isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id == "load_queries"
        ):
            assert isinstance(value.args[0], ast.Constant)
            yield target.id, str(value.args[0].value)


def _imports(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names)
        for node in tree.body
    )


def _names(tree: ast.Module, index: ast.expr) -> Iterator[str]:
    """The names that an index stands for: itself, or what the loop over a tuple of names gives it."""
    if isinstance(index, ast.Constant):
        yield str(index.value)
        return
    assert isinstance(index, ast.Name), ast.unparse(index)
    loops = [
        node.iter
        for node in ast.walk(tree)
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == index.id
    ]
    (names,) = (loop for loop in loops if isinstance(loop, ast.Tuple))
    yield from (str(name.value) for name in names.elts if isinstance(name, ast.Constant))


# The hot question

RESTAURANTS, TABLES, WINDOWS = 50, 20, 100
EVENING = datetime(2031, 5, 1, 18, tzinfo=UTC)
MANY_CLAIMS = f"""
    SET session_replication_role = replica;
    INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id)
    SELECT
        md5('r' || r)::uuid,
        md5(r || 't' || t)::uuid,
        tstzrange(
            '{EVENING}'::timestamptz + w * interval '2 hours',
            '{EVENING}'::timestamptz + (w + 1) * interval '2 hours'
        ),
        'block',
        gen_random_uuid()
    FROM generate_series(1, {RESTAURANTS}) AS r, generate_series(1, {TABLES}) AS t,
        generate_series(1, {WINDOWS}) AS w;
    SET session_replication_role = DEFAULT;
    ANALYZE table_claims;
"""


async def test_the_claims_of_a_window_are_found_by_an_index_among_a_hundred_thousand(
    connection: Connection,
) -> None:
    await connection.execute(MANY_CLAIMS)
    restaurant_id = await connection.fetchval("SELECT md5('r7')::uuid")
    found = await connection.fetch(
        "SELECT DISTINCT table_id FROM table_claims WHERE restaurant_id = $1", restaurant_id
    )
    tables = [row["table_id"] for row in found]
    start = EVENING + timedelta(hours=101)
    for named in (tables[:3], None):
        end = start + timedelta(hours=2)
        values = (restaurant_id, start, end, named, end + timedelta(hours=16))
        query = load_queries("claims")["claims"]
        assert len(await connection.fetch(query, *values)) == 2 * len(named or tables)
        explained = await connection.fetchval(f"EXPLAIN (FORMAT json) {query}", *values)
        scans = list(_scans(json.loads(explained)[0]["Plan"]))
        assert scans
        assert all("Index" in scan for scan in scans), scans


MANY_BOOKINGS = f"""
    SET session_replication_role = replica;
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        reference, revision, assignment_epoch, assignment_id, created_at, updated_at
    )
    SELECT
        md5('r' || r)::uuid, md5(r || 'b' || b)::uuid, CASE WHEN b % 2 = 0 THEN 'confirmed' ELSE 'pending' END, 2,
        start, start + interval '2 hours', start, start + interval '2 hours', 'dinner',
        '', 1, 1, CASE WHEN b % 2 = 0 THEN md5(r || 'a' || b)::uuid END, start, start
    FROM generate_series(1, 10) AS r, generate_series(1, 2000) AS b,
        LATERAL (SELECT '{EVENING}'::timestamptz + b * interval '15 minutes' AS start) AS time;
    INSERT INTO assignments (
        restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, assignment_epoch, party_size,
        actor, created_at
    )
    SELECT
        restaurant_id, assignment_id, booking_id, ARRAY[booking_id], window_start, window_end,
        1, party_size, '', created_at
    FROM bookings WHERE assignment_id IS NOT NULL;
    INSERT INTO table_claims (restaurant_id, table_id, during, kind, assignment_id, booking_id)
    SELECT restaurant_id, booking_id, tstzrange(window_start, window_end), 'assignment', assignment_id, booking_id
    FROM bookings WHERE assignment_id IS NOT NULL;
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone)
    SELECT md5('r' || r)::uuid, md5('tenant')::uuid, 'R' || r, 'UTC' FROM generate_series(1, 10) AS r;
    SET session_replication_role = DEFAULT;
    ANALYZE bookings;
    ANALYZE assignments;
    ANALYZE table_claims;
"""


async def test_a_diary_reads_little_more_than_its_span_among_twenty_thousand_bookings(
    connection: Connection,
) -> None:
    await connection.execute(MANY_BOOKINGS)
    restaurant_id = await connection.fetchval("SELECT md5('r7')::uuid")
    start = EVENING + timedelta(hours=101)
    statuses = ["confirmed", "pending", "pending_allocation"]
    values = (restaurant_id, start, start + timedelta(hours=2), timedelta(hours=16), statuses)
    query = load_queries("claims")["diary"]
    found = await connection.fetch(query, *values)
    # Of fifteen bookings in these hours every other one has its tables; all claims are known of those who wait.
    assert sum(row["kind"] is None for row in found) == 8
    assert sum(row["kind"] is not None for row in found) == 15
    explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
    met = list(_rows_met(json.loads(explained)[0]["Plan"]))
    assert {table for table, _ in met} == {"restaurants", "bookings", "assignments", "table_claims"}
    assert sum(rows for _, rows in met) < 250


def _rows_met(plan: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The tables that a plan was run on, each time with how many of their rows were looked at."""
    if "Relation Name" in plan:
        looked_at = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield plan["Relation Name"], looked_at * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from _rows_met(inner)


def _scans(plan: Mapping[str, Any]) -> Iterator[str]:
    """How a plan reads its tables; a bitmap heap scan only fetches what its index scan has found."""
    if "Scan" in plan["Node Type"] and plan["Node Type"] != "Bitmap Heap Scan":
        yield plan["Node Type"]
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)
