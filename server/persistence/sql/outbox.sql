-- name: events_page
-- Events of a tenant's restaurant in the order in which they were committed, continuing after a place.
SELECT
    o.restaurant_id,
    o.id,
    o.event_type,
    o.status,
    o.floor_version,
    o.position,
    o.attempt_count,
    o.last_error,
    o.created_at,
    o.updated_at,
    o.booking_id,
    o.idempotency_key,
    o.payload,
    o.redriven_at
FROM capacity_outbox AS o
WHERE
    o.tenant_id = $1
    AND o.restaurant_id = $2
    AND ($3::text IS NULL OR o.status = $3)
    AND ($4::text IS NULL OR o.event_type = $4)
    AND (o.floor_version, o.position) > ($5::bigint, least($6::bigint, 2147483647)::integer)
ORDER BY o.floor_version, o.position
LIMIT $7;

-- name: undelivered_events_page
-- Events of a tenant that are dead, or those that are pending: of one restaurant in the order in which they were
-- committed, or of all by time; continuing after an instant and a place. Delivered ones are not read: dead and redriven
-- ones have an index of their own, and all others that wait lie behind the place up to which theirs are settled.
SELECT
    o.restaurant_id,
    o.id,
    o.event_type,
    o.status,
    o.floor_version,
    o.position,
    o.attempt_count,
    o.last_error,
    o.created_at,
    o.updated_at,
    o.booking_id,
    o.idempotency_key,
    o.payload,
    o.redriven_at
FROM restaurants AS r
LEFT JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
CROSS JOIN LATERAL (
    SELECT d.*
    FROM capacity_outbox AS d
    WHERE
        d.restaurant_id = r.restaurant_id AND d.status = $3
        AND (d.status = 'dead' OR (d.redriven_at IS NOT NULL AND d.status = 'pending'))
    UNION ALL
    SELECT n.*
    FROM capacity_outbox AS n
    WHERE
        n.restaurant_id = r.restaurant_id AND n.status = $3 AND $3 = 'pending' AND n.redriven_at IS NULL
        AND (n.floor_version, n.position) > (coalesce(s.settled_version, 0), coalesce(s.settled_position, 0))
) AS o
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN $2::uuid IS NULL THEN o.created_at ELSE '-infinity' END AS listed_at,
        CASE WHEN $2::uuid IS NULL THEN $5::timestamptz ELSE '-infinity' END AS after_at
) AS t
WHERE
    r.tenant_id = $1
    AND ($2::uuid IS NULL OR r.restaurant_id = $2)
    AND ($4::text IS NULL OR o.event_type = $4)
    AND (
        $6::uuid IS NULL
        OR (t.listed_at, o.restaurant_id, o.floor_version, o.position)
        > (t.after_at, $6, $7::bigint, least($8::bigint, 2147483647)::integer)
    )
ORDER BY t.listed_at, o.restaurant_id, o.floor_version, o.position
LIMIT $9;

-- name: event_by_id
-- One event of a tenant, if it is of that restaurant, status and type. Keys begin with the restaurant, so those of the
-- tenant are named: it is found among however many.
SELECT
    o.restaurant_id,
    o.id,
    o.event_type,
    o.status,
    o.floor_version,
    o.position,
    o.attempt_count,
    o.last_error,
    o.created_at,
    o.updated_at,
    o.booking_id,
    o.idempotency_key,
    o.payload,
    o.redriven_at
FROM capacity_outbox AS o
WHERE
    o.tenant_id = $1
    AND o.restaurant_id = ANY(ARRAY(
        SELECT r.restaurant_id FROM restaurants AS r
        WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.restaurant_id = $2)
    ))
    AND o.id = $3
    AND ($4::text IS NULL OR o.status = $4)
    AND ($5::text IS NULL OR o.event_type = $5);

-- name: outbox_stats
-- What waits and what is dead among the events of a tenant, or of one of its restaurants.
SELECT
    coalesce(sum(w.pending), 0)::bigint AS pending,
    coalesce(sum(w.dead), 0)::bigint AS dead,
    count(*) FILTER (WHERE s.leased_until > clock_timestamp()) AS restaurants_in_work,
    count(*) FILTER (WHERE s.blocked_by IS NOT NULL) AS restaurants_blocked,
    min(w.oldest_pending_at) AS oldest_pending_at,
    clock_timestamp() AS checked_at
FROM restaurants AS r
LEFT JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE o.status = 'pending') AS pending,
        min(o.created_at) FILTER (WHERE o.status = 'pending') AS oldest_pending_at,
        (
            SELECT count(*) FROM capacity_outbox AS d
            WHERE d.restaurant_id = r.restaurant_id AND d.status = 'dead'
        ) AS dead
    FROM (
        SELECT n.status, n.created_at
        FROM capacity_outbox AS n
        WHERE
            n.restaurant_id = r.restaurant_id
            AND (n.floor_version, n.position) > (coalesce(s.settled_version, 0), coalesce(s.settled_position, 0))
        UNION ALL
        SELECT b.status, b.created_at
        FROM capacity_outbox AS b
        WHERE
            b.restaurant_id = r.restaurant_id AND b.redriven_at IS NOT NULL AND b.status = 'pending'
            AND (b.floor_version, b.position) <= (s.settled_version, s.settled_position)
    ) AS o
) AS w
WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.restaurant_id = $2);

-- name: redrive_events
-- Gives dead events of a tenant another life: those with these ids, or up to $5 of a restaurant and type, oldest first;
-- answers with each, and lets the events go on that waited behind one.
WITH chosen AS MATERIALIZED (
    SELECT o.restaurant_id, o.id
    FROM capacity_outbox AS o
    WHERE
        o.tenant_id = $1 AND o.status = 'dead'
        AND ($2::uuid [] IS NULL OR o.id = ANY($2))
        AND ($3::uuid IS NULL OR o.restaurant_id = $3)
        AND ($4::text IS NULL OR o.event_type = $4)
    ORDER BY o.restaurant_id, o.floor_version, o.position
    LIMIT $5
    FOR NO KEY UPDATE
),

unblocked AS (
    UPDATE outbox_streams AS s SET blocked_by = NULL, orphanings = 0, next_attempt_at = clock_timestamp()
    FROM chosen AS c
    WHERE s.restaurant_id = c.restaurant_id AND s.blocked_by = c.id
)

UPDATE capacity_outbox AS o SET
    status = 'pending',
    attempt_count = 0,
    redriven_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    next_attempt_at = clock_timestamp()
FROM chosen AS c
WHERE o.restaurant_id = c.restaurant_id AND o.id = c.id
RETURNING o.id;

-- name: count_dead
-- How many events of all restaurants are dead.
SELECT count(*) AS dead FROM capacity_outbox WHERE status = 'dead';

-- name: lag
-- For how many seconds the oldest event waits that is to be delivered, from its commit or its redrive on; 0 when none does.
WITH waiting AS MATERIALIZED (
    -- Said here for the same reason as in claim_streams.
    SELECT 'pending'::text AS status
)

SELECT
    greatest(
        extract(EPOCH FROM clock_timestamp() - least(min(w.waits_since), min(v.waits_since))), 0
    )::double precision AS lag_s
FROM restaurants AS r
CROSS JOIN waiting AS p
LEFT JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
LEFT JOIN LATERAL (
    SELECT o.created_at AS waits_since
    FROM capacity_outbox AS o
    WHERE
        (r.floor_version, 2147483647) > (coalesce(s.settled_version, 0), coalesce(s.settled_position, 0))
        AND o.restaurant_id = r.restaurant_id AND o.status = p.status AND o.redriven_at IS NULL
        AND (o.floor_version, o.position) > (coalesce(s.settled_version, 0), coalesce(s.settled_position, 0))
    ORDER BY o.floor_version, o.position
    LIMIT 1
) AS w ON true
LEFT JOIN LATERAL (
    SELECT min(d.redriven_at) AS waits_since
    FROM capacity_outbox AS d
    WHERE d.restaurant_id = r.restaurant_id AND d.redriven_at IS NOT NULL AND d.status = 'pending'
) AS v ON true;

-- name: delete_delivered
-- Deletes up to $2 events that were delivered and are older than the retention, the oldest first, and says how many; the
-- same statement marks how far back each restaurant's events are incomplete now, so that no watcher takes what is left
-- for all there was.
WITH old AS (
    DELETE FROM capacity_outbox AS o
    WHERE o.ctid = ANY(ARRAY(
        SELECT c.ctid FROM capacity_outbox AS c
        WHERE c.created_at < (SELECT clock_timestamp() - make_interval(secs => $1)) AND c.status = 'done'
        ORDER BY c.created_at
        LIMIT $2
    ))
    RETURNING o.restaurant_id, o.floor_version
),

marked AS (
    INSERT INTO outbox_streams AS s (restaurant_id, compacted_version)
    SELECT
        o.restaurant_id,
        max(o.floor_version)
    FROM old AS o
    GROUP BY o.restaurant_id
    ORDER BY o.restaurant_id
    ON CONFLICT (restaurant_id) DO UPDATE
    SET compacted_version = greatest(s.compacted_version, excluded.compacted_version)
)

SELECT count(*) AS deleted FROM old;
