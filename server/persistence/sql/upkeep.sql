-- name: restaurants_with_expired_holds
-- Restaurants of all tenants with holds that are over and still count as active, the longest expired first.
SELECT r.tenant_id, o.restaurant_id
FROM (
    SELECT h.restaurant_id, min(h.expires_at) AS expired_at
    FROM holds AS h
    WHERE h.state = 'active' AND h.expires_at <= clock_timestamp()
    GROUP BY h.restaurant_id
) AS o
INNER JOIN restaurants AS r ON o.restaurant_id = r.restaurant_id
ORDER BY o.expired_at, o.restaurant_id
LIMIT $1;

-- name: forget_answers
-- Deletes up to so many answers of the ledger whose time is over; says how many.
WITH forgotten AS (
    DELETE FROM idempotency_ledger AS l
    WHERE l.ctid = ANY(ARRAY(
        SELECT o.ctid FROM idempotency_ledger AS o
        WHERE o.expires_at <= clock_timestamp()
        ORDER BY o.expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING l.request_id
)

SELECT count(*) AS forgotten FROM forgotten;
