"""How long the checks of `maitred verify` take on a large database.

`python -m tests.bench.invariants_speed [CLAIMS …]` fills a PostgreSQL of its own with bookings of one confirmed
hold and one table each, all in order, and prints the seconds for the whole database and for one restaurant of it. What
was just written has not been vacuumed: the first look also marks each row as committed, and writes what it marked. The
second one only looks.
"""

import argparse
import asyncio
from time import perf_counter
from uuid import UUID

import asyncpg

from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.persistence.invariants import look_at_everything, look_at_tenant
from server.persistence.migrator import Migrator, find_migrations, read_migrations
from tests.support.postgres import scratch_directory

CLAIMS = (100_000, 1_000_000)
TABLES = 40
WINDOWS = 250
TENANT = UUID(int=1)

# $1 restaurants, each with TABLES tables and WINDOWS parties at every table.
FILL = f"""
    SET session_replication_role = replica;
    SET timezone = 'UTC';
    CREATE TEMPORARY TABLE party AS
    SELECT
        md5('r' || r)::uuid AS restaurant_id, md5('t' || t || 'r' || r)::uuid AS table_id,
        gen_random_uuid() AS booking_id, gen_random_uuid() AS hold_id, gen_random_uuid() AS assignment_id,
        '2031-05-01T10:00Z'::timestamptz + w * interval '2 hours' AS begins,
        '2031-05-01T10:00Z'::timestamptz + (w + 1) * interval '2 hours' AS ends,
        (t - 1) * {WINDOWS} + w AS version
    FROM generate_series(1, {{restaurants}}) AS r, generate_series(1, {TABLES}) AS t,
        generate_series(1, {WINDOWS}) AS w;
    INSERT INTO tenants (tenant_id) VALUES ('{TENANT}');
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone, floor_version)
    SELECT md5('r' || r)::uuid, '{TENANT}', r::text, 'UTC', {TABLES * WINDOWS}
    FROM generate_series(1, {{restaurants}}) AS r;
    INSERT INTO zones (restaurant_id, zone_id, name) SELECT DISTINCT restaurant_id, restaurant_id, 'Room' FROM party;
    INSERT INTO tables (restaurant_id, table_id, zone_id, name, capacity, min_party, max_party, movable)
    SELECT DISTINCT restaurant_id, table_id, restaurant_id, table_id::text, 4, 1, 4, true FROM party;
    INSERT INTO bookings (restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start,
        window_end, period, revision, assignment_epoch, assignment_id, created_at, updated_at)
    SELECT restaurant_id, booking_id, 'confirmed', 2, begins, ends, begins, ends, 'day', 2, 1, assignment_id, now(),
        now() FROM party;
    INSERT INTO booking_history (restaurant_id, booking_id, revision, from_status, to_status, actor, reason, changed_at)
    SELECT restaurant_id, booking_id, revision, from_status, to_status, 'bench', '', now() FROM party
    CROSS JOIN (VALUES (1, NULL, 'pending'), (2, 'pending', 'confirmed')) AS step (revision, from_status, to_status);
    INSERT INTO holds (restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, state, expires_at,
        created_at, actor, policy_version, inventory_version, assignment_epoch)
    SELECT restaurant_id, hold_id, booking_id, ARRAY[table_id], begins, ends, 'confirmed', now() + interval '1 minute',
        now(), 'bench', 1, 1, 1 FROM party;
    INSERT INTO assignments (restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end,
        assignment_epoch, party_size, hold_id, actor, created_at)
    SELECT restaurant_id, assignment_id, booking_id, ARRAY[table_id], begins, ends, 1, 2, hold_id, 'bench', now()
    FROM party;
    INSERT INTO table_claims (restaurant_id, table_id, during, kind, assignment_id, booking_id)
    SELECT restaurant_id, table_id, tstzrange(begins, ends), 'assignment', assignment_id, booking_id FROM party;
    INSERT INTO capacity_outbox (restaurant_id, tenant_id, floor_version, position, created_at, updated_at,
        status, attempt_count, next_attempt_at, event_type, dedupe_key, booking_id, idempotency_key, payload)
    SELECT restaurant_id, '{TENANT}', version, 1, now(), now(), 'done', 1, now(), 'capacity.assignment.sync',
        booking_id::text, booking_id, booking_id::text, '{{{{}}}}' FROM party;
    INSERT INTO outbox_streams (restaurant_id, settled_version, settled_position)
    SELECT restaurant_id, floor_version, 1 FROM restaurants;
    INSERT INTO audit_log (restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id,
        reason, details)
    SELECT restaurant_id, '{TENANT}', version, now(), 'bench', action, 'booking', booking_id, '', details::jsonb
    FROM party
    CROSS JOIN (VALUES ('create', '{{{{"events": 1}}}}'), ('assign', '{{{{}}}}')) AS entry (action, details);
    INSERT INTO idempotency_ledger (tenant_id, method, request_id, request_hash, field_digests, refused, answer,
        expires_at)
    SELECT '{TENANT}', 'AssignTables', booking_id, '\\x00', '{{{{}}}}', false, jsonb_build_object('assignment',
        jsonb_build_object('restaurant_id', restaurant_id, 'booking_id', booking_id, 'assignment_id', assignment_id,
            'table_ids', ARRAY[table_id], 'assignment_epoch', 1, 'party_size', 2, 'window', jsonb_build_object(
                'start', to_char(begins, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                'end', to_char(ends, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            ))), now() + interval '7 days' FROM party;
    SET session_replication_role = DEFAULT;
    ANALYZE;
"""


async def measure(claims: int) -> None:
    with scratch_directory(on_disk=True) as folder:
        postgres = EmbeddedPostgres(folder, find_installation())
        url = await postgres.start()
        try:
            await Migrator(url, read_migrations(find_migrations())).up()
            connection = await asyncpg.connect(url)
            restaurants = max(1, claims // (TABLES * WINDOWS))
            began = perf_counter()
            await connection.execute(FILL.format(restaurants=restaurants))
            print(f"{restaurants * TABLES * WINDOWS} claims written in {perf_counter() - began:.1f} s")
            for part in ("the whole database", "once more"):
                began = perf_counter()
                everything = await look_at_everything(connection)
                print(f"  {part:18} {perf_counter() - began:8.2f} s, {everything.violations} violations")
            one = await connection.fetchval("SELECT min(restaurant_id::text)::uuid FROM restaurants")
            began = perf_counter()
            of_one = await look_at_tenant(connection, TENANT, one, 0)
            print(f"  one restaurant     {perf_counter() - began:8.2f} s, {of_one.violations} violations")
            await connection.close()
        finally:
            await postgres.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.invariants_speed", description=__doc__)
    parser.add_argument("claims", type=int, nargs="*", default=CLAIMS, help="a database of so many each")
    for claims in parser.parse_args().claims:
        asyncio.run(measure(claims))


if __name__ == "__main__":
    main()
