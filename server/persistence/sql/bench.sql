-- name: clear
-- Forgets every tenant with everything that belongs to it.
TRUNCATE tenants CASCADE;

-- name: add_restaurants
-- Adds a tenant with $2 restaurants at floor version $3, each with a stream that nobody has looked at.
WITH tenant AS (
    INSERT INTO tenants (tenant_id) VALUES ($1) RETURNING tenant_id
),

added AS (
    INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone, floor_version)
    SELECT
        gen_random_uuid(),
        t.tenant_id,
        'bench',
        'UTC',
        $3
    FROM tenant AS t, generate_series(1, $2::integer) AS n
    RETURNING restaurant_id
)

INSERT INTO outbox_streams (restaurant_id)
SELECT a.restaurant_id FROM added AS a;

-- name: add_events
-- Adds an event for each floor version of each restaurant of a tenant, in the order in which they would have been
-- committed.
INSERT INTO capacity_outbox (
    restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, event_type, dedupe_key,
    idempotency_key, payload
)
SELECT
    r.restaurant_id,
    r.tenant_id,
    v.floor_version,
    1,
    clock_timestamp(),
    clock_timestamp(),
    clock_timestamp(),
    'capacity.hold.created',
    concat(r.restaurant_id, ':', v.floor_version),
    gen_random_uuid()::text,
    jsonb_build_object(
        'holdId', gen_random_uuid(),
        'bookingId', gen_random_uuid(),
        'restaurantId', r.restaurant_id,
        'tableIds', jsonb_build_array(gen_random_uuid(), gen_random_uuid()),
        'startAt', '2031-05-01T18:00:00Z',
        'endAt', '2031-05-01T20:00:00Z',
        'expiresAt', '2031-05-01T17:00:00Z',
        'actorId', 'bench'
    )
FROM generate_series(1, $2::bigint) AS v (floor_version)
CROSS JOIN restaurants AS r
WHERE r.tenant_id = $1
ORDER BY v.floor_version, r.restaurant_id;

-- name: tidy
-- Takes up what autovacuum would do in the middle of a measurement.
VACUUM (ANALYZE) capacity_outbox, outbox_streams, restaurants;

-- name: settle_disk
-- Writes out what is dirty, so that every measurement begins with the same share of it.
CHECKPOINT;

-- name: events_left
-- How many events are not done.
SELECT count(*) AS events_left
FROM capacity_outbox AS o
WHERE o.status <> 'done';

-- name: add_plain_index
-- The index by which a plain queue finds its next rows.
CREATE INDEX bench_plain_queue ON capacity_outbox (created_at, id) WHERE status = 'pending';

-- name: drop_plain_index
-- Leaves the table as it was.
DROP INDEX bench_plain_queue;

-- name: take_rows
-- What a plain queue does to lease its next $1 rows, in no order that anybody could rely on.
UPDATE capacity_outbox AS o SET
    status = 'processing', attempt_count = o.attempt_count + 1, updated_at = clock_timestamp()
FROM (
    SELECT
        p.restaurant_id,
        p.id
    FROM capacity_outbox AS p
    WHERE p.status = 'pending'
    ORDER BY p.created_at, p.id
    LIMIT $1
    FOR NO KEY UPDATE SKIP LOCKED
) AS next
WHERE o.restaurant_id = next.restaurant_id AND o.id = next.id
RETURNING o.restaurant_id, o.id, o.attempt_count, o.payload;

-- name: finish_rows
-- What a plain queue does to finish rows, each only if it is still in the attempt that it was leased for.
UPDATE capacity_outbox AS o SET status = 'done', updated_at = clock_timestamp()
FROM unnest($1::uuid [], $2::uuid [], $3::integer []) AS d (restaurant_id, id, attempt_count)
WHERE
    o.restaurant_id = d.restaurant_id AND o.id = d.id
    AND o.status = 'processing' AND o.attempt_count = d.attempt_count;

-- name: take_snapshot
-- Any look at the data makes a repeatable read keep every version of every row from then on.
SELECT count(*) AS tenants FROM tenants;
