-- name: begin_viewing
-- Makes the transaction see one instant, write nothing, and end in time.
SELECT set_config('statement_timeout', $1, true) AS statement_timeout;

-- name: changes
-- The events of up to $4 floor versions after $3, with the newest version and how far back events were deleted, all read
-- at one instant; one row without an event when there is none.
SELECT
    r.floor_version AS newest_version,
    coalesce(s.compacted_version, 0) AS compacted_version,
    e.id,
    e.tenant_id,
    e.restaurant_id,
    e.floor_version,
    e.position,
    e.created_at,
    e.event_type,
    e.booking_id,
    e.idempotency_key,
    e.payload
FROM restaurants AS r
LEFT JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
LEFT JOIN capacity_outbox AS e
    ON r.restaurant_id = e.restaurant_id AND e.floor_version > $3 AND e.floor_version <= $3::bigint + $4::integer
WHERE r.tenant_id = $1 AND r.restaurant_id = $2
ORDER BY e.floor_version, e.position;

-- name: floor_versions
-- The newest floor version of each of these restaurants.
SELECT
    r.restaurant_id,
    r.floor_version
FROM restaurants AS r
WHERE r.restaurant_id = ANY($1::uuid []);
