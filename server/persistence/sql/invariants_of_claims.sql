-- name: no_overlap
-- No table is claimed twice for one instant.
WITH in_order AS (
    SELECT
        c.restaurant_id,
        c.table_id,
        c.booking_id,
        c.hold_id,
        c.assignment_id,
        c.block_id,
        upper(c.during) AS ends,
        lead(lower(c.during)) OVER following AS next_begins,
        lead(c.kind) OVER following AS next_kind,
        lead(coalesce(c.hold_id, c.assignment_id, c.block_id)) OVER following AS next_owner
    FROM table_claims AS c
    WHERE c.enforced AND ($1::uuid [] IS NULL OR c.restaurant_id = any($1))
    WINDOW following AS (PARTITION BY c.table_id, c.restaurant_id ORDER BY lower(c.during))
)

SELECT
    count(*) OVER () AS violations,
    i.restaurant_id,
    i.booking_id,
    i.hold_id,
    i.assignment_id,
    i.block_id,
    ARRAY[i.table_id] AS table_ids,
    'claimed until ' || i.ends || ', and from ' || i.next_begins || ' by ' || i.next_kind || ' ' || i.next_owner AS message
FROM in_order AS i
WHERE i.next_begins < i.ends
ORDER BY i.restaurant_id, i.table_id, i.next_begins
LIMIT $2;

-- name: assignments_match_claims
-- An active assignment claims exactly its tables for its whole window; a completed one does, or has given all back.
-- No claim is of an assignment that is not there.
-- As many claims as tables, all of them right, are one for each table: none is claimed twice for one instant.
-- Only assignments that have a wrong claim or lack one are counted.
WITH suspicious AS (
    SELECT
        c.restaurant_id,
        c.assignment_id
    FROM table_claims AS c
    LEFT JOIN assignments AS a ON c.restaurant_id = a.restaurant_id AND c.assignment_id = a.assignment_id
    WHERE
        ($1::uuid [] IS NULL OR c.restaurant_id = any($1))
        AND c.assignment_id IS NOT NULL
        AND (
            a.state IN ('active', 'completed')
            AND c.table_id = any(a.table_ids)
            AND c.during = tstzrange(a.window_start, a.window_end)
            AND c.booking_id = a.booking_id
        ) IS NOT TRUE
    UNION
    SELECT
        g.restaurant_id,
        g.assignment_id
    FROM (
        SELECT
            a.restaurant_id,
            a.assignment_id,
            unnest(a.table_ids) AS table_id
        FROM assignments AS a
        WHERE ($1::uuid [] IS NULL OR a.restaurant_id = any($1)) AND a.state IN ('active', 'completed')
    ) AS g
    WHERE
        NOT EXISTS (
            SELECT FROM table_claims AS c
            WHERE
                c.restaurant_id = g.restaurant_id
                AND c.assignment_id = g.assignment_id
                AND c.table_id = g.table_id
        )
),

broken AS MATERIALIZED (
    SELECT
        s.restaurant_id,
        coalesce(a.booking_id, min(c.booking_id::text)::uuid) AS booking_id,
        s.assignment_id,
        coalesce(a.table_ids, array_agg(c.table_id ORDER BY c.table_id)) AS table_ids,
        'the assignment is ' || coalesce(a.state, 'missing') || ' and has ' || count(c.claim_id) || ' claims' AS message
    FROM suspicious AS s
    LEFT JOIN assignments AS a ON s.restaurant_id = a.restaurant_id AND s.assignment_id = a.assignment_id
    LEFT JOIN table_claims AS c ON s.restaurant_id = c.restaurant_id AND s.assignment_id = c.assignment_id
    GROUP BY s.restaurant_id, s.assignment_id, a.restaurant_id, a.assignment_id
    HAVING
        CASE
            WHEN a.state = 'active' OR (a.state = 'completed' AND count(c.claim_id) > 0) THEN NOT (
                count(c.claim_id) = cardinality(a.table_ids)
                AND coalesce(
                    bool_and(
                        c.table_id = any(a.table_ids)
                        AND c.during = tstzrange(a.window_start, a.window_end)
                        AND c.booking_id = a.booking_id
                    ), false
                )
            )
            ELSE count(c.claim_id) > 0
        END
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

-- name: holds_match_claims
-- A live hold is of a booking that may still get tables, and claims every held table for the whole window together with that
-- booking's assignment; a hold that ended claims none.
WITH broken AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        t.table_id,
        CASE
            WHEN b.status IN ('pending', 'pending_allocation', 'confirmed')
                THEN 'the hold is live, but the table is not claimed for its whole window'
            ELSE 'the hold is live, but its booking is ' || coalesce(b.status, 'missing')
        END AS message
    FROM holds AS h
    LEFT JOIN bookings AS b ON h.restaurant_id = b.restaurant_id AND h.booking_id = b.booking_id
    CROSS JOIN unnest(h.table_ids) AS t (table_id)
    WHERE
        ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
        AND h.state = 'active'
        AND h.expires_at > clock_timestamp()
        AND (
            b.status IN ('pending', 'pending_allocation', 'confirmed') IS NOT TRUE
            OR NOT (
                SELECT coalesce(range_agg(c.during), '{}') @> tstzrange(h.window_start, h.window_end)
                FROM table_claims AS c
                WHERE
                    c.restaurant_id = h.restaurant_id
                    AND c.table_id = t.table_id
                    AND (c.hold_id = h.hold_id OR c.assignment_id = b.assignment_id)
            )
        )
    UNION ALL
    SELECT
        c.restaurant_id,
        c.booking_id,
        c.hold_id,
        c.table_id,
        CASE
            WHEN h.state IS DISTINCT FROM 'active' THEN
                'the table is claimed by a hold that is ' || coalesce(h.state, 'missing')
            ELSE 'the claim is not one of the hold''s tables, window, booking and expiry'
        END AS message
    FROM table_claims AS c
    LEFT JOIN holds AS h ON c.restaurant_id = h.restaurant_id AND c.hold_id = h.hold_id
    WHERE
        ($1::uuid [] IS NULL OR c.restaurant_id = any($1))
        AND c.hold_id IS NOT NULL
        AND (
            h.state = 'active'
            AND c.table_id = any(h.table_ids)
            AND c.booking_id = h.booking_id
            AND c.expires_at = h.expires_at
            AND c.during <@ tstzrange(h.window_start, h.window_end)
        ) IS NOT TRUE
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    ARRAY[b.table_id] AS table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.hold_id, b.table_id
LIMIT $2;

-- name: blocks_match_claims
-- A block claims exactly its tables for its whole window; a released one claims none, and one that is over may have none.
-- No claim is of a block that is not there.
WITH broken AS MATERIALIZED (
    SELECT
        k.restaurant_id,
        k.block_id,
        k.table_ids,
        'the block is ' || CASE WHEN k.released THEN 'released' ELSE 'in force' END
        || ' and has ' || count(c.claim_id) || ' claims' AS message
    FROM blocks AS k
    LEFT JOIN table_claims AS c ON k.restaurant_id = c.restaurant_id AND k.block_id = c.block_id
    WHERE $1::uuid [] IS NULL OR k.restaurant_id = any($1)
    GROUP BY k.restaurant_id, k.block_id
    HAVING
        CASE
            WHEN k.released THEN count(c.claim_id) > 0
            WHEN k.window_end <= clock_timestamp() AND count(c.claim_id) = 0 THEN false
            ELSE NOT (
                array_agg(c.table_id ORDER BY c.table_id) = k.table_ids
                AND coalesce(bool_and(c.during = tstzrange(k.window_start, k.window_end)), false)
            )
        END
    UNION ALL
    SELECT
        c.restaurant_id,
        c.block_id,
        array_agg(c.table_id ORDER BY c.table_id) AS table_ids,
        'the block is missing and has ' || count(*) || ' claims' AS message
    FROM table_claims AS c
    LEFT JOIN blocks AS k ON c.restaurant_id = k.restaurant_id AND c.block_id = k.block_id
    WHERE ($1::uuid [] IS NULL OR c.restaurant_id = any($1)) AND c.block_id IS NOT NULL AND k.block_id IS NULL
    GROUP BY c.restaurant_id, c.block_id
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.block_id
LIMIT $2;
