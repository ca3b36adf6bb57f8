"""What the database itself says about a restaurant, asked past the service."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from server.persistence.invariants import look_at_tenant
from tests.builders.world import World
from tests.support.database import Connection

Dump: TypeAlias = dict[str, list[str]]

# Each query lists what must not be; $1 is the restaurant. What `maitred verify` looks for is looked for by its own
# checks; the ones on which everything rests are here a second time, written another way.
_BROKEN: Mapping[str, str] = {
    "one table is claimed twice for one instant": """
        SELECT a.claim_id, b.claim_id AS other
        FROM table_claims AS a JOIN table_claims AS b
            ON a.restaurant_id = b.restaurant_id AND a.table_id = b.table_id AND a.claim_id < b.claim_id
        WHERE a.restaurant_id = $1 AND a.during && b.during""",
    "an active assignment does not claim exactly its tables for exactly its window": """
        SELECT a.assignment_id
        FROM assignments AS a
        WHERE a.restaurant_id = $1 AND a.state = 'active' AND a.table_ids IS DISTINCT FROM (
            SELECT array_agg(c.table_id ORDER BY c.table_id)
            FROM table_claims AS c
            WHERE c.restaurant_id = $1 AND c.assignment_id = a.assignment_id AND c.booking_id = a.booking_id
                AND c.during = tstzrange(a.window_start, a.window_end)
        )""",
    "a live hold and its booking's assignment do not cover a held table": """
        SELECT h.hold_id, t.table_id
        FROM holds AS h
        JOIN bookings AS b ON b.restaurant_id = h.restaurant_id AND b.booking_id = h.booking_id
        CROSS JOIN unnest(h.table_ids) AS t (table_id)
        WHERE h.restaurant_id = $1 AND h.state = 'active' AND h.expires_at > clock_timestamp() AND NOT (
            SELECT coalesce(range_agg(c.during), '{}') @> tstzrange(h.window_start, h.window_end)
            FROM table_claims AS c
            WHERE c.restaurant_id = $1 AND c.table_id = t.table_id
                AND (c.hold_id = h.hold_id OR c.assignment_id = b.assignment_id)
        )""",
    "a hold claims what it does not hold": """
        SELECT c.claim_id
        FROM table_claims AS c JOIN holds AS h ON h.restaurant_id = c.restaurant_id AND h.hold_id = c.hold_id
        WHERE c.restaurant_id = $1 AND NOT (
            h.state = 'active' AND c.table_id = any(h.table_ids) AND c.booking_id = h.booking_id
            AND c.expires_at = h.expires_at AND c.during <@ tstzrange(h.window_start, h.window_end)
        )""",
    "a hold has no event of its creation": """
        SELECT h.hold_id
        FROM holds AS h
        WHERE h.restaurant_id = $1 AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.hold.created'
                AND o.payload ->> 'holdId' = h.hold_id::text
        )""",
    "a hold was told to be over before its time": """
        SELECT h.hold_id, h.expires_at, o.created_at
        FROM holds AS h JOIN capacity_outbox AS o
            ON h.restaurant_id = o.restaurant_id AND o.payload ->> 'holdId' = h.hold_id::text
        WHERE h.restaurant_id = $1 AND o.event_type = 'capacity.hold.expired' AND o.created_at < h.expires_at""",
    "a hold that ended has no event of its end": """
        SELECT h.hold_id, h.state
        FROM holds AS h
        WHERE h.restaurant_id = $1 AND h.state <> 'active' AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.hold.' || h.state
                AND o.payload ->> 'holdId' = h.hold_id::text
        )""",
    "an assignment has no event of its beginning": """
        SELECT a.assignment_id
        FROM assignments AS a
        WHERE a.restaurant_id = $1 AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.assignment.sync'
                AND o.payload ->> 'assignmentId' = a.assignment_id::text
        )""",
    "an assignment that ended has no event of its end": """
        SELECT a.assignment_id, a.state
        FROM assignments AS a
        WHERE a.restaurant_id = $1 AND a.state <> 'active' AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.assignment.released'
                AND o.payload ->> 'assignmentId' = a.assignment_id::text
        )""",
}

_OF_RESTAURANT = (
    "restaurants",
    "service_policies",
    "zones",
    "tables",
    "table_adjacency",
    "bookings",
    "booking_history",
    "auto_assign_jobs",
    "holds",
    "assignments",
    "merge_groups",
    "blocks",
    "table_claims",
    "audit_log",
    "capacity_outbox",
)


async def broken_invariants(connection: Connection, restaurant_id: str) -> dict[str, list[Any]]:
    """What is wrong with the restaurant, by sentence; nothing is right."""
    tenant_id = await connection.fetchval(
        "SELECT tenant_id FROM restaurants WHERE restaurant_id = $1", restaurant_id
    )
    report = await look_at_tenant(connection, tenant_id, UUID(restaurant_id), 0)
    assert report.counts.restaurants == 1
    found = {sentence: await connection.fetch(query, restaurant_id) for sentence, query in _BROKEN.items()}
    checked = {check.check_id: list(check.examples) for check in report.checks if check.violations}
    return checked | {sentence: [dict(row) for row in rows] for sentence, rows in found.items() if rows}


async def dump(connection: Connection, restaurant_id: str) -> Dump:
    """Every row of the restaurant, and the ledger of its tenant, as text by table."""
    parts = [_rows_of(table, "restaurant_id = $1") for table in _OF_RESTAURANT]
    tenant = "tenant_id = (SELECT tenant_id FROM restaurants WHERE restaurant_id = $1)"
    parts.append(_rows_of("idempotency_ledger", tenant))
    rows = await connection.fetch(" UNION ALL ".join(parts), restaurant_id)
    return {row["name"]: list(row["found"]) for row in rows}


def difference(before: Dump, after: Dump) -> dict[str, int]:
    """The change in the number of rows of each table that is not the same as before."""
    return {
        table: len(after[table]) - len(before[table]) for table in before if before[table] != after[table]
    }


def _rows_of(table: str, condition: str) -> str:
    ordered = f"SELECT t::text AS line FROM {table} AS t WHERE {condition} ORDER BY 1"
    return f"SELECT '{table}' AS name, array(SELECT line FROM ({ordered}) AS o) AS found"


async def count(connection: Connection, query: str, *values: object) -> int:
    """The number that a query answers."""
    number = await connection.fetchval(query, *values)
    assert isinstance(number, int)
    return number


async def versions_of(connection: Connection, worlds: Iterable[World]) -> dict[str, int]:
    """The floor version of each."""
    query = "SELECT floor_version FROM restaurants WHERE restaurant_id = $1"
    return {world.restaurant_id: await count(connection, query, world.restaurant_id) for world in worlds}


async def ledger_of_holds(connection: Connection, tenant_id: object) -> tuple[int, int]:
    """How many answers and how many refusals of HoldTables are recorded."""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE NOT refused) AS answers, count(*) FILTER (WHERE refused) AS refusals "
        "FROM idempotency_ledger WHERE tenant_id = $1 AND method = 'HoldTables'",
        tenant_id,
    )
    assert row is not None
    return row["answers"], row["refusals"]


async def sound(database: Connection, *worlds: World) -> bool:
    return all([await broken_invariants(database, world.restaurant_id) == {} for world in worlds])
