"""What the database itself says about a restaurant, asked past the service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Dump: TypeAlias = dict[str, list[str]]

# Each query lists what must not be; $1 is the restaurant.
_BROKEN: Mapping[str, str] = {
    "one table is claimed twice for one instant": """
        SELECT a.claim_id, b.claim_id AS other
        FROM table_claims AS a JOIN table_claims AS b
            ON a.restaurant_id = b.restaurant_id AND a.table_id = b.table_id AND a.claim_id < b.claim_id
        WHERE a.restaurant_id = $1 AND a.during && b.during""",
    "a booking that must have tables has no active assignment of its own": """
        SELECT b.booking_id, b.status
        FROM bookings AS b LEFT JOIN assignments AS a
            ON a.restaurant_id = b.restaurant_id AND a.assignment_id = b.assignment_id
        WHERE b.restaurant_id = $1 AND b.status IN ('confirmed', 'checked_in')
            AND (a.state = 'active' AND a.booking_id = b.booking_id) IS NOT TRUE""",
    "an active assignment is not that of a booking that must have tables": """
        SELECT a.assignment_id, b.status
        FROM assignments AS a JOIN bookings AS b
            ON a.restaurant_id = b.restaurant_id AND a.booking_id = b.booking_id
        WHERE a.restaurant_id = $1 AND a.state = 'active'
            AND (b.status IN ('confirmed', 'checked_in') AND b.assignment_id = a.assignment_id) IS NOT TRUE""",
    "an active assignment does not claim exactly its tables for exactly its window": """
        SELECT a.assignment_id
        FROM assignments AS a
        WHERE a.restaurant_id = $1 AND a.state = 'active' AND a.table_ids IS DISTINCT FROM (
            SELECT array_agg(c.table_id ORDER BY c.table_id)
            FROM table_claims AS c
            WHERE c.restaurant_id = $1 AND c.assignment_id = a.assignment_id AND c.booking_id = a.booking_id
                AND c.during = tstzrange(a.window_start, a.window_end)
        )""",
    "an assignment that was released still claims a table": """
        SELECT c.claim_id
        FROM table_claims AS c JOIN assignments AS a
            ON a.restaurant_id = c.restaurant_id AND a.assignment_id = c.assignment_id
        WHERE c.restaurant_id = $1 AND a.state = 'released'""",
    "assignments of several tables, and only they, are merge groups": """
        SELECT a.assignment_id
        FROM assignments AS a LEFT JOIN merge_groups AS m
            ON m.restaurant_id = a.restaurant_id AND m.assignment_id = a.assignment_id
        WHERE a.restaurant_id = $1 AND (cardinality(a.table_ids) > 1) <> (m.merge_group_id IS NOT NULL)""",
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
    "a block does not claim exactly its tables": """
        SELECT k.block_id
        FROM blocks AS k
        WHERE k.restaurant_id = $1 AND (CASE WHEN NOT k.released THEN k.table_ids ELSE '{}' END) <> (
            SELECT coalesce(array_agg(c.table_id ORDER BY c.table_id), '{}')
            FROM table_claims AS c
            WHERE c.restaurant_id = $1 AND c.block_id = k.block_id
                AND c.during = tstzrange(k.window_start, k.window_end)
        )""",
    "the history of a booking has a gap, or another end than the booking": """
        SELECT b.booking_id
        FROM bookings AS b JOIN booking_history AS h USING (restaurant_id, booking_id)
        WHERE b.restaurant_id = $1
        GROUP BY b.booking_id, b.revision, b.status
        HAVING count(*) <> b.revision OR max(h.revision) <> b.revision
            OR (array_agg(h.to_status ORDER BY h.revision DESC))[1] <> b.status""",
    "a change of the restaurant has no event": """
        SELECT v.version
        FROM restaurants AS r CROSS JOIN generate_series(1, r.floor_version) AS v (version)
        WHERE r.restaurant_id = $1 AND NOT EXISTS (
            SELECT FROM capacity_outbox AS o WHERE o.restaurant_id = $1 AND o.floor_version = v.version
        )""",
    "an event belongs to no change of the restaurant": """
        SELECT o.id
        FROM capacity_outbox AS o JOIN restaurants AS r ON r.restaurant_id = o.restaurant_id
        WHERE o.restaurant_id = $1 AND o.floor_version NOT BETWEEN 1 AND r.floor_version""",
    "two changes share a floor version": """
        SELECT o.floor_version
        FROM capacity_outbox AS o
        WHERE o.restaurant_id = $1
        GROUP BY o.floor_version
        HAVING count(DISTINCT o.idempotency_key) > 1""",
    "a change of the restaurant is not in the audit log": """
        SELECT v.version
        FROM restaurants AS r CROSS JOIN generate_series(1, r.floor_version) AS v (version)
        WHERE r.restaurant_id = $1 AND NOT EXISTS (
            SELECT FROM audit_log AS l WHERE l.restaurant_id = $1 AND l.floor_version = v.version
        )""",
    "a hold has no event of its creation": """
        SELECT h.hold_id
        FROM holds AS h
        WHERE h.restaurant_id = $1 AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.hold.created'
                AND o.payload ->> 'holdId' = h.hold_id::text
        )""",
    "a hold that ended has no event of its end": """
        SELECT h.hold_id, h.state
        FROM holds AS h
        WHERE h.restaurant_id = $1 AND h.state <> 'active' AND 1 <> (
            SELECT count(*) FROM capacity_outbox AS o
            WHERE o.restaurant_id = $1 AND o.event_type = 'capacity.hold.' || h.state
                AND o.payload ->> 'holdId' = h.hold_id::text
        )""",
}

_OF_RESTAURANT = (
    "restaurants",
    "bookings",
    "booking_history",
    "holds",
    "assignments",
    "merge_groups",
    "blocks",
    "table_claims",
    "audit_log",
    "capacity_outbox",
)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def broken_invariants(connection: Connection, restaurant_id: str) -> dict[str, list[Any]]:
    """What is wrong with the restaurant, by sentence; nothing is right."""
    found = {sentence: await connection.fetch(query, restaurant_id) for sentence, query in _BROKEN.items()}
    return {sentence: [dict(row) for row in rows] for sentence, rows in found.items() if rows}


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


async def ledger_of(connection: Connection, tenant_id: object, method: str) -> tuple[int, int]:
    """How many answers and how many refusals of a command are recorded."""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE NOT refused) AS answers, count(*) FILTER (WHERE refused) AS refusals "
        "FROM idempotency_ledger WHERE tenant_id = $1 AND method = $2",
        tenant_id,
        method,
    )
    assert row is not None
    return row["answers"], row["refusals"]
