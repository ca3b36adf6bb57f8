-- name: one_event_per_change
-- Every floor version of a restaurant, from 1 to the present one, is one change with its events; there are no others, each is
-- of the restaurant's tenant, none waits behind what counts as delivered, and none is done that nobody has delivered.
-- Most restaurants are right as a whole; only the others are looked at version by version. Versions are left out up to
-- the one up to which delivered events were deleted.
-- A version's events are numbered from 1, so the first ones are counted and each other is held against the one before it.
WITH summed AS (
    SELECT
        o.restaurant_id,
        count(*) FILTER (WHERE o.position = 1) AS versions,
        min(o.floor_version) AS first_version,
        max(o.floor_version) AS last_version
    FROM capacity_outbox AS o
    LEFT JOIN outbox_streams AS s ON o.restaurant_id = s.restaurant_id
    WHERE
        o.floor_version > coalesce(s.compacted_version, 0)
        AND ($1::uuid [] IS NULL OR o.restaurant_id = any($1))
    GROUP BY o.restaurant_id
),

mixed AS (
    SELECT DISTINCT o.restaurant_id
    FROM capacity_outbox AS o
    LEFT JOIN capacity_outbox AS f
        ON o.restaurant_id = f.restaurant_id AND o.floor_version = f.floor_version AND o.position - 1 = f.position
    LEFT JOIN outbox_streams AS s ON o.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR o.restaurant_id = any($1))
        AND o.floor_version > coalesce(s.compacted_version, 0)
        AND o.position <> 1
        AND f.idempotency_key IS DISTINCT FROM o.idempotency_key
),

suspicious AS (
    SELECT
        r.restaurant_id,
        r.floor_version,
        coalesce(d.compacted_version, 0) AS compacted_version
    FROM restaurants AS r
    LEFT JOIN outbox_streams AS d ON r.restaurant_id = d.restaurant_id
    LEFT JOIN summed AS s ON r.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR r.restaurant_id = any($1))
        AND (
            (coalesce(s.versions, 0), s.first_version, s.last_version)
            IS DISTINCT FROM (
                r.floor_version - coalesce(d.compacted_version, 0),
                coalesce(d.compacted_version, 0) + 1,
                r.floor_version
            )
            OR r.restaurant_id IN (SELECT m.restaurant_id FROM mixed AS m)
        )
),

broken AS MATERIALIZED (
    SELECT
        s.restaurant_id,
        v.floor_version,
        CASE
            WHEN v.floor_version > s.floor_version OR v.floor_version < 1 THEN ' has events, but was never reached'
            WHEN count(o.id) = 0 THEN ' has no event'
            WHEN count(DISTINCT o.idempotency_key) = 1
                THEN ' has ' || count(o.id) || ' events, numbered from ' || min(o.position) || ' to ' || max(o.position)
            ELSE ' has events of ' || count(DISTINCT o.idempotency_key) || ' requests'
        END AS problem
    FROM suspicious AS s
    CROSS JOIN LATERAL (
        SELECT generate_series(s.compacted_version + 1, s.floor_version) AS floor_version
        UNION
        SELECT e.floor_version FROM capacity_outbox AS e
        WHERE e.restaurant_id = s.restaurant_id AND e.floor_version > s.compacted_version
    ) AS v
    LEFT JOIN capacity_outbox AS o ON s.restaurant_id = o.restaurant_id AND v.floor_version = o.floor_version
    GROUP BY s.restaurant_id, s.floor_version, v.floor_version
    HAVING
        v.floor_version NOT BETWEEN 1 AND s.floor_version
        OR count(DISTINCT o.idempotency_key) <> 1
        OR (count(o.id), 1) <> (max(o.position), min(o.position))
    UNION ALL
    SELECT
        r.restaurant_id,
        greatest(s.settled_version, s.compacted_version) AS floor_version,
        ' counts as delivered, but was never reached' AS problem
    FROM restaurants AS r
    INNER JOIN outbox_streams AS s ON r.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR r.restaurant_id = any($1))
        AND greatest(s.settled_version, s.compacted_version) > r.floor_version
    UNION ALL
    SELECT
        s.restaurant_id,
        s.settled_version AS floor_version,
        ' is the last one delivered, the next ones wait behind an event that is not dead: ' || s.blocked_by AS problem
    FROM outbox_streams AS s
    WHERE
        ($1::uuid [] IS NULL OR s.restaurant_id = any($1))
        AND s.blocked_by IS NOT NULL
        AND (
            SELECT o.status FROM capacity_outbox AS o
            WHERE o.restaurant_id = s.restaurant_id AND o.id = s.blocked_by
        ) IS DISTINCT FROM 'dead'
    UNION ALL
    SELECT
        o.restaurant_id,
        o.floor_version,
        CASE
            WHEN r.restaurant_id IS NULL THEN ' has an event, but the restaurant is missing: '
            WHEN o.tenant_id <> r.tenant_id THEN ' has an event of another tenant: '
            WHEN o.status = 'pending' THEN ' has an event that waits behind what counts as delivered: '
            WHEN o.status = 'done' THEN ' has an event that is done, but nobody has delivered it: '
            ELSE ' has an event that nobody delivers, because it is ' || o.status || ': '
        END || o.id AS problem
    FROM capacity_outbox AS o
    LEFT JOIN restaurants AS r ON o.restaurant_id = r.restaurant_id
    LEFT JOIN outbox_streams AS s ON o.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR o.restaurant_id = any($1))
        AND (
            o.tenant_id IS DISTINCT FROM r.tenant_id
            OR CASE o.status
                WHEN 'pending' THEN
                    o.redriven_at IS NULL
                    AND (o.floor_version, o.position) <= (s.settled_version, s.settled_position)
                WHEN 'done' THEN
                    o.attempt_count = 0
                    OR (s.settled_version, s.settled_position) < (o.floor_version, o.position)
                    OR s.restaurant_id IS NULL
                ELSE o.status <> 'dead'
            END
        )
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    'floor version ' || b.floor_version || b.problem AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;

-- name: no_event_lost
-- Each change has as many events as it was told by, which the audit log notes.
-- Only the first entry of a change notes it. Older servers noted nothing, so what they changed is left out, and so is a
-- change that has no event at all or a gap among their numbers, which one_event_per_change tells.
WITH noted AS (
    SELECT
        l.restaurant_id,
        l.floor_version,
        sum((l.details -> 'events')::numeric) AS events
    FROM audit_log AS l
    LEFT JOIN outbox_streams AS s ON l.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND l.floor_version > coalesce(s.compacted_version, 0)
        AND jsonb_typeof(l.details -> 'events') = 'number'
    GROUP BY l.restaurant_id, l.floor_version
),

broken AS MATERIALIZED (
    SELECT
        n.restaurant_id,
        n.floor_version,
        n.events AS told_by,
        count(o.id) AS events
    FROM noted AS n
    LEFT JOIN capacity_outbox AS o ON n.restaurant_id = o.restaurant_id AND n.floor_version = o.floor_version
    GROUP BY n.restaurant_id, n.floor_version, n.events
    HAVING count(o.id) = max(o.position) AND count(o.id) <> n.events
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    'floor version ' || b.floor_version || ' was told by ' || b.told_by || ' events, of which there are ' || b.events AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;

-- name: changes_audited
-- Every floor version of a restaurant, from 1 to the present one, is in its audit log, and no other is; each entry is of the
-- restaurant's tenant, and the booking or block that it is about is there, because they go together with their entries.
-- Most restaurants are right as a whole; only the others are looked at version by version. Versions are left out up to
-- the one up to which entries were deleted. What a batch decided about a booking is written without a lock on it, and may
-- come when the booking has just been cleared away.
WITH logged AS (
    -- A version may be there more than once. Which of 64 versions are there is told by the bits of one number.
    SELECT
        l.restaurant_id,
        min(l.floor_version) AS first_version,
        max(l.floor_version) AS last_version,
        bit_or(1::bigint << (l.floor_version & 63)::integer) AS versions
    FROM audit_log AS l
    LEFT JOIN history_cleared AS m ON l.restaurant_id = m.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND l.floor_version > coalesce(m.audit_version, 0)
    GROUP BY l.restaurant_id, l.floor_version >> 6
),

summed AS (
    SELECT
        g.restaurant_id,
        sum(bit_count(g.versions::bit(64))) AS versions,
        min(g.first_version) AS first_version,
        max(g.last_version) AS last_version
    FROM logged AS g
    GROUP BY g.restaurant_id
),

suspicious AS (
    SELECT
        r.restaurant_id,
        r.floor_version,
        coalesce(m.audit_version, 0) AS audit_version
    FROM restaurants AS r
    LEFT JOIN history_cleared AS m ON r.restaurant_id = m.restaurant_id
    LEFT JOIN summed AS s ON r.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR r.restaurant_id = any($1))
        AND (coalesce(s.versions, 0), s.first_version, s.last_version)
        IS DISTINCT FROM (
            r.floor_version - coalesce(m.audit_version, 0), coalesce(m.audit_version, 0) + 1, r.floor_version
        )
),

broken AS MATERIALIZED (
    SELECT
        s.restaurant_id,
        v.floor_version,
        NULL::uuid AS booking_id,
        NULL::uuid AS block_id,
        CASE
            WHEN v.floor_version BETWEEN 1 AND s.floor_version THEN ' is not in the audit log'
            ELSE ' is audited, but was never reached'
        END AS problem
    FROM suspicious AS s
    CROSS JOIN LATERAL (
        SELECT generate_series(s.audit_version + 1, s.floor_version) AS floor_version
        UNION
        SELECT e.floor_version FROM audit_log AS e
        WHERE e.restaurant_id = s.restaurant_id AND e.floor_version > s.audit_version
    ) AS v
    WHERE
        v.floor_version NOT BETWEEN 1 AND s.floor_version
        OR NOT EXISTS (
            SELECT FROM audit_log AS l
            WHERE l.restaurant_id = s.restaurant_id AND l.floor_version = v.floor_version
        )
    UNION ALL
    SELECT
        r.restaurant_id,
        m.audit_version AS floor_version,
        NULL AS booking_id,
        NULL AS block_id,
        ' counts as cleared away, but was never reached' AS problem
    FROM restaurants AS r
    INNER JOIN history_cleared AS m ON r.restaurant_id = m.restaurant_id
    WHERE ($1::uuid [] IS NULL OR r.restaurant_id = any($1)) AND m.audit_version > r.floor_version
    UNION ALL
    SELECT
        l.restaurant_id,
        min(l.floor_version) AS floor_version,
        CASE WHEN l.resource = 'booking' THEN l.resource_id END AS booking_id,
        CASE WHEN l.resource = 'block' THEN l.resource_id END AS block_id,
        CASE
            WHEN r.restaurant_id IS NULL THEN ' is audited, but the restaurant is missing'
            WHEN l.tenant_id <> r.tenant_id THEN ' is audited for another tenant'
            ELSE ' is audited, but the ' || l.resource || ' is missing'
        END || ': ' || count(*) || CASE count(*) WHEN 1 THEN ' entry' ELSE ' entries' END AS problem
    FROM audit_log AS l
    LEFT JOIN restaurants AS r ON l.restaurant_id = r.restaurant_id
    LEFT JOIN bookings AS b
        ON l.restaurant_id = b.restaurant_id AND l.resource_id = b.booking_id AND l.resource = 'booking'
    LEFT JOIN blocks AS k ON l.restaurant_id = k.restaurant_id AND l.resource_id = k.block_id AND l.resource = 'block'
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND (
            l.tenant_id IS DISTINCT FROM r.tenant_id
            OR (
                l.resource IN ('booking', 'block')
                AND b.booking_id IS NULL
                AND k.block_id IS NULL
                AND l.action <> 'auto_assign_decision'
            )
        )
    GROUP BY l.restaurant_id, l.resource, l.resource_id, r.restaurant_id, l.tenant_id, r.tenant_id
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.block_id,
    'floor version ' || b.floor_version || b.problem AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;
