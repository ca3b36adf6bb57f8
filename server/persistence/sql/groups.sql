-- name: open_requests
-- Sets the transaction's time limits and claims its requests until it ends; says of each, in order, whether it was
-- claimed (not while another transaction has it) and what is recorded of it.
SELECT
    set_config('statement_timeout', $1::text, true) AS statement_timeout,
    set_config('lock_timeout', $2::text, true) AS lock_timeout,
    pg_try_advisory_xact_lock(hashtextextended(w.lock_name, 0)) AS claimed,
    l.request_hash,
    l.field_digests,
    l.refused,
    l.answer
FROM unnest($3::text [], $4::uuid [], $5::text [], $6::uuid [])
WITH ORDINALITY AS w (lock_name, tenant_id, method, request_id, position)
LEFT JOIN LATERAL (
    SELECT
        k.request_hash,
        k.field_digests,
        k.refused,
        k.answer
    FROM idempotency_ledger AS k
    WHERE k.tenant_id = w.tenant_id AND k.method = w.method AND k.request_id = w.request_id
) AS l ON true
ORDER BY w.position;

-- name: lock_restaurants
-- Restaurants of tenants, locked in the order of their ids against other writers until the transaction ends; the clock
-- is read after the locks were granted.
WITH locked AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.tenant_id,
        r.name,
        r.time_zone,
        r.revision,
        r.policy_version,
        r.inventory_version,
        r.floor_version
    FROM restaurants AS r
    WHERE r.restaurant_id = any($2::uuid []) AND r.tenant_id = any($1::uuid [])
    ORDER BY r.restaurant_id
    FOR NO KEY UPDATE
)

SELECT
    l.restaurant_id,
    l.tenant_id,
    l.name,
    l.time_zone,
    l.revision,
    l.policy_version,
    l.inventory_version,
    l.floor_version,
    clock_timestamp() AS now
FROM locked AS l;

-- name: lock_idle_restaurants
-- The same of those that nobody else has locked at the moment.
WITH locked AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.tenant_id,
        r.name,
        r.time_zone,
        r.revision,
        r.policy_version,
        r.inventory_version,
        r.floor_version
    FROM restaurants AS r
    WHERE r.restaurant_id = any($2::uuid []) AND r.tenant_id = any($1::uuid [])
    ORDER BY r.restaurant_id
    FOR NO KEY UPDATE SKIP LOCKED
)

SELECT
    l.restaurant_id,
    l.tenant_id,
    l.name,
    l.time_zone,
    l.revision,
    l.policy_version,
    l.inventory_version,
    l.floor_version,
    clock_timestamp() AS now
FROM locked AS l;

-- name: restaurants_there
-- Which of these restaurants there are.
SELECT r.tenant_id, r.restaurant_id
FROM restaurants AS r
WHERE r.restaurant_id = any($2::uuid []) AND r.tenant_id = any($1::uuid []);

-- name: bookings
-- Several bookings, each as one is read.
SELECT
    b.restaurant_id,
    b.booking_id,
    b.status,
    b.party_size,
    b.dining_start,
    b.dining_end,
    b.window_start,
    b.window_end,
    b.period,
    b.duration_s,
    b.zone_id,
    b.required_attributes,
    b.preferred_attributes,
    b.preferred_zone_ids,
    b.reference,
    b.revision,
    b.assignment_epoch,
    b.assignment_id,
    a.assignment_epoch AS assigned_epoch,
    b.checked_in_at,
    b.checked_out_at,
    b.created_at,
    b.updated_at,
    to_jsonb(j) AS auto_assign_job
FROM unnest($1::uuid [], $2::uuid []) AS w (restaurant_id, booking_id)
INNER JOIN bookings AS b ON w.restaurant_id = b.restaurant_id AND w.booking_id = b.booking_id
LEFT JOIN assignments AS a ON b.restaurant_id = a.restaurant_id AND b.assignment_id = a.assignment_id
LEFT JOIN auto_assign_jobs AS j ON b.restaurant_id = j.restaurant_id AND b.booking_id = j.booking_id;

-- name: holds
-- Several holds; the state of each is what the database's clock makes of it.
SELECT
    h.restaurant_id,
    h.hold_id,
    h.booking_id,
    h.table_ids,
    h.window_start,
    h.window_end,
    CASE WHEN h.state = 'active' AND h.expires_at <= clock_timestamp() THEN 'expired' ELSE h.state END AS state,
    h.expires_at,
    h.created_at,
    h.actor,
    h.policy_version,
    h.inventory_version,
    h.assignment_epoch,
    h.overrides
FROM unnest($1::uuid [], $2::uuid []) AS w (restaurant_id, hold_id)
INNER JOIN holds AS h ON w.restaurant_id = h.restaurant_id AND w.hold_id = h.hold_id;

-- name: live_holds
-- The unexpired active holds of several bookings, oldest first.
SELECT
    h.restaurant_id,
    h.hold_id,
    h.booking_id,
    h.table_ids,
    h.window_start,
    h.window_end,
    h.state,
    h.expires_at,
    h.created_at,
    h.actor,
    h.policy_version,
    h.inventory_version,
    h.assignment_epoch,
    h.overrides
FROM unnest($1::uuid [], $2::uuid []) AS w (restaurant_id, booking_id)
INNER JOIN holds AS h ON w.restaurant_id = h.restaurant_id AND w.booking_id = h.booking_id
WHERE h.state = 'active' AND h.expires_at > clock_timestamp()
ORDER BY h.created_at, h.hold_id;

-- name: claims
-- Claims on named tables that overlap a window, for each of several askers; each has its number, its restaurant, its
-- window, and a row per table.
SELECT
    w.asker,
    c.table_id,
    lower(c.during) AS window_start,
    upper(c.during) AS window_end,
    c.kind,
    coalesce(c.hold_id, c.assignment_id, c.block_id) AS owner_id,
    c.booking_id,
    c.expires_at
FROM unnest($1::int [], $2::uuid [], $3::uuid [], $4::timestamptz [], $5::timestamptz [])
AS w (asker, restaurant_id, table_id, window_start, window_end)
INNER JOIN table_claims AS c
    ON
        w.restaurant_id = c.restaurant_id
        AND w.table_id = c.table_id
        AND c.during && tstzrange(w.window_start, w.window_end)
        AND upper(c.during) > w.window_start
ORDER BY w.asker, c.table_id, lower(c.during);
