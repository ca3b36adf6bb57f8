-- Read once per statement, as a subquery, the clock is something that an index can be searched by. Asked for every row,
-- it would have all rows read, and those that are not past their time are most of them.

-- name: clock
-- The database's clock.
SELECT clock_timestamp() AS now;

-- name: restaurants_with_expired_holds
-- Restaurants of all tenants with holds that are over and still count as active, the longest expired first.
SELECT r.tenant_id, o.restaurant_id
FROM (
    SELECT h.restaurant_id, min(h.expires_at) AS expired_at
    FROM holds AS h
    WHERE h.state = 'active' AND h.expires_at <= (SELECT clock_timestamp())
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
        WHERE o.expires_at <= (SELECT clock_timestamp())
        ORDER BY o.expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING l.request_id
)

SELECT count(*) AS forgotten FROM forgotten;

-- name: clear_past_claims
-- For up to $2 restaurants, the longest neglected first, clears claims that ended in one day more than $1 seconds ago:
-- those of assignments that were completed and of blocks that are over. Days without claims are passed over. Says for how
-- many restaurants there was something to look at. A booking that nobody closed keeps its claims.
WITH due AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        p.cleared_until AS since,
        date_trunc('day', clock_timestamp() - make_interval(secs => $1), 'UTC') AS kept_from
    FROM restaurants AS r
    LEFT JOIN past_claims_cleared AS p ON r.restaurant_id = p.restaurant_id
    WHERE
        p.cleared_until IS NULL
        OR p.cleared_until < date_trunc('day', clock_timestamp() - make_interval(secs => $1), 'UTC')
    ORDER BY p.cleared_until NULLS FIRST
    LIMIT $2
),

stepped AS MATERIALIZED (
    SELECT
        d.restaurant_id,
        coalesce(d.since, '-infinity') AS since,
        least(d.kept_from, date_trunc('day', n.next_end, 'UTC') + interval '1 day') AS until
    FROM due AS d
    LEFT JOIN LATERAL (
        SELECT upper(c.during) AS next_end
        FROM table_claims AS c
        WHERE c.restaurant_id = d.restaurant_id AND upper(c.during) > coalesce(d.since, '-infinity')
        ORDER BY upper(c.during)
        LIMIT 1
    ) AS n ON true
),

cleared AS (
    DELETE FROM table_claims AS c
    USING stepped AS s
    WHERE
        c.restaurant_id = s.restaurant_id
        AND upper(c.during) > s.since
        AND upper(c.during) <= s.until
        AND (
            c.kind = 'block'
            OR EXISTS (
                SELECT FROM assignments AS a
                WHERE
                    a.restaurant_id = c.restaurant_id
                    AND a.assignment_id = c.assignment_id
                    AND a.state = 'completed'
            )
        )
),

marked AS (
    INSERT INTO past_claims_cleared AS p (restaurant_id, cleared_until)
    SELECT
        s.restaurant_id,
        s.until
    FROM stepped AS s
    ON CONFLICT (restaurant_id) DO UPDATE SET cleared_until = excluded.cleared_until
)

SELECT count(*) AS restaurants FROM stepped;
