-- What a history of calls is compared with: the rows of some restaurants, or of all when none are named.

-- name: taken_at
-- The database's clock.
SELECT clock_timestamp() AS taken_at;

-- name: claims
-- Every claim, whether it still keeps others out or not.
SELECT
    c.restaurant_id,
    c.table_id,
    lower(c.during) AS window_start,
    upper(c.during) AS window_end,
    c.kind,
    coalesce(c.hold_id, c.assignment_id, c.block_id) AS owner_id,
    c.booking_id,
    c.expires_at
FROM table_claims AS c
WHERE $1::uuid [] IS NULL OR c.restaurant_id = any($1);

-- name: holds
-- Every hold, by the state that is written.
SELECT
    h.restaurant_id,
    h.hold_id,
    h.booking_id,
    h.table_ids,
    h.window_start,
    h.window_end,
    h.state,
    h.expires_at,
    h.created_at
FROM holds AS h
WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1);

-- name: assignments
-- Every assignment.
SELECT
    a.restaurant_id,
    a.assignment_id,
    a.booking_id,
    a.table_ids,
    a.window_start,
    a.window_end,
    a.state,
    a.created_at
FROM assignments AS a
WHERE $1::uuid [] IS NULL OR a.restaurant_id = any($1);

-- name: bookings
-- Every booking with the tables it sits on.
SELECT
    b.restaurant_id,
    b.booking_id,
    b.status,
    b.assignment_id
FROM bookings AS b
WHERE $1::uuid [] IS NULL OR b.restaurant_id = any($1);

-- name: ledger
-- What the tenants of the restaurants were answered, and the hold or assignment that the answer is about.
SELECT
    l.method,
    l.request_id,
    l.refused,
    CASE WHEN l.refused THEN l.answer ->> 'reason' END AS reason,
    coalesce(
        l.answer #>> '{hold,hold_id}', l.answer #>> '{assignment,assignment_id}', l.answer ->> 'hold_id'
    ) AS subject_id
FROM idempotency_ledger AS l
WHERE
    $1::uuid [] IS NULL
    OR l.tenant_id IN (SELECT r.tenant_id FROM restaurants AS r WHERE r.restaurant_id = any($1));

-- name: events
-- What was told to the world, and the hold, assignment, block or booking that it is about.
SELECT
    o.restaurant_id,
    o.floor_version,
    o.event_type,
    o.idempotency_key AS request_id,
    coalesce(
        o.payload ->> 'holdId', o.payload ->> 'assignmentId', o.payload ->> 'blockId', o.payload ->> 'bookingId'
    ) AS subject_id
FROM capacity_outbox AS o
WHERE $1::uuid [] IS NULL OR o.restaurant_id = any($1);
