-- name: one_event_per_change
-- Every floor version of a restaurant, from 1 to the present one, is one change with its events; there are no others, and
-- no event waits behind what counts as delivered.
-- Most restaurants are right as a whole; only the others are looked at version by version. Versions are left out up to
-- the one up to which delivered events were deleted.
-- A version's events are numbered from 1, so the first ones are counted and the others are held against them.
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
        ON o.restaurant_id = f.restaurant_id AND o.floor_version = f.floor_version AND f.position = 1
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
    HAVING v.floor_version NOT BETWEEN 1 AND s.floor_version OR count(DISTINCT o.idempotency_key) <> 1
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
        o.restaurant_id,
        o.floor_version,
        ' has an event that waits behind what counts as delivered: ' || o.id AS problem
    FROM capacity_outbox AS o
    INNER JOIN outbox_streams AS s ON o.restaurant_id = s.restaurant_id
    WHERE
        ($1::uuid [] IS NULL OR o.restaurant_id = any($1))
        AND o.status = 'pending'
        AND o.redriven_at IS NULL
        AND (o.floor_version, o.position) <= (s.settled_version, s.settled_position)
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    'floor version ' || b.floor_version || b.problem AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;

-- name: changes_audited
-- Every floor version of a restaurant, from 1 to the present one, is in its audit log, and no other is.
-- Most restaurants are right as a whole; only the others are looked at version by version. Versions are left out up to
-- the one up to which entries were deleted.
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
        v.floor_version NOT BETWEEN 1 AND s.floor_version AS unknown
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
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    'floor version ' || b.floor_version
    || CASE WHEN b.unknown THEN ' is audited, but was never reached' ELSE ' is not in the audit log' END AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;

-- name: ledger_matches_state
-- What recorded answers say was held or assigned is there, for as long as they count.
-- Of a booking whose last table is taken away nothing is left, and the answer names no assignment.
WITH answered AS NOT MATERIALIZED (
    SELECT
        l.tenant_id,
        l.method,
        l.request_id,
        l.method IN ('HoldTables', 'ReplaceHold') AS holds,
        l.answer -> CASE WHEN l.method IN ('HoldTables', 'ReplaceHold') THEN 'hold' ELSE 'assignment' END AS made
    FROM idempotency_ledger AS l
    WHERE
        l.method IN (
            'HoldTables', 'ReplaceHold', 'ConfirmHold', 'AssignTables', 'AutoAssign', 'ReassignTables', 'UnassignTables'
        )
        AND NOT l.refused
        AND l.expires_at > clock_timestamp()
        AND (
            $1::uuid [] IS NULL
            OR l.tenant_id IN (SELECT t.tenant_id FROM restaurants AS t WHERE t.restaurant_id = any($1))
        )
),

missing AS (
    SELECT
        n.method,
        n.request_id,
        n.made
    FROM answered AS n
    LEFT JOIN holds AS h
        ON
            (n.made ->> 'restaurant_id')::uuid = h.restaurant_id
            AND (n.made ->> 'hold_id')::uuid = h.hold_id
            AND (n.made ->> 'booking_id')::uuid = h.booking_id
    LEFT JOIN restaurants AS r ON h.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE n.holds AND r.restaurant_id IS NULL
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.made
    FROM answered AS n
    LEFT JOIN assignments AS a
        ON
            (n.made ->> 'restaurant_id')::uuid = a.restaurant_id
            AND (n.made ->> 'assignment_id')::uuid = a.assignment_id
            AND (n.made ->> 'booking_id')::uuid = a.booking_id
    LEFT JOIN restaurants AS r ON a.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE NOT n.holds AND n.made ->> 'assignment_id' IS NOT NULL AND r.restaurant_id IS NULL
),

broken AS MATERIALIZED (
    SELECT
        (m.made ->> 'restaurant_id')::uuid AS restaurant_id,
        (m.made ->> 'booking_id')::uuid AS booking_id,
        (m.made ->> 'hold_id')::uuid AS hold_id,
        (m.made ->> 'assignment_id')::uuid AS assignment_id,
        m.method,
        m.request_id
    FROM missing AS m
    WHERE $1::uuid [] IS NULL OR (m.made ->> 'restaurant_id')::uuid = any($1)
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    b.assignment_id,
    b.method || ' ' || b.request_id || ' answered with what is not there' AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.request_id
LIMIT $2;
