-- name: hold
-- One hold; its state is what the database's clock makes of it.
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
FROM holds AS h
WHERE h.restaurant_id = $1 AND h.hold_id = $2;

-- name: open_holds_of
-- The holds of a booking that nothing has ended, oldest first; those whose time is over are among them.
SELECT
    h.restaurant_id,
    h.hold_id,
    h.booking_id,
    h.table_ids,
    h.window_start,
    h.window_end,
    CASE WHEN h.expires_at <= clock_timestamp() THEN 'expired' ELSE h.state END AS state,
    h.expires_at,
    h.created_at,
    h.actor,
    h.policy_version,
    h.inventory_version,
    h.assignment_epoch,
    h.overrides
FROM holds AS h
WHERE h.restaurant_id = $1 AND h.booking_id = $2 AND h.state = 'active'
ORDER BY h.created_at, h.hold_id;

-- name: holds_page
-- Holds of some states, overlapping a window or not, by creation.
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
FROM holds AS h
WHERE
    h.restaurant_id = $1
    AND ($2::timestamptz IS NULL OR h.window_end > $2)
    AND ($3::timestamptz IS NULL OR h.window_start < $3)
    AND CASE WHEN h.state = 'active' AND h.expires_at <= clock_timestamp() THEN 'expired' ELSE h.state END
    = any($4::text [])
    AND (h.created_at, h.hold_id) > (coalesce($5::timestamptz, '-infinity'), $6::uuid)
ORDER BY h.created_at, h.hold_id
LIMIT $7;

-- name: holds_of_page
-- The same of one booking. A plan is kept for whatever is asked next, so this is a statement of its own.
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
FROM holds AS h
WHERE
    h.restaurant_id = $1
    AND ($2::timestamptz IS NULL OR h.window_end > $2)
    AND ($3::timestamptz IS NULL OR h.window_start < $3)
    AND h.booking_id = $4
    AND CASE WHEN h.state = 'active' AND h.expires_at <= clock_timestamp() THEN 'expired' ELSE h.state END
    = any($5::text [])
    AND (h.created_at, h.hold_id) > (coalesce($6::timestamptz, '-infinity'), $7::uuid)
ORDER BY h.created_at, h.hold_id
LIMIT $8;

-- name: live_holds_page
-- The unexpired active holds of a restaurant, of one booking or of all, overlapping a window or not, by creation.
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
FROM holds AS h
WHERE
    h.restaurant_id = $1
    AND h.state = 'active'
    AND h.expires_at > clock_timestamp()
    AND ($2::timestamptz IS NULL OR h.window_end > $2)
    AND ($3::timestamptz IS NULL OR h.window_start < $3)
    AND ($4::uuid IS NULL OR h.booking_id = $4)
    AND ($5::timestamptz IS NULL OR (h.created_at, h.hold_id) > ($5, $6::uuid))
ORDER BY h.created_at, h.hold_id
LIMIT $7;

-- name: expired_holds
-- Holds of a restaurant that are over and still count as active, the longest expired first.
SELECT
    h.restaurant_id,
    h.hold_id,
    h.booking_id,
    h.table_ids,
    h.window_start,
    h.window_end,
    'expired' AS state,
    h.expires_at,
    h.created_at,
    h.actor,
    h.policy_version,
    h.inventory_version,
    h.assignment_epoch,
    h.overrides
FROM holds AS h
WHERE h.restaurant_id = $1 AND h.state = 'active' AND h.expires_at <= clock_timestamp()
ORDER BY h.expires_at, h.hold_id
LIMIT $2;
