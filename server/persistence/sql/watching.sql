-- name: begin_viewing
-- Makes the transaction see one instant, write nothing, and end in time.
SELECT set_config('statement_timeout', $1, true) AS statement_timeout;

-- name: changes
-- The events of up to $4 floor versions after $3, with the newest version, how far back events were deleted, and the
-- last events of $3 and of the newest version, all read at one instant; one row without an event when there is none.
WITH place AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.floor_version AS newest_version,
        coalesce(s.compacted_version, 0) AS compacted_version,
        (
            SELECT n.id
            FROM capacity_outbox AS n
            WHERE n.restaurant_id = r.restaurant_id AND n.floor_version = r.floor_version
            ORDER BY n.position DESC
            LIMIT 1
        ) AS newest_event,
        (
            SELECT b.id
            FROM capacity_outbox AS b
            WHERE b.restaurant_id = r.restaurant_id AND b.floor_version = $3::bigint
            ORDER BY b.position DESC
            LIMIT 1
        ) AS event_before
    FROM restaurants AS r
    LEFT JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
    WHERE r.tenant_id = $1 AND r.restaurant_id = $2
)

SELECT
    p.newest_version,
    p.newest_event,
    p.compacted_version,
    p.event_before,
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
FROM place AS p
LEFT JOIN capacity_outbox AS e
    ON
        p.restaurant_id = e.restaurant_id
        AND e.floor_version > $3::bigint
        AND e.floor_version <= $3::bigint + $4::integer
ORDER BY e.floor_version, e.position;

-- name: floor_versions
-- The newest floor version of each of these restaurants.
SELECT
    r.restaurant_id,
    r.floor_version
FROM restaurants AS r
WHERE r.restaurant_id = ANY($1::uuid []);
