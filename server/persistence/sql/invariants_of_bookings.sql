-- name: status_matches_assignment
-- A booking has an active assignment exactly while it is confirmed or checked in, and a completed one when it is completed.
WITH broken AS MATERIALIZED (
    SELECT
        b.restaurant_id,
        b.booking_id,
        b.assignment_id,
        'the booking is ' || b.status || ', its assignment ' || coalesce(a.state, 'missing') AS message
    FROM bookings AS b
    LEFT JOIN assignments AS a
        ON
            b.restaurant_id = a.restaurant_id
            AND b.assignment_id = a.assignment_id
            AND b.booking_id = a.booking_id
    WHERE
        ($1::uuid [] IS NULL OR b.restaurant_id = any($1))
        AND CASE
            WHEN b.status IN ('confirmed', 'checked_in') THEN a.state IS DISTINCT FROM 'active'
            WHEN b.status = 'completed' THEN a.state IS DISTINCT FROM 'completed'
            ELSE b.assignment_id IS NOT NULL
        END
    UNION ALL
    SELECT
        a.restaurant_id,
        a.booking_id,
        a.assignment_id,
        'the assignment is ' || a.state || ', but not the one that its booking names' AS message
    FROM assignments AS a
    LEFT JOIN bookings AS b ON a.restaurant_id = b.restaurant_id AND a.booking_id = b.booking_id
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND a.state IN ('active', 'completed')
        AND b.assignment_id IS DISTINCT FROM a.assignment_id
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.assignment_id,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.booking_id, b.assignment_id
LIMIT $2;

-- name: assignments_match_bookings
-- An active assignment that was made for its booking's present need is for its party, and until the end of its window. It
-- begins later where the party was given tables again after its time had begun.
WITH broken AS MATERIALIZED (
    SELECT
        b.restaurant_id,
        b.booking_id,
        a.assignment_id,
        a.table_ids,
        'the booking is for ' || b.party_size || ' from ' || b.window_start || ' until ' || b.window_end
        || ', its assignment for ' || a.party_size || ' from ' || a.window_start || ' until ' || a.window_end AS message
    FROM assignments AS a
    INNER JOIN bookings AS b
        ON a.restaurant_id = b.restaurant_id AND a.booking_id = b.booking_id AND a.assignment_id = b.assignment_id
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND a.state = 'active'
        AND a.assignment_epoch = b.assignment_epoch
        AND ((a.party_size, a.window_end) <> (b.party_size, b.window_end) OR a.window_start < b.window_start)
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.assignment_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.booking_id
LIMIT $2;

-- name: confirmed_holds_assigned
-- A confirmed hold has become an assignment of its booking, and a hold that became one is confirmed.
WITH broken AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        NULL::uuid AS assignment_id,
        h.table_ids,
        'the hold is confirmed, but no assignment of its booking came of it' AS message
    FROM holds AS h
    WHERE
        ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
        AND h.state = 'confirmed'
        AND NOT EXISTS (
            SELECT FROM assignments AS a
            WHERE
                ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
                AND a.restaurant_id = h.restaurant_id
                AND a.hold_id = h.hold_id
                AND a.booking_id = h.booking_id
        )
    UNION ALL
    SELECT
        a.restaurant_id,
        a.booking_id,
        a.hold_id,
        a.assignment_id,
        a.table_ids,
        'the assignment came of the hold, which is ' || coalesce(h.state, 'missing') AS message
    FROM assignments AS a
    LEFT JOIN holds AS h
        ON a.restaurant_id = h.restaurant_id AND a.hold_id = h.hold_id AND ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND a.hold_id IS NOT NULL
        AND h.state IS DISTINCT FROM 'confirmed'
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    b.assignment_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.hold_id, b.assignment_id
LIMIT $2;

-- name: queued_bookings_have_jobs
-- A booking that is left to the worker has its job, which has not ended but by a decision to give it no tables.
SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    'the booking is pending_allocation, its job '
    || CASE WHEN j.state IS NULL THEN 'missing' ELSE j.state || ' with ' || coalesce(j.outcome, 'no decision') END AS message
FROM bookings AS b
LEFT JOIN auto_assign_jobs AS j ON b.restaurant_id = j.restaurant_id AND b.booking_id = j.booking_id
WHERE
    ($1::uuid [] IS NULL OR b.restaurant_id = any($1))
    AND b.status = 'pending_allocation'
    AND (j.state IN ('queued', 'waiting') OR j.outcome IN ('refused', 'gave_up')) IS NOT TRUE
ORDER BY b.restaurant_id, b.booking_id
LIMIT $2;

-- name: history_complete
-- A booking's history has every revision from 1 to the booking's own, each a step that a booking can take from the status
-- that the one before it came to, and ends with the booking's status.
-- A booking is counted once, and the first thing that is wrong is told.
WITH steps AS (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.revision,
        h.from_status,
        h.to_status,
        lag(h.revision, 1, 0::bigint) OVER before AS last_revision,
        lag(h.to_status) OVER before AS last_status
    FROM booking_history AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
    WINDOW before AS (PARTITION BY h.restaurant_id, h.booking_id ORDER BY h.revision)
),

problems AS (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.revision,
        CASE
            WHEN h.revision <> h.last_revision + 1 THEN
                'revision ' || h.revision || ' follows ' || h.last_revision
            WHEN h.from_status IS DISTINCT FROM h.last_status THEN
                'revision ' || h.revision || ' is a step from ' || coalesce(h.from_status, 'nothing')
                || ', but the one before it came to ' || coalesce(h.last_status, 'nothing')
            ELSE
                'revision ' || h.revision || ' is a step from ' || coalesce(h.from_status, 'nothing') || ' to '
                || h.to_status || ', which no booking takes'
        END AS problem
    FROM steps AS h
    WHERE
        h.revision <> h.last_revision + 1
        OR h.from_status IS DISTINCT FROM h.last_status
        OR CASE h.to_status
            WHEN 'pending' THEN coalesce(h.from_status, 'pending') IN ('pending', 'confirmed')
            WHEN 'pending_allocation' THEN coalesce(h.from_status, 'pending') IN ('pending', 'pending_allocation')
            WHEN 'confirmed' THEN h.from_status IN ('pending', 'pending_allocation', 'confirmed', 'no_show')
            WHEN 'checked_in' THEN h.from_status IN ('confirmed', 'checked_in')
            WHEN 'completed' THEN h.from_status = 'checked_in'
            WHEN 'cancelled' THEN h.from_status IN ('pending', 'pending_allocation', 'confirmed')
            WHEN 'no_show' THEN h.from_status IN ('confirmed', 'checked_in')
        END IS NOT TRUE
    UNION ALL
    SELECT
        coalesce(b.restaurant_id, l.restaurant_id) AS restaurant_id,
        coalesce(b.booking_id, l.booking_id) AS booking_id,
        coalesce(b.revision, l.revision) + 1 AS revision,
        'the booking is ' || coalesce(b.status || ' at revision ' || b.revision, 'missing') || ', its history ends with '
        || coalesce(l.to_status || ' at ' || l.revision, 'nothing') AS problem
    FROM (
        SELECT
            o.restaurant_id,
            o.booking_id,
            o.status,
            o.revision
        FROM bookings AS o
        WHERE $1::uuid [] IS NULL OR o.restaurant_id = any($1)
    ) AS b
    FULL JOIN (
        SELECT DISTINCT ON (h.restaurant_id, h.booking_id)
            h.restaurant_id,
            h.booking_id,
            h.revision,
            h.to_status
        FROM booking_history AS h
        WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
        ORDER BY h.restaurant_id, h.booking_id, h.revision DESC
    ) AS l ON b.restaurant_id = l.restaurant_id AND b.booking_id = l.booking_id
    WHERE (l.revision, l.to_status) IS DISTINCT FROM (b.revision, b.status)
),

broken AS MATERIALIZED (
    SELECT DISTINCT ON (p.restaurant_id, p.booking_id)
        p.restaurant_id,
        p.booking_id,
        p.problem AS message
    FROM problems AS p
    ORDER BY p.restaurant_id, p.booking_id, p.revision
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.booking_id
LIMIT $2;

-- name: history_audited
-- Each change in a booking's history is in the audit log, by the same actor and for the same reason, and no other is.
-- Neither says of the other which change it is, so those of a booking that are alike are counted.
WITH changes AS (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.actor,
        h.reason,
        h.revision,
        1 AS times
    FROM booking_history AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
    UNION ALL
    SELECT
        l.restaurant_id,
        l.resource_id AS booking_id,
        l.actor,
        l.reason,
        NULL AS revision,
        -1 AS times
    FROM audit_log AS l
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND l.resource = 'booking'
        AND l.details ? 'request_id'
        AND l.action NOT IN ('queue', 'auto_assign_decision')
),

unlike AS (
    SELECT
        c.restaurant_id,
        c.booking_id,
        sum(c.times) AS times,
        CASE WHEN sum(c.times) > 0 THEN max(c.revision) END AS revision
    FROM changes AS c
    GROUP BY c.restaurant_id, c.booking_id, c.actor, c.reason
    HAVING sum(c.times) <> 0
),

broken AS MATERIALIZED (
    SELECT
        u.restaurant_id,
        u.booking_id,
        CASE
            WHEN max(u.revision) IS NULL THEN 'the audit log has a change of it that its history does not have'
            WHEN min(u.times) > 0 THEN 'revision ' || max(u.revision) || ' of its history is not in the audit log'
            ELSE 'revision ' || max(u.revision) || ' of its history is in the audit log by somebody else, or for another reason'
        END AS message
    FROM unlike AS u
    GROUP BY u.restaurant_id, u.booking_id
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.booking_id
LIMIT $2;

-- name: epochs_in_order
-- No hold or assignment is for a later need than its booking has come to.
WITH made AS (
    SELECT
        a.restaurant_id,
        a.booking_id,
        NULL::uuid AS hold_id,
        a.assignment_id,
        a.assignment_epoch
    FROM assignments AS a
    WHERE $1::uuid [] IS NULL OR a.restaurant_id = any($1)
    UNION ALL
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        NULL::uuid AS assignment_id,
        h.assignment_epoch
    FROM holds AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    m.hold_id,
    m.assignment_id,
    'epoch ' || m.assignment_epoch || ', but the booking is at ' || b.assignment_epoch AS message
FROM made AS m
INNER JOIN bookings AS b ON m.restaurant_id = b.restaurant_id AND m.booking_id = b.booking_id
WHERE
    m.assignment_epoch > b.assignment_epoch
    -- Most are for a need that every booking has come to, and are left out before they meet their booking.
    AND m.assignment_epoch > (
        SELECT min(t.assignment_epoch) FROM bookings AS t
        WHERE $1::uuid [] IS NULL OR t.restaurant_id = any($1)
    )
ORDER BY b.restaurant_id, b.booking_id, m.assignment_id, m.hold_id
LIMIT $2;
