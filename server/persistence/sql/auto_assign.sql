-- name: put_job
-- Writes what was ordered or decided for a booking. Whoever had taken the job before has lost it.
INSERT INTO auto_assign_jobs AS j (
    restaurant_id, booking_id, state, actor, queued_at, next_attempt_at, cutoff_s, attempt_count, cured_by, outcome,
    reason, trigger, decided_at
)
SELECT
    $1, $2, v.state, v.actor, v.queued_at, v.next_attempt_at, v.cutoff_s, v.attempt_count,
    ARRAY(SELECT jsonb_array_elements_text(v.cured_by)), v.outcome, v.reason, v.trigger, v.decided_at
FROM
    jsonb_to_record($3::jsonb) AS v (
        state text, actor text, queued_at timestamptz, next_attempt_at timestamptz, cutoff_s integer,
        attempt_count integer, cured_by jsonb, outcome text, reason text, trigger text, decided_at timestamptz
    )
ON CONFLICT (restaurant_id, booking_id) DO UPDATE
SET
    state = excluded.state,
    actor = excluded.actor,
    queued_at = excluded.queued_at,
    next_attempt_at = excluded.next_attempt_at,
    cutoff_s = excluded.cutoff_s,
    attempt_count = excluded.attempt_count,
    cured_by = excluded.cured_by,
    outcome = excluded.outcome,
    reason = excluded.reason,
    trigger = excluded.trigger,
    decided_at = excluded.decided_at,
    run_number = j.run_number + 1;

-- name: job_run
-- The number of a job, which nobody can take until the transaction ends.
SELECT j.run_number
FROM auto_assign_jobs AS j
WHERE j.restaurant_id = $1 AND j.booking_id = $2
FOR NO KEY UPDATE;

-- name: claim_jobs
-- Takes up to $1 jobs whose time has come, the longest due first. One that is not put back within $2 seconds is due again;
-- after more than $3 tries a queued one has been lost so, perhaps because it ends whoever tries it, and is taken alone.
WITH due AS MATERIALIZED (
    SELECT
        j.restaurant_id,
        j.booking_id,
        j.next_attempt_at,
        j.queued_at,
        j.state = 'queued' AND j.attempt_count > $3 AS alone
    FROM auto_assign_jobs AS j
    WHERE j.state <> 'ended' AND j.next_attempt_at <= (SELECT clock_timestamp())
    ORDER BY j.next_attempt_at, j.queued_at
    LIMIT $1
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

ripe AS (
    SELECT o.restaurant_id, o.booking_id
    FROM (
        SELECT
            d.*,
            row_number() OVER turn AS place,
            first_value(d.alone) OVER turn AS first_alone
        FROM due AS d
        WINDOW turn AS (ORDER BY d.next_attempt_at, d.queued_at, d.restaurant_id, d.booking_id)
    ) AS o
    WHERE o.place = 1 OR NOT (o.alone OR o.first_alone)
),

claimed AS (
    UPDATE auto_assign_jobs AS j SET
        state = 'queued',
        run_number = j.run_number + 1,
        -- A waiting job has come to its last try, and trouble with that is as good as new.
        attempt_count = CASE WHEN j.state = 'waiting' THEN 1 ELSE j.attempt_count + 1 END,
        next_attempt_at = clock_timestamp() + make_interval(secs => $2),
        seen_version = r.floor_version
    FROM ripe AS d
    INNER JOIN restaurants AS r ON d.restaurant_id = r.restaurant_id
    WHERE j.restaurant_id = d.restaurant_id AND j.booking_id = d.booking_id
    RETURNING r.tenant_id, j.*
)

SELECT
    c.tenant_id,
    c.restaurant_id,
    c.booking_id,
    c.run_number,
    b.dining_start,
    to_jsonb(c) AS job
FROM claimed AS c
INNER JOIN bookings AS b ON c.restaurant_id = b.restaurant_id AND c.booking_id = b.booking_id
ORDER BY c.queued_at, c.booking_id;

-- name: put_job_back
-- Writes what came of a try, unless the job was lost meanwhile.
UPDATE auto_assign_jobs AS j SET
    state = v.state,
    next_attempt_at = v.next_attempt_at,
    cured_by = ARRAY(SELECT jsonb_array_elements_text(v.cured_by)),
    outcome = v.outcome,
    reason = v.reason,
    trigger = v.trigger,
    decided_at = v.decided_at,
    run_number = j.run_number + 1
FROM
    jsonb_to_record($3::jsonb) AS v (
        state text, run_number bigint, next_attempt_at timestamptz, cured_by jsonb, outcome text, reason text,
        trigger text, decided_at timestamptz
    )
WHERE j.restaurant_id = $1 AND j.booking_id = $2 AND j.run_number = v.run_number
RETURNING j.run_number;

-- name: give_jobs_back
-- Makes jobs due in $4 seconds of which nothing came, and doesn't count that they were taken, unless they were lost
-- meanwhile.
UPDATE auto_assign_jobs AS j SET
    next_attempt_at = clock_timestamp() + make_interval(secs => $4),
    attempt_count = j.attempt_count - 1,
    run_number = j.run_number + 1
FROM unnest($1::uuid [], $2::uuid [], $3::bigint []) AS v (restaurant_id, booking_id, run_number)
WHERE j.restaurant_id = v.restaurant_id AND j.booking_id = v.booking_id AND j.run_number = v.run_number
RETURNING j.run_number;

-- name: wake_jobs
-- Looks at up to $1 waiting jobs whose restaurant has changed since their last try. Those for which one of the changes may
-- have made room within the booking's window are due now; so are those whose changes are not kept any more. Says how many.
WITH looked AS MATERIALIZED (
    SELECT
        j.restaurant_id,
        j.booking_id,
        r.floor_version,
        coalesce(s.compacted_version > j.seen_version, false)
        OR EXISTS (
            SELECT FROM capacity_outbox AS e
            WHERE
                e.restaurant_id = j.restaurant_id
                AND e.floor_version > j.seen_version
                AND e.floor_version <= r.floor_version
                AND (
                    e.event_type = any(j.cured_by)
                    OR (e.event_type = 'capacity.assignment.released' AND 'capacity.hold.released' = any(j.cured_by))
                )
                AND coalesce((e.payload ->> 'startAt')::timestamptz < b.window_end, true)
                AND coalesce((e.payload ->> 'endAt')::timestamptz > b.window_start, true)
        ) AS cured
    FROM auto_assign_jobs AS j
    INNER JOIN restaurants AS r ON j.restaurant_id = r.restaurant_id
    INNER JOIN bookings AS b ON j.restaurant_id = b.restaurant_id AND j.booking_id = b.booking_id
    LEFT JOIN outbox_streams AS s ON j.restaurant_id = s.restaurant_id
    WHERE j.state = 'waiting' AND r.floor_version > j.seen_version
    LIMIT $1
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

woken AS (
    UPDATE auto_assign_jobs AS j SET
        seen_version = l.floor_version,
        state = CASE WHEN l.cured THEN 'queued' ELSE j.state END,
        attempt_count = CASE WHEN l.cured THEN 0 ELSE j.attempt_count END,
        next_attempt_at = CASE WHEN l.cured THEN clock_timestamp() ELSE j.next_attempt_at END
    FROM looked AS l
    WHERE j.restaurant_id = l.restaurant_id AND j.booking_id = l.booking_id
    RETURNING l.cured
)

SELECT count(*) FILTER (WHERE w.cured) AS woken, count(*) AS looked
FROM woken AS w;

-- name: resume_jobs
-- Makes queued jobs due that would wait for more than $1 seconds, which is longer than any does after a try: the clock was
-- set back after they were queued or tried. One that was not tried yet may have to wait longer. Says how many are due now.
WITH idle AS MATERIALIZED (
    SELECT
        j.restaurant_id,
        j.booking_id
    FROM auto_assign_jobs AS j
    WHERE
        j.state = 'queued'
        AND j.next_attempt_at > (SELECT clock_timestamp() + make_interval(secs => $1))
        AND (j.attempt_count > 0 OR j.next_attempt_at <= j.queued_at)
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

resumed AS (
    UPDATE auto_assign_jobs AS j SET next_attempt_at = clock_timestamp()
    FROM idle AS i
    WHERE j.restaurant_id = i.restaurant_id AND j.booking_id = i.booking_id
    RETURNING j.booking_id
)

SELECT count(*) AS resumed FROM resumed;
