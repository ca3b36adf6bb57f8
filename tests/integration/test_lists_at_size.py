"""A page of a list is read from where it begins, also by a plan that was made for other questions."""

import json
from collections.abc import Mapping

from server.persistence.queries import load_queries
from tests.support.database import connected
from tests.support.plans import rows_met
from tests.support.postgres import TestServer

MANY = """
    SET session_replication_role = replica;
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        revision, assignment_epoch, created_at, updated_at
    )
    SELECT md5('r')::uuid, md5('b' || v)::uuid, 'pending', 2, w.at, w.at + interval '1 hour', w.at,
        w.at + interval '1 hour', '', 1, 1, w.at, w.at
    FROM generate_series(1, 5000) AS v, LATERAL (SELECT timestamptz '2026-01-01Z' + v * interval '1 hour' AS at) AS w;
    INSERT INTO holds (
        restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, state, expires_at, created_at, actor,
        policy_version, inventory_version, assignment_epoch
    )
    SELECT restaurant_id, booking_id, booking_id, ARRAY[md5('t')::uuid], window_start, window_end, 'released',
        window_end, window_start, '', 1, 1, 1
    FROM bookings;
    INSERT INTO assignments (
        restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, state, assignment_epoch,
        party_size, actor, created_at
    )
    SELECT restaurant_id, booking_id, booking_id, ARRAY[md5('t')::uuid], window_start, window_end, 'completed', 1,
        2, '', window_start
    FROM bookings;
    ANALYZE bookings, holds, assignments;
"""
SPAN = "'2026-01-01Z', '2027-01-01Z'"
# Half a year after the span has begun.
AFTER = "'2026-06-30Z', md5('b')::uuid"
LISTS: Mapping[str, tuple[str, str, int]] = {
    "bookings_page": ("bookings", f"{SPAN}, '{{}}', {AFTER}, 20, '1 day'", 20),
    "assignments_page": ("assignments", f"{SPAN}, {AFTER}, 20, '1 day'", 20),
    "holds_page": ("holds", f"{SPAN}, '{{released}}', {AFTER}, 20", 20),
    "holds_of_page": ("holds", "NULL, NULL, md5('b7')::uuid, '{released}', NULL, NULL, 20", 1),
}


async def test_a_page_is_read_from_where_it_begins(each_postgres: TestServer) -> None:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute(MANY)
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        for name, (table, values, size) in LISTS.items():
            await connection.execute(f"PREPARE {name} AS {load_queries(table)[name]}")
            question = f"EXECUTE {name} (md5('r')::uuid, {values})"
            assert len(await connection.fetch(question)) == size
            explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {question}")
            assert sum(rows_met(json.loads(explained)[0]["Plan"], table)) <= 2 * size, name
