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

-- name: archive_claims
-- Moves up to $2 claims whose window ended more than $1 seconds ago into the archive, except those that an active
-- assignment stands on; says how many.
WITH moved AS (
    DELETE FROM table_claims AS c
    WHERE c.ctid = ANY(ARRAY(
        SELECT o.ctid FROM table_claims AS o
        LEFT JOIN assignments AS a ON o.restaurant_id = a.restaurant_id AND o.assignment_id = a.assignment_id
        WHERE upper(o.during) < clock_timestamp() - make_interval(secs => $1)
            AND (a.state IS NULL OR a.state <> 'active')
        LIMIT $2
        FOR UPDATE OF o SKIP LOCKED
    ))
    RETURNING c.restaurant_id, c.claim_id, c.table_id, c.during, c.kind, c.hold_id, c.assignment_id, c.block_id, c.booking_id
),

kept AS (
    INSERT INTO table_claims_archive (
        restaurant_id, claim_id, table_id, during, kind, hold_id, assignment_id, block_id, booking_id, archived_at
    )
    SELECT
        m.restaurant_id, m.claim_id, m.table_id, m.during, m.kind, m.hold_id, m.assignment_id, m.block_id, m.booking_id,
        clock_timestamp()
    FROM moved AS m
)

SELECT count(*) AS archived FROM moved;
