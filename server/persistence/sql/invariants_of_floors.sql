-- name: floor_known
-- Every table and zone that something names is there, on the floor or taken off it, the restaurant of each zone is, and a
-- restaurant goes by its last policy.
WITH named AS (
    SELECT
        c.restaurant_id,
        c.booking_id,
        c.hold_id,
        c.assignment_id,
        c.block_id,
        c.table_id,
        'a claim on it' AS kind
    FROM table_claims AS c
    WHERE $1::uuid [] IS NULL OR c.restaurant_id = any($1)
    UNION ALL
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        NULL::uuid AS assignment_id,
        NULL::uuid AS block_id,
        unnest(h.table_ids) AS table_id,
        'a hold of it' AS kind
    FROM holds AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
    UNION ALL
    SELECT
        a.restaurant_id,
        a.booking_id,
        NULL::uuid AS hold_id,
        a.assignment_id,
        NULL::uuid AS block_id,
        unnest(a.table_ids) AS table_id,
        'an assignment of it' AS kind
    FROM assignments AS a
    -- Those of an active one have claims.
    WHERE ($1::uuid [] IS NULL OR a.restaurant_id = any($1)) AND a.state <> 'active'
    UNION ALL
    SELECT
        k.restaurant_id,
        NULL::uuid AS booking_id,
        NULL::uuid AS hold_id,
        NULL::uuid AS assignment_id,
        k.block_id,
        unnest(k.table_ids) AS table_id,
        'a block of it' AS kind
    FROM blocks AS k
    WHERE $1::uuid [] IS NULL OR k.restaurant_id = any($1)
    UNION ALL
    SELECT
        j.restaurant_id,
        NULL::uuid AS booking_id,
        NULL::uuid AS hold_id,
        NULL::uuid AS assignment_id,
        NULL::uuid AS block_id,
        unnest(ARRAY[j.table_a, j.table_b]) AS table_id,
        'a table beside it' AS kind
    FROM table_adjacency AS j
    WHERE $1::uuid [] IS NULL OR j.restaurant_id = any($1)
),

broken AS MATERIALIZED (
    SELECT
        n.restaurant_id,
        n.booking_id,
        n.hold_id,
        n.assignment_id,
        n.block_id,
        ARRAY[n.table_id] AS table_ids,
        'the table is missing, but there is ' || n.kind AS message
    FROM named AS n
    WHERE NOT EXISTS (
        SELECT FROM tables AS t
        WHERE
            ($1::uuid [] IS NULL OR t.restaurant_id = any($1))
            AND t.restaurant_id = n.restaurant_id
            AND t.table_id = n.table_id
    )
    UNION ALL
    SELECT
        t.restaurant_id,
        NULL AS booking_id,
        NULL AS hold_id,
        NULL AS assignment_id,
        NULL AS block_id,
        ARRAY[t.table_id] AS table_ids,
        'the table stands in a zone that is missing: ' || t.zone_id AS message
    FROM tables AS t
    LEFT JOIN zones AS z ON t.restaurant_id = z.restaurant_id AND t.zone_id = z.zone_id
    WHERE ($1::uuid [] IS NULL OR t.restaurant_id = any($1)) AND z.zone_id IS NULL
    UNION ALL
    SELECT
        z.restaurant_id,
        NULL AS booking_id,
        NULL AS hold_id,
        NULL AS assignment_id,
        NULL AS block_id,
        '{}' AS table_ids,
        'the restaurant is missing, but there is a zone of it: ' || z.zone_id AS message
    FROM zones AS z
    LEFT JOIN restaurants AS r ON z.restaurant_id = r.restaurant_id
    WHERE ($1::uuid [] IS NULL OR z.restaurant_id = any($1)) AND r.restaurant_id IS NULL
    UNION ALL
    SELECT
        b.restaurant_id,
        b.booking_id,
        NULL AS hold_id,
        NULL AS assignment_id,
        NULL AS block_id,
        '{}' AS table_ids,
        'the booking is for a zone that is missing: ' || b.zone_id AS message
    FROM bookings AS b
    LEFT JOIN zones AS z ON b.restaurant_id = z.restaurant_id AND b.zone_id = z.zone_id
    WHERE ($1::uuid [] IS NULL OR b.restaurant_id = any($1)) AND b.zone_id IS NOT NULL AND z.zone_id IS NULL
    UNION ALL
    SELECT
        r.restaurant_id,
        NULL AS booking_id,
        NULL AS hold_id,
        NULL AS assignment_id,
        NULL AS block_id,
        '{}' AS table_ids,
        'the restaurant goes by policy version ' || r.policy_version || ', the last one there is is ' || p.last_version
        AS message
    FROM restaurants AS r
    CROSS JOIN LATERAL (
        SELECT coalesce(max(s.policy_version), 0) AS last_version
        FROM service_policies AS s
        WHERE s.restaurant_id = r.restaurant_id
    ) AS p
    WHERE ($1::uuid [] IS NULL OR r.restaurant_id = any($1)) AND r.policy_version <> p.last_version
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    b.assignment_id,
    b.block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.table_ids, b.booking_id, b.hold_id, b.assignment_id, b.block_id
LIMIT $2;

-- name: merges_legal
-- Assignments of several tables, and only they, are merge groups; their tables are movable and stand in one zone,
-- unless the floor was changed since. Adjacency depends on the policy of the day and is not looked at.
WITH changed AS (
    SELECT
        l.restaurant_id,
        max(l.floor_version) AS last_version
    FROM audit_log AS l
    WHERE
        ($1::uuid [] IS NULL OR l.restaurant_id = any($1))
        AND l.resource = 'restaurant'
        AND l.action IN ('put_floor', 'update_table')
    GROUP BY l.restaurant_id
),

apart AS (
    SELECT
        a.restaurant_id,
        a.booking_id,
        a.assignment_id,
        count(DISTINCT t.zone_id) > 1 AS crosses_zones,
        bool_or(NOT t.movable) AS has_fixed
    FROM assignments AS a
    CROSS JOIN unnest(a.table_ids) AS u (table_id)
    INNER JOIN tables AS t ON a.restaurant_id = t.restaurant_id AND u.table_id = t.table_id
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND a.state = 'active'
        AND cardinality(a.table_ids) > 1
    GROUP BY a.restaurant_id, a.assignment_id
    HAVING count(DISTINCT t.zone_id) > 1 OR bool_or(NOT t.movable)
),

-- What came first, floor versions tell, and no clock: it may have been set back in between.
merged AS (
    SELECT
        p.restaurant_id,
        p.assignment_id,
        p.crosses_zones,
        p.has_fixed
    FROM apart AS p
    LEFT JOIN changed AS f ON p.restaurant_id = f.restaurant_id
    -- The entry of a change until then may be deleted.
    LEFT JOIN history_cleared AS m ON p.restaurant_id = m.restaurant_id
    WHERE coalesce(greatest(f.last_version, m.audit_version), 0) < (
        SELECT min(l.floor_version)
        FROM audit_log AS l
        WHERE
            l.restaurant_id = p.restaurant_id
            AND l.resource_id = p.booking_id
            AND p.assignment_id::text IN (l.details ->> 'assignment_id', l.details ->> 'kept_assignment_id')
    )
),

broken AS MATERIALIZED (
    SELECT
        a.restaurant_id,
        a.booking_id,
        a.assignment_id,
        a.table_ids,
        CASE
            WHEN m.crosses_zones THEN 'the merged tables stand in different zones'
            WHEN m.has_fixed THEN 'a table that cannot be moved is merged'
            ELSE cardinality(a.table_ids) || ' tables, and the merge group is missing'
        END AS message
    FROM assignments AS a
    LEFT JOIN merge_groups AS g ON a.restaurant_id = g.restaurant_id AND a.assignment_id = g.assignment_id
    LEFT JOIN merged AS m ON a.restaurant_id = m.restaurant_id AND a.assignment_id = m.assignment_id
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND cardinality(a.table_ids) > 1
        AND (g.merge_group_id IS NULL OR m.crosses_zones OR m.has_fixed)
    UNION ALL
    SELECT
        g.restaurant_id,
        a.booking_id,
        g.assignment_id,
        coalesce(a.table_ids, '{}') AS table_ids,
        coalesce(cardinality(a.table_ids) || ' tables', 'the assignment is missing') || ', and the merge group is there'
        AS message
    FROM merge_groups AS g
    LEFT JOIN assignments AS a ON g.restaurant_id = a.restaurant_id AND g.assignment_id = a.assignment_id
    WHERE
        ($1::uuid [] IS NULL OR g.restaurant_id = any($1))
        AND coalesce(cardinality(a.table_ids), 0) <= 1
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.assignment_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.assignment_id
LIMIT $2;
