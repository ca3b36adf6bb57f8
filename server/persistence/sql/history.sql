-- What is over goes after a time, the oldest first and whole. Nothing on the floor changes by that: no version rises and no
-- event tells of it. Each restaurant is asked for its oldest row, which an index has; what stays is not read.

-- name: plan_in_order
-- Has the next statement of this transaction read by the order of indexes, so that it stops when it has enough. Guessing that
-- a restaurant has few rows, it would read and sort all that are due. There is room to hash some 100,000s of dead events.
SELECT
    set_config('enable_sort', 'off', true) AS enable_sort,
    set_config('enable_bitmapscan', 'off', true) AS enable_bitmapscan,
    set_config('work_mem', '64MB', true) AS work_mem;

-- name: clear_ended_holds
-- Looks at the next holds, up to $3, that were made longer ago than $1 seconds and $2, the longest life of a hold, and deletes
-- those that came to nothing. Says how many it looked at.
WITH next AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        coalesce(m.holds_until, '-infinity') AS since,
        n.created_at
    FROM restaurants AS r
    LEFT JOIN history_cleared AS m ON r.restaurant_id = m.restaurant_id
    CROSS JOIN LATERAL (
        SELECT h.created_at
        FROM holds AS h
        WHERE
            h.restaurant_id = r.restaurant_id
            AND h.created_at > coalesce(m.holds_until, '-infinity')
            AND h.created_at < (SELECT clock_timestamp() - make_interval(secs => $1) - $2::interval)
        ORDER BY h.created_at
        LIMIT $3
    ) AS n
    LIMIT $3
),

spans AS MATERIALIZED (
    SELECT
        n.restaurant_id,
        n.since,
        max(n.created_at) AS until
    FROM next AS n
    GROUP BY n.restaurant_id, n.since
),

cleared AS (
    DELETE FROM holds AS h
    WHERE h.ctid = ANY(ARRAY(
        SELECT o.row_id
        FROM spans AS s
        CROSS JOIN LATERAL (
            SELECT h.ctid AS row_id
            FROM holds AS h
            WHERE
                h.restaurant_id = s.restaurant_id
                AND h.created_at > s.since
                AND h.created_at <= s.until
                AND h.state IN ('released', 'expired')
            ORDER BY h.created_at
        ) AS o
    ))
),

marked AS (
    INSERT INTO history_cleared AS m (restaurant_id, holds_until)
    SELECT
        s.restaurant_id,
        s.until
    FROM spans AS s
    ORDER BY s.restaurant_id
    ON CONFLICT (restaurant_id) DO UPDATE SET holds_until = excluded.holds_until
)

SELECT count(*) AS looked FROM next;

-- name: clear_past_bookings
-- Deletes up to $2 bookings that ended longer ago than $1 seconds, and to which nothing was done since, with all that is
-- theirs, and says how many. A dead event keeps its booking; one that waits for as long keeps all of its restaurant.
-- Whoever writes has the restaurant locked. One that is locked is passed over, and so is one that was changed between the
-- look and the lock: what was read is as old as its floor version.
WITH past AS MATERIALIZED (
    SELECT clock_timestamp() - make_interval(secs => $1) AS ended_by
),

found AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.floor_version,
        b.booking_id
    FROM restaurants AS r
    CROSS JOIN LATERAL (
        SELECT o.booking_id
        FROM bookings AS o
        WHERE
            o.restaurant_id = r.restaurant_id
            AND o.window_start < (SELECT p.ended_by FROM past AS p)
            AND o.window_end < (SELECT p.ended_by FROM past AS p)
            AND NOT EXISTS (
                SELECT FROM audit_log AS l
                WHERE
                    l.restaurant_id = o.restaurant_id
                    AND l.resource_id = o.booking_id
                    AND l.occurred_at >= (SELECT p.ended_by FROM past AS p)
            )
            -- Read once, and hashed: no index has the events of a booking.
            AND (o.restaurant_id, o.booking_id) NOT IN (
                SELECT e.restaurant_id, e.booking_id
                FROM capacity_outbox AS e
                WHERE
                    (e.status = 'dead' OR (e.redriven_at IS NOT NULL AND e.status = 'pending'))
                    AND e.booking_id IS NOT NULL
            )
        ORDER BY o.window_start, o.booking_id
        LIMIT $2
    ) AS b
    WHERE NOT EXISTS (
        SELECT FROM outbox_streams AS s
        CROSS JOIN LATERAL (
            SELECT e.created_at
            FROM capacity_outbox AS e
            WHERE
                e.restaurant_id = s.restaurant_id
                AND (e.floor_version, e.position) > (s.settled_version, s.settled_position)
            ORDER BY e.floor_version, e.position
            LIMIT 1
        ) AS w
        WHERE s.restaurant_id = r.restaurant_id AND w.created_at < (SELECT p.ended_by FROM past AS p)
    )
    LIMIT $2
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

gone AS MATERIALIZED (
    SELECT
        f.restaurant_id,
        f.booking_id
    FROM found AS f
    INNER JOIN restaurants AS r ON f.restaurant_id = r.restaurant_id AND f.floor_version = r.floor_version
),

held AS (
    DELETE FROM holds AS h
    USING gone AS g
    WHERE h.restaurant_id = g.restaurant_id AND h.booking_id = g.booking_id
    RETURNING h.restaurant_id, h.hold_id
),

assigned AS (
    DELETE FROM assignments AS a
    USING gone AS g
    WHERE a.restaurant_id = g.restaurant_id AND a.booking_id = g.booking_id
    RETURNING a.restaurant_id, a.assignment_id
),

merged AS (
    DELETE FROM merge_groups AS m
    USING assigned AS a
    WHERE m.restaurant_id = a.restaurant_id AND m.assignment_id = a.assignment_id
),

held_claims AS (
    DELETE FROM table_claims AS c
    USING held AS h
    WHERE c.restaurant_id = h.restaurant_id AND c.hold_id = h.hold_id
),

assigned_claims AS (
    DELETE FROM table_claims AS c
    USING assigned AS a
    WHERE c.restaurant_id = a.restaurant_id AND c.assignment_id = a.assignment_id
),

jobs AS (
    DELETE FROM auto_assign_jobs AS j
    USING gone AS g
    WHERE j.restaurant_id = g.restaurant_id AND j.booking_id = g.booking_id
),

changed AS (
    DELETE FROM booking_history AS h
    USING gone AS g
    WHERE h.restaurant_id = g.restaurant_id AND h.booking_id = g.booking_id
),

audited AS (
    DELETE FROM audit_log AS l
    USING gone AS g
    WHERE l.restaurant_id = g.restaurant_id AND l.resource_id = g.booking_id
    RETURNING l.restaurant_id, l.floor_version
),

marked AS (
    INSERT INTO history_cleared AS m (restaurant_id, audit_version)
    SELECT
        l.restaurant_id,
        max(l.floor_version)
    FROM audited AS l
    GROUP BY l.restaurant_id
    ORDER BY l.restaurant_id
    ON CONFLICT (restaurant_id) DO UPDATE SET audit_version = greatest(m.audit_version, excluded.audit_version)
),

deleted AS (
    DELETE FROM bookings AS b
    USING gone AS g
    WHERE b.restaurant_id = g.restaurant_id AND b.booking_id = g.booking_id
    RETURNING b.booking_id
)

SELECT count(*) AS bookings FROM deleted;

-- name: clear_past_blocks
-- Deletes up to $2 blocks that ended longer ago than $1 seconds, and to which nothing was done since, with their claims
-- and their entries in the audit log, and says how many.
WITH past AS MATERIALIZED (
    SELECT clock_timestamp() - make_interval(secs => $1) AS ended_by
),

gone AS MATERIALIZED (
    SELECT
        k.restaurant_id,
        k.block_id
    FROM blocks AS k
    WHERE
        k.window_end < (SELECT p.ended_by FROM past AS p)
        AND NOT EXISTS (
            SELECT FROM audit_log AS l
            WHERE
                l.restaurant_id = k.restaurant_id
                AND l.resource_id = k.block_id
                AND l.occurred_at >= (SELECT p.ended_by FROM past AS p)
        )
    ORDER BY k.window_end
    LIMIT $2
    FOR UPDATE OF k SKIP LOCKED
),

claims AS (
    DELETE FROM table_claims AS c
    USING gone AS g
    WHERE c.restaurant_id = g.restaurant_id AND c.block_id = g.block_id
),

audited AS (
    DELETE FROM audit_log AS l
    USING gone AS g
    WHERE l.restaurant_id = g.restaurant_id AND l.resource_id = g.block_id
    RETURNING l.restaurant_id, l.floor_version
),

marked AS (
    INSERT INTO history_cleared AS m (restaurant_id, audit_version)
    SELECT
        l.restaurant_id,
        max(l.floor_version)
    FROM audited AS l
    GROUP BY l.restaurant_id
    ORDER BY l.restaurant_id
    ON CONFLICT (restaurant_id) DO UPDATE SET audit_version = greatest(m.audit_version, excluded.audit_version)
),

deleted AS (
    DELETE FROM blocks AS k
    USING gone AS g
    WHERE k.restaurant_id = g.restaurant_id AND k.block_id = g.block_id
    RETURNING k.block_id
)

SELECT count(*) AS blocks FROM deleted;

-- name: clear_past_entries
-- Deletes up to $2 entries of the audit log that are older than $1 seconds and about a restaurant itself, and says how many.
WITH past AS MATERIALIZED (
    SELECT clock_timestamp() - make_interval(secs => $1) AS made_by
),

gone AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        n.occurred_at,
        n.audit_id
    FROM restaurants AS r
    CROSS JOIN LATERAL (
        SELECT
            l.occurred_at,
            l.audit_id
        FROM audit_log AS l
        WHERE
            l.restaurant_id = r.restaurant_id
            AND l.resource_id = r.restaurant_id
            AND l.occurred_at < (SELECT p.made_by FROM past AS p)
        ORDER BY l.occurred_at, l.audit_id
        LIMIT $2
    ) AS n
    LIMIT $2
),

audited AS (
    DELETE FROM audit_log AS l
    USING gone AS g
    WHERE l.restaurant_id = g.restaurant_id AND l.occurred_at = g.occurred_at AND l.audit_id = g.audit_id
    RETURNING l.restaurant_id, l.floor_version
),

marked AS (
    INSERT INTO history_cleared AS m (restaurant_id, audit_version)
    SELECT
        l.restaurant_id,
        max(l.floor_version)
    FROM audited AS l
    GROUP BY l.restaurant_id
    ORDER BY l.restaurant_id
    ON CONFLICT (restaurant_id) DO UPDATE SET audit_version = greatest(m.audit_version, excluded.audit_version)
)

SELECT count(*) AS entries FROM audited;
