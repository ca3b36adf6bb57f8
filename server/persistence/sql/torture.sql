-- name: lock_restaurants
-- Locks all restaurants in one order, so that two who do so don't wait for each other.
SELECT r.restaurant_id
FROM restaurants AS r
ORDER BY r.restaurant_id
FOR UPDATE;

-- name: unsettled_events
-- How many events wait for delivery, and how many were given up.
SELECT
    count(*) FILTER (WHERE o.status = 'pending') AS waiting,
    count(*) FILTER (WHERE o.status = 'dead') AS dead
FROM capacity_outbox AS o;

-- name: committed_events
-- The place of every event among those of its restaurant.
SELECT
    o.id,
    o.restaurant_id,
    o.floor_version,
    o.position
FROM capacity_outbox AS o;
