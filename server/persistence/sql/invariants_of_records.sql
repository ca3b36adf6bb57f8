-- name: one_event_per_change
-- Every floor version of a restaurant, from 1 to the present one, is one change with its events; there are no others, and
-- no event waits behind what counts as delivered.
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
                THEN ' has ' || count(o.id) || ' events, of which the last is number ' || max(o.position)
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
        OR count(o.id) <> max(o.position)
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
-- Every floor version of a restaurant, from 1 to the present one, is in its audit log, and no other is; the bookings and
-- blocks that it says were made are there, because they go together with their entries.
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

made AS (
    SELECT
        l.restaurant_id,
        l.floor_version,
        CASE WHEN l.resource = 'booking' THEN l.resource_id END AS booking_id,
        CASE WHEN l.resource = 'block' THEN l.resource_id END AS block_id
    FROM audit_log AS l
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND (l.resource, l.action) IN (('booking', 'create'), ('block', 'block'))
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
        m.restaurant_id,
        m.floor_version,
        m.booking_id,
        m.block_id,
        ' made a ' || CASE WHEN m.block_id IS NULL THEN 'booking' ELSE 'block' END || ' that is not there' AS problem
    FROM made AS m
    LEFT JOIN bookings AS b ON m.restaurant_id = b.restaurant_id AND m.booking_id = b.booking_id
    LEFT JOIN blocks AS k ON m.restaurant_id = k.restaurant_id AND m.block_id = k.block_id
    WHERE b.booking_id IS NULL AND k.block_id IS NULL
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

-- name: ledger_matches_state
-- What recorded answers say was held or assigned is there with the same tables, for as long as they count.
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

wrong AS (
    SELECT
        n.method,
        n.request_id,
        n.made,
        r.restaurant_id IS NULL AS missing
    FROM answered AS n
    LEFT JOIN holds AS h
        ON
            (n.made ->> 'restaurant_id')::uuid = h.restaurant_id
            AND (n.made ->> 'hold_id')::uuid = h.hold_id
            AND (n.made ->> 'booking_id')::uuid = h.booking_id
    LEFT JOIN restaurants AS r ON h.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE n.holds AND (r.restaurant_id IS NULL OR n.made -> 'table_ids' <> to_jsonb(h.table_ids))
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.made,
        r.restaurant_id IS NULL AS missing
    FROM answered AS n
    LEFT JOIN assignments AS a
        ON
            (n.made ->> 'restaurant_id')::uuid = a.restaurant_id
            AND (n.made ->> 'assignment_id')::uuid = a.assignment_id
            AND (n.made ->> 'booking_id')::uuid = a.booking_id
    LEFT JOIN restaurants AS r ON a.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE
        NOT n.holds
        AND n.made ->> 'assignment_id' IS NOT NULL
        AND (r.restaurant_id IS NULL OR n.made -> 'table_ids' <> to_jsonb(a.table_ids))
),

broken AS MATERIALIZED (
    SELECT
        (m.made ->> 'restaurant_id')::uuid AS restaurant_id,
        (m.made ->> 'booking_id')::uuid AS booking_id,
        (m.made ->> 'hold_id')::uuid AS hold_id,
        (m.made ->> 'assignment_id')::uuid AS assignment_id,
        m.method,
        m.request_id,
        m.missing
    FROM wrong AS m
    WHERE $1::uuid [] IS NULL OR (m.made ->> 'restaurant_id')::uuid = any($1)
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    b.assignment_id,
    b.method || ' ' || b.request_id || ' answered with '
    || CASE WHEN b.missing THEN 'what is not there' ELSE 'other tables' END AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.request_id
LIMIT $2;
