"""A page of a list is read from where it begins, also by a plan that was made for other questions."""

import json

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
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone, floor_version)
    SELECT md5('r')::uuid, md5('tenant')::uuid, 'R', 'UTC', 5000;
    INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position)
    VALUES (md5('r')::uuid, 4950, 2147483647);
    -- Those from 4951 on wait, and of the others every hundredth is dead or was redriven.
    INSERT INTO capacity_outbox (
        restaurant_id, id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, status,
        event_type, dedupe_key, idempotency_key, payload, redriven_at
    )
    SELECT md5('r')::uuid, md5('e' || v)::uuid, md5('tenant')::uuid, v, 1, w.at, w.at, w.at,
        CASE WHEN v > 4950 OR v % 100 = 50 THEN 'pending' WHEN v % 100 = 0 THEN 'dead' ELSE 'done' END,
        'capacity.hold.created', v::text, v::text, '{}', CASE WHEN v <= 4950 AND v % 100 = 50 THEN now() END
    FROM generate_series(1, 5000) AS v, LATERAL (SELECT timestamptz '2026-01-01Z' + v * interval '1 hour' AS at) AS w;
    ANALYZE bookings, holds, assignments, restaurants, outbox_streams, capacity_outbox;
"""
SPAN = "'2026-01-01Z', '2027-01-01Z'"
# Half a year after the span has begun.
AFTER = "'2026-06-30Z', md5('b')::uuid"
OF, EVENTS_OF = "md5('r')::uuid", "md5('tenant')::uuid, md5('r')::uuid"
OF_ALL, FIRST = "md5('tenant')::uuid, NULL", "NULL, NULL, -1, -1"
# The statement, what it is asked, how many rows it answers with, and how many it may look at.
LISTS: tuple[tuple[str, str, str, int, int], ...] = (
    ("bookings", "bookings_page", f"{OF}, {SPAN}, '{{}}', {AFTER}, 20, '1 day'", 20, 40),
    ("assignments", "assignments_page", f"{OF}, {SPAN}, {AFTER}, 20, '1 day'", 20, 40),
    ("holds", "holds_page", f"{OF}, {SPAN}, '{{released}}', {AFTER}, 20", 20, 40),
    ("holds", "holds_of_page", f"{OF}, NULL, NULL, md5('b7')::uuid, '{{released}}', NULL, NULL, 20", 1, 2),
    ("outbox", "events_page", f"{EVENTS_OF}, NULL, NULL, 2500, 1, 20", 20, 40),
    # All that wait or are dead are looked at, and of the delivered ones none.
    ("outbox", "undelivered_events_page", f"{EVENTS_OF}, 'pending', NULL, {FIRST}, 200", 100, 150),
    ("outbox", "undelivered_events_page", f"{EVENTS_OF}, 'dead', NULL, {FIRST}, 200", 49, 100),
    ("outbox", "undelivered_events_page", f"{OF_ALL}, 'dead', NULL, {FIRST}, 200", 49, 100),
    ("outbox", "event_by_id", f"{OF_ALL}, md5('e7')::uuid, NULL, NULL", 1, 1),
)
TABLES = {"outbox": "capacity_outbox"}


async def test_a_page_is_read_from_where_it_begins(each_postgres: TestServer) -> None:
    async with each_postgres.fresh_database() as url, connected(url) as connection:
        await connection.execute(MANY)
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        for file, name, values, size, read_max in LISTS:
            await connection.execute(f"PREPARE {name} AS {load_queries(file)[name]}")
            question = f"EXECUTE {name} ({values})"
            assert len(await connection.fetch(question)) == size, question
            explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) {question}")
            met = rows_met(json.loads(explained)[0]["Plan"], TABLES.get(file, file))
            assert sum(met) <= read_max, question
            await connection.execute("DEALLOCATE ALL")
