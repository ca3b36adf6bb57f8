-- name: database_facts
-- Version, clock, durability, and the constraint that keeps tables apart.
SELECT
    current_setting('server_version') AS version,
    to_regclass('table_claims') IS NOT NULL AS schema_present,
    coalesce((
        SELECT pg_get_constraintdef(c.oid)
        FROM pg_constraint AS c
        WHERE c.conname = 'table_claims_no_overlap' AND c.contype = 'x' AND c.convalidated AND NOT c.condeferrable
    ), '') AS exclusion,
    clock_timestamp() AS now,
    array(
        SELECT s.name
        FROM pg_settings AS s
        WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND s.setting = 'off'
        ORDER BY s.name
    ) AS not_durable;

-- name: add_probe
-- A restaurant with one table and one block, for a transaction that is rolled back.
WITH tenant AS (
    INSERT INTO tenants (tenant_id) VALUES ($1)
),

restaurant AS (
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone) VALUES ($1, $1, 'probe', 'UTC')
),

zone AS (
    INSERT INTO zones (restaurant_id, zone_id, name) VALUES ($1, $1, 'probe')
),

probe_table AS (
    INSERT INTO tables (restaurant_id, table_id, zone_id, name, capacity, min_party, max_party, movable)
    VALUES ($1, $1, $1, 'probe', 2, 1, 2, false)
)

INSERT INTO blocks (
    restaurant_id, block_id, table_ids, window_start, window_end, cause, note, actor, created_at
)
VALUES ($1, $1, array[$1::uuid], now(), now() + interval '2 hours', 'other', 'probe', 'probe', now());

-- name: claim_probe
-- Claims the probe's table for a window that starts some minutes from now; the second one has to be refused.
INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id)
VALUES (
    $1, $1, tstzrange(now() + make_interval(mins => $2::int), now() + interval '2 hours'), 'block', $1
);
