-- name: take_worker_id
-- A number for a worker, with the session lock that tells the others for as long as it lives. What the session commits
-- from then on, its leases, doesn't wait for the disk: a crash ends every session, and with it what they had leased.
SELECT
    w.worker_id,
    pg_try_advisory_lock($1, w.worker_id) AS locked,
    set_config('synchronous_commit', 'off', false) AS synchronous_commit
FROM (SELECT nextval('outbox_worker_ids')::integer AS worker_id) AS w;

-- name: lead
-- Whether this session has a role that only one session has at a time; it takes the role if nobody has it.
SELECT
    CASE
        WHEN EXISTS (
            SELECT FROM pg_locks AS l
            WHERE
                l.locktype = 'advisory' AND l.objsubid = 2 AND l.pid = pg_backend_pid()
                AND l.classid = $1::integer::oid AND l.objid = $2::integer::oid
        ) THEN true
        ELSE pg_try_advisory_lock($1, $2)
    END AS leads;

-- name: adopt_restaurants
-- Gives restaurants that have no stream yet one.
INSERT INTO outbox_streams (restaurant_id)
SELECT r.restaurant_id
FROM restaurants AS r
WHERE NOT EXISTS (SELECT FROM outbox_streams AS s WHERE s.restaurant_id = r.restaurant_id)
ON CONFLICT (restaurant_id) DO NOTHING;

-- name: claim_streams
-- Leases up to $4 streams that have something to deliver, the longest unserved first, and reads up to $5 events of each.
-- As many that were leased by somebody who never answered are leased one by one, to find out which of them it was. Those
-- that wait behind a dead event only when $6 says so. While the relay is paused, none.
WITH due AS MATERIALIZED (
    SELECT s.restaurant_id, r.floor_version
    FROM outbox_streams AS s
    INNER JOIN restaurants AS r ON s.restaurant_id = r.restaurant_id
    WHERE
        (
            (r.floor_version, 2147483647) > (s.settled_version, s.settled_position)
            OR EXISTS (
                SELECT FROM capacity_outbox AS o
                WHERE o.restaurant_id = s.restaurant_id AND o.redriven_at IS NOT NULL AND o.status = 'pending'
            )
        )
        AND (s.lease_token IS NULL OR s.leased_until < clock_timestamp())
        AND s.next_attempt_at <= clock_timestamp()
        AND (s.blocked_by IS NULL OR $6::boolean)
        AND NOT EXISTS (SELECT FROM switches AS w WHERE w.name = 'relay' AND w.value = 'paused')
    ORDER BY s.next_attempt_at
    LIMIT $4
    FOR NO KEY UPDATE OF s SKIP LOCKED
),

claimed AS (
    UPDATE outbox_streams AS s SET
        lease_number = s.lease_number + 1,
        lease_token = $1,
        leased_by = $2,
        leased_until = clock_timestamp() + make_interval(secs => $3),
        next_attempt_at = clock_timestamp(),
        orphanings = s.orphanings + CASE WHEN s.lease_token IS NULL THEN 0 ELSE 1 END,
        careful = CASE WHEN s.lease_token IS NULL THEN s.careful ELSE $5 END
    FROM due AS d
    WHERE s.restaurant_id = d.restaurant_id
    RETURNING
        s.restaurant_id,
        s.lease_number,
        s.settled_version,
        s.settled_position,
        s.orphanings,
        d.floor_version,
        CASE WHEN s.careful > 0 THEN 1 ELSE $5::integer END AS events_max,
        -- Said here, it keeps the planner from counting on what statistics say: that hardly any event waits. Where
        -- one restaurant has most of the events it would read the whole table rather than look up the next.
        'pending'::text AS waiting
)

SELECT
    c.restaurant_id,
    c.lease_number,
    c.settled_version,
    c.settled_position,
    c.orphanings,
    c.events_max,
    c.floor_version AS seen_version,
    e.id,
    e.tenant_id,
    e.floor_version,
    e.position,
    e.created_at,
    e.event_type,
    e.attempt_count,
    e.booking_id,
    e.idempotency_key,
    e.payload
FROM claimed AS c
LEFT JOIN LATERAL (
    (
        SELECT o.*
        FROM capacity_outbox AS o
        WHERE
            o.restaurant_id = c.restaurant_id AND o.redriven_at IS NOT NULL AND o.status = 'pending'
            AND (o.floor_version, o.position) <= (c.settled_version, c.settled_position)
        ORDER BY o.floor_version, o.position
        LIMIT c.events_max
    )
    UNION ALL
    (
        SELECT o.*
        FROM capacity_outbox AS o
        WHERE
            o.restaurant_id = c.restaurant_id AND o.status = c.waiting
            AND (o.floor_version, o.position) > (c.settled_version, c.settled_position)
        ORDER BY o.floor_version, o.position
        LIMIT c.events_max
    )
    LIMIT c.events_max
) AS e ON true
ORDER BY c.restaurant_id, e.floor_version, e.position;

-- name: settle_streams
-- Moves streams on to what was delivered, notes what failed, and gives the leases back, one of each stream at most; answers
-- with those that still held. Where one did not, nothing is written. One that this answer has given back before, because
-- it is asked again by somebody who did not hear of it, counts as held: nobody has leased or freed its stream since.
WITH settled AS MATERIALIZED (
    SELECT
        w.restaurant_id,
        w.lease_number,
        w.settled_version,
        w.settled_position,
        w.delay_s,
        w.blocked_by,
        (SELECT count(*)::integer FROM unnest($8::uuid []) AS a (id) WHERE a.id = w.restaurant_id) AS answered
    FROM unnest($2::uuid [], $3::bigint [], $4::bigint [], $5::integer [], $6::double precision [], $7::uuid [])
        AS w (restaurant_id, lease_number, settled_version, settled_position, delay_s, blocked_by)
),

fenced AS MATERIALIZED (
    SELECT s.restaurant_id
    FROM outbox_streams AS s
    INNER JOIN settled AS w ON s.restaurant_id = w.restaurant_id AND s.lease_number = w.lease_number
    WHERE s.lease_token = $1
    ORDER BY s.restaurant_id
    FOR NO KEY UPDATE OF s
),

outcomes AS (
    UPDATE capacity_outbox AS o SET
        status = d.status,
        attempt_count = o.attempt_count + d.attempts,
        last_error = d.last_error,
        updated_at = clock_timestamp(),
        next_attempt_at = clock_timestamp() + make_interval(secs => d.delay_s)
    FROM unnest($8::uuid [], $9::uuid [], $10::text [], $11::integer [], $12::text [], $13::double precision [])
        AS d (restaurant_id, id, status, attempts, last_error, delay_s)
    WHERE
        o.restaurant_id = d.restaurant_id AND o.id = d.id
        AND d.restaurant_id IN (SELECT f.restaurant_id FROM fenced AS f)
),

moved AS (
    UPDATE outbox_streams AS s SET
        settled_version = w.settled_version,
        settled_position = w.settled_position,
        orphanings = 0,
        careful = greatest(0, s.careful - w.answered),
        next_attempt_at = clock_timestamp() + make_interval(secs => w.delay_s),
        blocked_by = w.blocked_by,
        lease_token = NULL,
        leased_by = NULL,
        leased_until = NULL
    FROM settled AS w
    WHERE s.restaurant_id = w.restaurant_id AND s.restaurant_id IN (SELECT f.restaurant_id FROM fenced AS f)
    RETURNING s.restaurant_id, s.lease_number
)

SELECT
    m.restaurant_id,
    m.lease_number
FROM moved AS m
UNION ALL
SELECT
    s.restaurant_id,
    s.lease_number
FROM outbox_streams AS s
INNER JOIN settled AS w ON s.restaurant_id = w.restaurant_id AND s.lease_number = w.lease_number
WHERE s.lease_token IS NULL AND s.orphanings = 0;

-- name: extend_leases
-- Gives leases more time, and answers with those that still held.
WITH held AS MATERIALIZED (
    SELECT s.restaurant_id
    FROM outbox_streams AS s
    INNER JOIN unnest($2::uuid [], $3::bigint []) AS w (restaurant_id, lease_number)
        ON s.restaurant_id = w.restaurant_id AND s.lease_number = w.lease_number
    WHERE s.lease_token = $1
    ORDER BY s.restaurant_id
    FOR NO KEY UPDATE OF s
)

UPDATE outbox_streams AS s SET leased_until = clock_timestamp() + make_interval(secs => $4)
FROM held AS h
WHERE s.restaurant_id = h.restaurant_id
RETURNING s.restaurant_id, s.lease_number;

-- name: give_leases_back
-- Gives leases back whose holder lives and could not settle them, and has their streams wait $4 seconds.
WITH held AS MATERIALIZED (
    SELECT s.restaurant_id
    FROM outbox_streams AS s
    INNER JOIN unnest($2::uuid [], $3::bigint []) AS w (restaurant_id, lease_number)
        ON s.restaurant_id = w.restaurant_id AND s.lease_number = w.lease_number
    WHERE s.lease_token = $1
    ORDER BY s.restaurant_id
    FOR NO KEY UPDATE OF s
)

UPDATE outbox_streams AS s SET
    lease_token = NULL,
    leased_by = NULL,
    leased_until = NULL,
    next_attempt_at = clock_timestamp() + make_interval(secs => $4)
FROM held AS h
WHERE s.restaurant_id = h.restaurant_id
RETURNING s.restaurant_id, s.lease_number;

-- name: free_orphans
-- Takes the leases of workers whose session is gone, and answers with the restaurants that get another worker now.
WITH orphaned AS MATERIALIZED (
    SELECT s.restaurant_id
    FROM outbox_streams AS s
    WHERE
        s.lease_token IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM pg_locks AS l
            WHERE
                l.locktype = 'advisory' AND l.objsubid = 2
                AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                AND l.classid = $1::integer::oid AND l.objid = s.leased_by::oid
        )
    ORDER BY s.restaurant_id
    FOR NO KEY UPDATE OF s
)

UPDATE outbox_streams AS s SET
    lease_token = NULL, leased_by = NULL, leased_until = NULL, orphanings = s.orphanings + 1, careful = $2
FROM orphaned AS o
WHERE s.restaurant_id = o.restaurant_id
RETURNING s.restaurant_id;

-- name: resume_streams
-- Has streams go on that would wait for more than $1 seconds although none of their events has to: the clock was set back
-- after they were served. An event has to wait that failed, unless that was later than it is now. Says how many go on.
WITH clock AS MATERIALIZED (
    -- The status is said here for the same reason as in claim_streams.
    SELECT
        clock_timestamp() AS now,
        'pending'::text AS waiting
),

idle AS MATERIALIZED (
    SELECT s.restaurant_id
    FROM clock AS c
    CROSS JOIN outbox_streams AS s
    LEFT JOIN LATERAL (
        SELECT
            o.updated_at,
            o.next_attempt_at
        FROM capacity_outbox AS o
        WHERE
            o.restaurant_id = s.restaurant_id AND o.status = c.waiting
            AND (o.floor_version, o.position) > (s.settled_version, s.settled_position)
        ORDER BY o.floor_version, o.position
        LIMIT 1
    ) AS w ON true
    LEFT JOIN LATERAL (
        SELECT max(d.next_attempt_at) AS next_attempt_at
        FROM capacity_outbox AS d
        WHERE
            d.restaurant_id = s.restaurant_id AND d.redriven_at IS NOT NULL AND d.status = 'pending'
            AND d.updated_at <= c.now
    ) AS v ON true
    WHERE
        s.lease_token IS NULL
        AND s.next_attempt_at > c.now + make_interval(secs => $1)
        AND NOT coalesce(w.updated_at <= c.now AND w.next_attempt_at > c.now, false)
        AND NOT coalesce(v.next_attempt_at > c.now, false)
    ORDER BY s.restaurant_id
    FOR NO KEY UPDATE OF s SKIP LOCKED
),

resumed AS (
    UPDATE outbox_streams AS s SET next_attempt_at = clock_timestamp()
    FROM idle AS i
    WHERE s.restaurant_id = i.restaurant_id
    RETURNING s.restaurant_id
)

SELECT count(*) AS resumed FROM resumed;
