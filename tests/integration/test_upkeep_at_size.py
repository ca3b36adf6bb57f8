"""What is done again and again reads what is past its time and hardly more, however much is kept."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from server.persistence.history import HISTORY
from server.persistence.queries import load_queries
from server.persistence.transactions import TRANSACTIONS
from tests.support.database import Connection, connected
from tests.support.plans import rows_met
from tests.support.postgres import TestServer

WEEK_S = 7 * 86_400.0
KEPT, PAST = 5_000, 5

EVENTS = """
    INSERT INTO capacity_outbox (
        restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, status, event_type,
        dedupe_key, idempotency_key, payload
    )
    SELECT md5('r')::uuid, md5('t')::uuid, v, 1, {at}, {at}, {at}, 'done', 'capacity.hold.created', v::text, 'x', '{{}}'
    FROM {values}
"""
TELEMETRY = """
    INSERT INTO telemetry_events (event_id, occurred_at, event_type, schema, context)
    SELECT md5(v::text)::uuid, {at}, 'capacity.hold.created', 'x', '{{}}'
    FROM {values}
"""
ANSWERS = """
    INSERT INTO idempotency_ledger (
        tenant_id, method, request_id, request_hash, field_digests, refused, answer, created_at, expires_at
    )
    SELECT md5('t')::uuid, 'HoldTables', md5(v::text)::uuid, '', '{{}}', false, '{{}}', {at}, {at} + interval '7 days'
    FROM {values}
"""
HOLDS = """
    INSERT INTO holds (
        restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, expires_at, created_at, actor,
        policy_version, inventory_version, assignment_epoch
    )
    SELECT md5('r')::uuid, md5(v::text)::uuid, md5('b')::uuid, ARRAY[md5('t')::uuid], now(), now() + interval '1 hour',
        {at} + interval '7 days', {at}, '', 1, 1, 1
    FROM {values}
"""
# Most have ended.
JOBS = """
    INSERT INTO auto_assign_jobs (restaurant_id, booking_id, state, next_attempt_at, actor, queued_at)
    SELECT md5('r')::uuid, md5(v::text)::uuid, w.state, CASE WHEN w.state = 'waiting' THEN {at} + interval '7 days' END,
        '', {at}
    FROM (SELECT v, CASE WHEN v % 5 = 0 OR v > 5000 THEN 'waiting' ELSE 'ended' END AS state FROM {values}) AS w
"""
BOOKINGS = """
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        revision, assignment_epoch, created_at, updated_at
    )
    SELECT md5('r')::uuid, md5(v::text)::uuid, 'pending', 2, {at}, {at} + interval '1 hour', {at},
        {at} + interval '1 hour', '', 1, 1, {at}, {at}
    FROM {values}
"""
DEAD_EVENTS = """
    INSERT INTO capacity_outbox (
        restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, status, event_type,
        dedupe_key, booking_id, idempotency_key, payload
    )
    SELECT md5('r')::uuid, md5('t')::uuid, v, 1, {at}, {at}, {at}, 'dead', 'capacity.hold.created', v::text,
        md5(v::text)::uuid, 'x', '{{}}'
    FROM {values}
"""
BLOCKS = """
    INSERT INTO blocks (
        restaurant_id, block_id, table_ids, window_start, window_end, cause, note, released, actor, created_at
    )
    SELECT md5('r')::uuid, md5(v::text)::uuid, ARRAY[md5('t')::uuid], {at} - interval '1 hour', {at}, 'other', '',
        v % 2 = 0, '', {at}
    FROM {values}
"""
ENTRIES = """
    INSERT INTO audit_log (
        restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
    )
    SELECT md5('r')::uuid, md5('t')::uuid, v, {at}, '', 'put_floor', 'restaurant', md5('r')::uuid, '', '{{}}'
    FROM {values} ORDER BY v
"""
DAY = timedelta(days=1)
# The table, how rows are made, the statement that looks for those past their time, and what it is asked.
LOOKS: Mapping[str, tuple[str, str, str, tuple[object, ...]]] = {
    "delete_delivered": ("capacity_outbox", EVENTS, "outbox", (WEEK_S, 100)),
    "delete_older": ("telemetry_events", TELEMETRY, "telemetry", (WEEK_S, 100)),
    "forget_answers": ("idempotency_ledger", ANSWERS, "upkeep", (100,)),
    "restaurants_with_expired_holds": ("holds", HOLDS, "upkeep", (100,)),
    "claim_jobs": ("auto_assign_jobs", JOBS, "auto_assign", (PAST, 30.0, 3)),
    "clear_ended_holds": ("holds", HOLDS, "history", (WEEK_S - DAY.total_seconds(), DAY, 100)),
    "clear_past_bookings": ("bookings", BOOKINGS, "history", (WEEK_S, 100)),
    "clear_past_blocks": ("blocks", BLOCKS, "history", (WEEK_S, 100)),
    "clear_past_entries": ("audit_log", ENTRIES, "history", (WEEK_S, 10)),
}


@pytest.fixture
async def connection(each_postgres: TestServer) -> AsyncIterator[Connection]:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("INSERT INTO tenants (tenant_id) VALUES (md5('t')::uuid)")
        await connection.execute(
            "INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone)"
            " VALUES (md5('r')::uuid, md5('t')::uuid, '', 'UTC')"
        )
        yield connection


@pytest.mark.parametrize("name", LOOKS)
async def test_a_look_for_what_is_past_reads_that_and_hardly_more(name: str, connection: Connection) -> None:
    """Also where rows have come and gone before, and others have their places."""
    table, make, file, values = LOOKS[name]
    await connection.execute(_made(make, "1 year", 1, KEPT))
    await connection.execute(f"DELETE FROM {table}")
    await connection.execute(f"VACUUM (TRUNCATE off) {table}")
    await connection.execute(_made(make, "8 days", KEPT + 1, KEPT + PAST))
    await connection.execute(_made(make, "1 hour", 1, KEPT))
    await connection.execute(f"ANALYZE {table}")
    met = sum(rows_met(await _explained(connection, file, name, values), table))
    assert PAST <= met <= 5 * PAST


async def test_past_bookings_are_not_compared_with_each_dead_event(connection: Connection) -> None:
    """Otherwise many of them would have the look run out of time, and no restaurant's bookings would go any more."""
    kept = 300
    await connection.execute(_made(BOOKINGS, "9 days", 1, kept))
    await connection.execute(_made(DEAD_EVENTS, "9 days", 1, kept))
    await connection.execute(_made(BOOKINGS, "8 days", kept + 1, kept + PAST))
    await connection.execute("ANALYZE bookings, capacity_outbox")
    plan = await _explained(connection, "history", "clear_past_bookings", (WEEK_S, 100))
    assert kept <= sum(rows_met(plan, "capacity_outbox")) <= 2 * kept
    assert sum(_passed_over_by_joins(plan)) <= kept
    assert await connection.fetchval("SELECT count(*) FROM bookings") == kept


async def _explained(
    connection: Connection, file: str, name: str, values: tuple[object, ...]
) -> Mapping[str, Any]:
    """How the statement was run."""
    query = load_queries(file)[name]
    async with connection.transaction():
        if file == "history":
            await connection.execute(TRANSACTIONS["plan_for_lookups"])
            await connection.execute(HISTORY["plan_in_order"])
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {query}", *values)
    plan: Mapping[str, Any] = json.loads(explained)[0]["Plan"]
    return plan


def _made(make: str, ago: str, first: int, last: int) -> str:
    return make.format(at=f"(now() - interval '{ago}')", values=f"generate_series({first}, {last}) AS v")


def _passed_over_by_joins(plan: Mapping[str, Any]) -> Iterator[float]:
    """How many pairs of rows were looked at that don't belong together."""
    yield plan.get("Rows Removed by Join Filter", 0) * plan["Actual Loops"]
    for inner in plan.get("Plans", ()):
        yield from _passed_over_by_joins(inner)
