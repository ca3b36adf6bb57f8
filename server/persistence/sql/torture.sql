-- name: lock_restaurants
-- Locks all restaurants in one order, so that two who do so don't wait for each other.
SELECT r.restaurant_id
FROM restaurants AS r
ORDER BY r.restaurant_id
FOR UPDATE;

-- name: waiting_events
-- How many events wait for delivery.
SELECT count(*) AS waiting FROM capacity_outbox AS o WHERE o.status = 'pending';

-- name: committed_events
-- The place of every event among those of its restaurant.
SELECT
    o.id,
    o.restaurant_id,
    o.floor_version,
    o.position
FROM capacity_outbox AS o;

-- name: repeated_effects
-- Which request_ids changed a restaurant more than once: the events of one change have one floor version.
SELECT o.idempotency_key AS request_id
FROM capacity_outbox AS o
WHERE o.idempotency_key <> ''
GROUP BY o.tenant_id, o.restaurant_id, o.idempotency_key
HAVING min(o.floor_version) < max(o.floor_version);

-- name: made_ids
-- The ids of every hold and every assignment that was ever made.
SELECT h.hold_id AS id
FROM holds AS h
UNION ALL
SELECT a.assignment_id AS id
FROM assignments AS a;
