"""Every statement of the `.sql` files on the migrated schema: it prepares, is used, and its rows fit their readers."""

import ast
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.domain.policy import ServicePolicy
from server.domain.retry_plan import queued_job
from server.persistence import queries as queries_module
from server.persistence import rows
from server.persistence.documents import encode
from server.persistence.outbox import LEASES, OUTBOX
from server.persistence.queries import Query, load_queries
from server.persistence.session import WORKER_LOCKS
from tests.integration.statement_readers import CHECKS, READ_ON_THE_SPOT, READERS, STANDINGS
from tests.support.database import Connection, connected
from tests.support.plans import rows_met, tables_met
from tests.support.postgres import TestServer

PERSISTENCE = Path(queries_module.__file__).parent
FILES = [load_queries(path.stem) for path in sorted((PERSISTENCE / "sql").glob("*.sql"))]
QUERIES = tuple(file.query(name) for file in FILES for name in file)

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
            assert {"message", "violations"} <= types.keys() <= row.asked | {"violations"}, key
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
            match node:
                case (
                    ast.Subscript(value=ast.Name(id=loaded), slice=asked)
                    | ast.Call(func=ast.Attribute(value=ast.Name(id=loaded), attr="query"), args=[asked])
                ) if loaded in known:
                    yield from ((known[loaded], name) for name in _names(tree, asked))


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

RESTAURANTS, TABLES, WINDOWS = 10, 20, 100
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


async def test_the_claims_of_a_window_are_found_by_an_index_among_twenty_thousand(
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


MANY_HOLDS = """
    SET session_replication_role = replica;
    INSERT INTO holds (
        restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, state, expires_at, created_at, actor,
        policy_version, inventory_version, assignment_epoch
    )
    SELECT
        md5('r' || r)::uuid, md5(r || 'h' || h)::uuid, md5(r || 'b' || h)::uuid, ARRAY[md5('t')::uuid], now(),
        now() + interval '2 hours', CASE WHEN h % 500 = 0 THEN 'active' ELSE 'confirmed' END,
        now() + interval '3 minutes', now() - h * interval '1 minute', '', 1, 1, 1
    FROM generate_series(1, 10) AS r, generate_series(1, 2000) AS h;
    SET session_replication_role = DEFAULT;
    ANALYZE holds;
"""


@pytest.fixture(scope="module")
async def evenings(each_postgres: TestServer) -> AsyncIterator[Connection]:
    """To a database with many bookings, which its tests only read."""
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute(MANY_BOOKINGS)
        yield connection


async def test_a_diary_reads_little_more_than_its_span_among_twenty_thousand_bookings(
    evenings: Connection,
) -> None:
    restaurant_id = await evenings.fetchval("SELECT md5('r7')::uuid")
    start = EVENING + timedelta(hours=101)
    statuses = ["confirmed", "pending", "pending_allocation"]
    values = (restaurant_id, start, start + timedelta(hours=2), timedelta(hours=16), statuses)
    query = load_queries("claims")["diary"]
    found = await evenings.fetch(query, *values)
    # Of fifteen bookings in these hours every other one has its tables; all claims are known of those who wait.
    assert sum(row["kind"] is None for row in found) == 8
    assert sum(row["kind"] is not None for row in found) == 15
    explained = await evenings.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
    met = list(tables_met(json.loads(explained)[0]["Plan"]))
    assert {table for table, _ in met} == {"restaurants", "bookings", "assignments", "table_claims"}
    assert sum(rows for _, rows in met) < 250


@pytest.mark.parametrize(
    ("file", "name", "asked", "table"),
    [
        ("bookings", "bookings_page", ([], None, None, 50, timedelta(hours=16)), "bookings"),
        ("assignments", "assignments_page", (None, None, 50, timedelta(hours=16)), "assignments"),
    ],
)
async def test_the_list_of_an_evening_does_not_read_all_the_evenings_before_it(
    file: str, name: str, asked: tuple[object, ...], table: str, evenings: Connection
) -> None:
    restaurant_id = await evenings.fetchval("SELECT md5('r7')::uuid")
    start = EVENING + timedelta(hours=401)
    query = load_queries(file)[name]
    values = (restaurant_id, start, start + timedelta(hours=2), *asked)
    assert len(await evenings.fetch(query, *values)) == {"bookings": 15, "assignments": 7}[table]
    explained = await evenings.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
    assert sum(rows_met(json.loads(explained)[0]["Plan"], table)) < 150


async def test_the_list_of_live_holds_does_not_read_those_that_are_over(connection: Connection) -> None:
    await connection.execute(MANY_HOLDS)
    restaurant_id = await connection.fetchval("SELECT md5('r7')::uuid")
    query = load_queries("holds")["live_holds_page"]
    values = (restaurant_id, None, None, None, None, None, 50)
    assert len(await connection.fetch(query, *values)) == 4
    explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
    assert sum(rows for _, rows in tables_met(json.loads(explained)[0]["Plan"])) < 100


# All delivered when the table was analyzed last, and an index that has grown over months: reading the whole table
# looks cheaper then than looking up what waits.
MANY_EVENTS = """
    SET session_replication_role = replica;
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone, floor_version)
    SELECT md5('r')::uuid, md5('tenant')::uuid, 'R', 'UTC', 20000;
    INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position, next_attempt_at)
    SELECT md5('r')::uuid, 19950, 2147483647, now() - interval '1 hour';
    INSERT INTO capacity_outbox (
        restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, status, event_type,
        dedupe_key, idempotency_key, payload
    )
    SELECT
        md5('r')::uuid, md5('tenant')::uuid, v, 1, now(), now(), now(),
        'done', 'capacity.hold.created', v::text, v::text,
        jsonb_build_object('text', repeat('x', 100))
    FROM generate_series(1, 20000) AS v;
    SET session_replication_role = DEFAULT;
    ANALYZE restaurants;
    ANALYZE outbox_streams;
    ALTER INDEX capacity_outbox_order SET (fillfactor = 10);
    REINDEX INDEX capacity_outbox_order;
    ANALYZE capacity_outbox;
    UPDATE capacity_outbox SET status = 'pending' WHERE floor_version > 19950;
"""


async def test_a_worker_reads_little_more_than_what_waits_of_a_restaurant_with_every_event_there_is(
    connection: Connection,
) -> None:
    await connection.execute(MANY_EVENTS)
    worker = await connection.fetchrow(LEASES["take_worker_id"], WORKER_LOCKS)
    assert worker is not None
    claimed = (uuid4(), worker["worker_id"], 30.0, 8, 100, True)
    for query, least, values in (
        (OUTBOX["lag"], 1, ()),
        (OUTBOX["count_dead"], 0, ()),
        (LEASES["claim_streams"], 50, claimed),
    ):
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
        met = rows_met(json.loads(explained)[0]["Plan"], "capacity_outbox")
        assert least <= sum(met) < 200, query


async def test_one_event_is_found_by_its_id_among_twenty_thousand(connection: Connection) -> None:
    await connection.execute(MANY_EVENTS)
    (event,) = await connection.fetch("SELECT tenant_id, id FROM capacity_outbox LIMIT 1")
    values = (event["tenant_id"], None, event["id"], None, None)
    assert len(await connection.fetch(OUTBOX["event_by_id"], *values)) == 1
    query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {OUTBOX['event_by_id']}"
    plan = json.loads(await connection.fetchval(query, *values))[0]["Plan"]
    # An index can be read from end to end as well.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 30


def _scans(plan: Mapping[str, Any]) -> Iterator[str]:
    """How a plan reads its tables; a bitmap heap scan only fetches what its index scan has found."""
    if "Scan" in plan["Node Type"] and plan["Node Type"] != "Bitmap Heap Scan":
        yield plan["Node Type"]
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)
