-- name: begin_looking
-- Sets the look's time limit in milliseconds, 0 for none, and reads the clock. A check reads many rows and returns few:
-- it sorts and hashes in more memory than a call gets, compiles nothing, splits its work among the parallel workers that
-- PostgreSQL may start, and does not walk two indexes side by side, which touches every row of both tables at random.
-- Neither does it look row after row up in an index, unless only some restaurants are looked at.
SELECT
    set_config('statement_timeout', $1::text, true) AS statement_timeout,
    set_config('work_mem', '128MB', true) AS work_mem,
    set_config('jit', 'off', true) AS jit,
    set_config('enable_mergejoin', 'off', true) AS enable_mergejoin,
    set_config('enable_nestloop', CASE WHEN $2::boolean THEN 'off' ELSE 'on' END, true) AS enable_nestloop,
    set_config('parallel_tuple_cost', '0', true) AS parallel_tuple_cost,
    clock_timestamp() AS now;

-- name: restaurants_of
-- The restaurants of a tenant, or the one of them that is named.
SELECT r.restaurant_id
FROM restaurants AS r
WHERE r.tenant_id = $1 AND ($2::uuid IS NULL OR r.restaurant_id = $2);

-- name: glance
-- How many rows there are to look at, and for each check that compares two tables the restaurants where it has to look
-- row by row. The others are right as a whole: what one table says adds up to what the other says. Rows are added up
-- by 64-bit hashes, which do not come to the same for different rows, but for one chance in 2^64.
-- Of a booking's history each change adds its own revision and status and takes away those before it, so that what is
-- left is the last one; steps that no booking takes are counted. Of completed assignments only those that still claim
-- something have to claim everything.
WITH claiming AS (
    SELECT
        c.restaurant_id,
        c.assignment_id,
        coalesce(c.booking_id, c.claim_id) AS booking_id,
        c.during,
        c.table_id,
        true AS there
    FROM table_claims AS c
    WHERE ($1::uuid [] IS NULL OR c.restaurant_id = any($1))
    UNION ALL
    SELECT
        a.restaurant_id,
        a.assignment_id,
        a.booking_id,
        tstzrange(a.window_start, a.window_end) AS during,
        unnest(a.table_ids) AS table_id,
        false AS there
    FROM assignments AS a
    WHERE ($1::uuid [] IS NULL OR a.restaurant_id = any($1)) AND a.state = 'active'
    UNION ALL
    SELECT DISTINCT
        a.restaurant_id,
        a.assignment_id,
        a.booking_id,
        tstzrange(a.window_start, a.window_end) AS during,
        unnest(a.table_ids) AS table_id,
        false AS there
    FROM assignments AS a
    INNER JOIN table_claims AS c ON a.restaurant_id = c.restaurant_id AND a.assignment_id = c.assignment_id
    WHERE ($1::uuid [] IS NULL OR a.restaurant_id = any($1)) AND a.state = 'completed'
),

hashed AS (
    -- What a hold or a block claims is counted and has no hash.
    SELECT
        g.restaurant_id,
        g.there,
        hash_range_extended(
            g.during,
            uuid_hash_extended(g.table_id, uuid_hash_extended(g.booking_id, uuid_hash_extended(g.assignment_id, 0)))
        ) AS hash
    FROM claiming AS g
),

parts AS (
    SELECT
        b.restaurant_id,
        count(*) AS bookings,
        0::bigint AS holds,
        0::bigint AS assignments,
        0::bigint AS claims,
        sum(
            uuid_hash_extended(
                coalesce(b.assignment_id, b.booking_id),
                uuid_hash_extended(
                    b.booking_id,
                    CASE WHEN b.status IN ('confirmed', 'checked_in') THEN 1 WHEN b.status = 'completed' THEN 2 ELSE 3 END
                )
            )
        ) FILTER (
            WHERE b.assignment_id IS NOT NULL OR b.status IN ('confirmed', 'checked_in', 'completed')
        ) AS standing,
        0::numeric AS claimed,
        sum(hashtextextended(b.status, uuid_hash_extended(b.booking_id, b.revision)))
        - sum(hashtextextended('', uuid_hash_extended(b.booking_id, 0))) AS changed,
        0::numeric AS confirmed,
        0::bigint AS impossible,
        min(b.assignment_epoch) AS least_epoch,
        NULL::bigint AS last_epoch
    FROM bookings AS b
    WHERE $1::uuid [] IS NULL OR b.restaurant_id = any($1)
    GROUP BY b.restaurant_id
    UNION ALL
    SELECT
        h.restaurant_id,
        0 AS bookings,
        0 AS holds,
        0 AS assignments,
        0 AS claims,
        0 AS standing,
        0 AS claimed,
        sum(hashtextextended(coalesce(h.from_status, ''), uuid_hash_extended(h.booking_id, h.revision - 1)))
        - sum(hashtextextended(h.to_status, uuid_hash_extended(h.booking_id, h.revision))) AS changed,
        0 AS confirmed,
        count(*) FILTER (
            WHERE CASE h.to_status
                WHEN 'pending' THEN coalesce(h.from_status, 'pending') IN ('pending', 'confirmed')
                WHEN 'pending_allocation' THEN coalesce(h.from_status, 'pending') IN ('pending', 'pending_allocation')
                WHEN 'confirmed' THEN h.from_status IN ('pending', 'pending_allocation', 'confirmed', 'no_show')
                WHEN 'checked_in' THEN h.from_status IN ('confirmed', 'checked_in')
                WHEN 'completed' THEN h.from_status = 'checked_in'
                WHEN 'cancelled' THEN h.from_status IN ('pending', 'pending_allocation', 'confirmed')
                WHEN 'no_show' THEN h.from_status IN ('confirmed', 'checked_in')
            END IS NOT TRUE
        ) AS impossible,
        NULL AS least_epoch,
        NULL AS last_epoch
    FROM booking_history AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
    GROUP BY h.restaurant_id
    UNION ALL
    SELECT
        h.restaurant_id,
        0 AS bookings,
        count(*) AS holds,
        0 AS assignments,
        0 AS claims,
        0 AS standing,
        0 AS claimed,
        0 AS changed,
        sum(uuid_hash_extended(h.hold_id, uuid_hash_extended(h.booking_id, 0))) FILTER (WHERE h.state = 'confirmed')
        AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        max(h.assignment_epoch) AS last_epoch
    FROM holds AS h
    WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
    GROUP BY h.restaurant_id
    UNION ALL
    SELECT
        a.restaurant_id,
        0 AS bookings,
        0 AS holds,
        count(*) AS assignments,
        0 AS claims,
        -sum(
            uuid_hash_extended(
                a.assignment_id, uuid_hash_extended(a.booking_id, CASE a.state WHEN 'active' THEN 1 ELSE 2 END)
            )
        ) FILTER (WHERE a.state IN ('active', 'completed')) AS standing,
        0 AS claimed,
        0 AS changed,
        -sum(uuid_hash_extended(a.hold_id, uuid_hash_extended(a.booking_id, 0))) AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        max(a.assignment_epoch) AS last_epoch
    FROM assignments AS a
    WHERE $1::uuid [] IS NULL OR a.restaurant_id = any($1)
    GROUP BY a.restaurant_id
    UNION ALL
    SELECT
        g.restaurant_id,
        0 AS bookings,
        0 AS holds,
        0 AS assignments,
        count(*) FILTER (WHERE g.there) AS claims,
        0 AS standing,
        coalesce(sum(g.hash) FILTER (WHERE g.there), 0) - coalesce(sum(g.hash) FILTER (WHERE NOT g.there), 0)
        AS claimed,
        0 AS changed,
        0 AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        NULL AS last_epoch
    FROM hashed AS g
    GROUP BY g.restaurant_id
),

summed AS (
    SELECT
        p.restaurant_id,
        sum(p.bookings) AS bookings,
        sum(p.holds) AS holds,
        sum(p.assignments) AS assignments,
        sum(p.claims) AS claims,
        sum(p.standing) AS standing,
        sum(p.claimed) AS claimed,
        sum(p.changed) AS changed,
        sum(p.confirmed) AS confirmed,
        sum(p.impossible) AS impossible,
        min(p.least_epoch) AS least_epoch,
        max(p.last_epoch) AS last_epoch
    FROM parts AS p
    GROUP BY p.restaurant_id
)

SELECT
    (SELECT count(*) FROM restaurants AS t WHERE $1::uuid [] IS NULL OR t.restaurant_id = any($1)) AS restaurants,
    coalesce(sum(s.bookings), 0)::bigint AS bookings,
    coalesce(sum(s.holds), 0)::bigint AS holds,
    coalesce(sum(s.assignments), 0)::bigint AS assignments,
    (SELECT count(*) FROM blocks AS t WHERE $1::uuid [] IS NULL OR t.restaurant_id = any($1)) AS blocks,
    coalesce(sum(s.claims), 0)::bigint AS claims,
    (SELECT count(*) FROM capacity_outbox AS t WHERE $1::uuid [] IS NULL OR t.restaurant_id = any($1)) AS events,
    (SELECT count(*) FROM audit_log AS t WHERE $1::uuid [] IS NULL OR t.restaurant_id = any($1)) AS audit_entries,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.standing <> 0), '{}') AS status_matches_assignment,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.claimed <> 0), '{}') AS assignments_match_claims,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.confirmed <> 0), '{}') AS confirmed_holds_assigned,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.changed <> 0 OR s.impossible > 0), '{}') AS history_complete,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.last_epoch > s.least_epoch), '{}') AS epochs_in_order
FROM summed AS s;

-- name: overlap_refused
-- The database itself refuses a second claim on a table for an overlapping window.
SELECT
    1::bigint AS violations,
    NULL::uuid AS restaurant_id,
    NULL::uuid AS booking_id,
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
    'the constraint table_claims_no_overlap is missing, deferrable, not validated or another one' AS message
WHERE
    cardinality($1::uuid []) IS DISTINCT FROM 0
    AND NOT EXISTS (
        SELECT FROM pg_constraint AS c
        WHERE
            c.conrelid = 'table_claims'::regclass
            AND c.conname = 'table_claims_no_overlap'
            AND c.contype = 'x'
            AND c.convalidated
            AND NOT c.condeferrable
            AND cardinality(c.conexclop) = 3
            AND c.conexclop[3] = 'pg_catalog.&&(anyrange,anyrange)'::regoperator
            AND EXISTS (
                SELECT FROM pg_index AS i
                WHERE i.indexrelid = c.conindid AND i.indisvalid AND pg_get_expr(i.indpred, i.indrelid) = 'enforced'
            )
    )
LIMIT $2;

-- name: rules_in_force
-- The rules that keep the floor, bookings, assignments and claims together are there and validated, and none is turned
-- off, as an interrupted restore may leave them.
WITH places AS (
    SELECT to_regclass(p.name)::oid AS place
    FROM unnest(
        ARRAY[
            'bookings', 'booking_history', 'holds', 'assignments', 'merge_groups', 'blocks', 'table_claims', 'tables',
            'table_adjacency'
        ]
    ) AS p (name)
),

rules AS (
    SELECT
        c.oid,
        c.conname AS name,
        c.convalidated
    FROM pg_constraint AS c
    INNER JOIN places AS p ON c.conrelid = p.place
),

broken AS MATERIALIZED (
    SELECT
        n.name,
        'is missing' AS problem
    FROM unnest(
        ARRAY[
            'bookings_assignment_own', 'bookings_assignment_active', 'bookings_confirmed_has_tables',
            'bookings_lifecycle', 'assignments_claims_whole', 'table_claims_assignment_whole', 'table_claims_one_owner',
            'table_claims_only_holds_unenforced', 'table_claims_bounded',
            'table_claims_restaurant_id_table_id_fkey', 'table_claims_restaurant_id_booking_id_hold_id_fkey',
            'table_claims_restaurant_id_booking_id_assignment_id_fkey', 'table_claims_restaurant_id_block_id_fkey',
            'holds_restaurant_id_booking_id_fkey', 'assignments_restaurant_id_booking_id_fkey', 'assignments_hold_own',
            'merge_groups_restaurant_id_assignment_id_fkey', 'booking_history_restaurant_id_booking_id_fkey',
            'table_adjacency_restaurant_id_table_a_fkey', 'table_adjacency_restaurant_id_table_b_fkey',
            'tables_restaurant_id_zone_id_fkey', 'bookings_restaurant_id_zone_id_fkey'
        ]
    ) AS n (name)
    WHERE n.name NOT IN (SELECT r.name FROM rules AS r)
    UNION ALL
    SELECT
        r.name,
        'is not validated' AS problem
    FROM rules AS r
    WHERE NOT r.convalidated
    UNION
    SELECT
        r.name,
        'is turned off' AS problem
    FROM rules AS r
    INNER JOIN pg_trigger AS t ON r.oid = t.tgconstraint
    WHERE t.tgenabled NOT IN ('O', 'A')
)

SELECT
    count(*) OVER () AS violations,
    NULL::uuid AS restaurant_id,
    NULL::uuid AS booking_id,
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
    'the constraint ' || b.name || ' ' || b.problem AS message
FROM broken AS b
WHERE cardinality($1::uuid []) IS DISTINCT FROM 0
ORDER BY b.name, b.problem
LIMIT $2;

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

-- name: status_matches_assignment
-- A booking has an active assignment exactly while it is confirmed or checked in.
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
        'the assignment is active, but not the one that its booking names' AS message
    FROM assignments AS a
    LEFT JOIN bookings AS b ON a.restaurant_id = b.restaurant_id AND a.booking_id = b.booking_id
    WHERE
        ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
        AND a.state = 'active'
        AND b.assignment_id IS DISTINCT FROM a.assignment_id
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    NULL::uuid AS hold_id,
    b.assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
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
    NULL::uuid AS hold_id,
    b.assignment_id,
    NULL::uuid AS block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.booking_id
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
    NULL::uuid AS hold_id,
    b.assignment_id,
    NULL::uuid AS block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.assignment_id
LIMIT $2;

-- name: holds_match_claims
-- A live hold and its booking's assignment claim every held table for the whole window; a hold that ended claims none.
WITH broken AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        t.table_id,
        'the hold is live, but the table is not claimed for its whole window' AS message
    FROM holds AS h
    LEFT JOIN bookings AS b ON h.restaurant_id = b.restaurant_id AND h.booking_id = b.booking_id
    CROSS JOIN unnest(h.table_ids) AS t (table_id)
    WHERE
        ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
        AND h.state = 'active'
        AND h.expires_at > clock_timestamp()
        AND NOT (
            SELECT coalesce(range_agg(c.during), '{}') @> tstzrange(h.window_start, h.window_end)
            FROM table_claims AS c
            WHERE
                c.restaurant_id = h.restaurant_id
                AND c.table_id = t.table_id
                AND (c.hold_id = h.hold_id OR c.assignment_id = b.assignment_id)
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
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    ARRAY[b.table_id] AS table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.hold_id, b.table_id
LIMIT $2;

-- name: confirmed_holds_assigned
-- A confirmed hold has become an assignment of its booking.
-- The reverse is not asked: an assignment may outlive its hold.
WITH broken AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.booking_id,
        h.hold_id,
        h.table_ids
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
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    b.table_ids,
    'the hold is confirmed, but no assignment of its booking came of it' AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.hold_id
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
    NULL::uuid AS booking_id,
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    b.block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.block_id
LIMIT $2;

-- name: floor_known
-- Every table and zone that something names is there, on the floor or taken off it.
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
            AND l.details ->> 'assignment_id' = p.assignment_id::text
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
        a.restaurant_id,
        a.booking_id,
        a.assignment_id,
        a.table_ids,
        '1 tables, and the merge group is there' AS message
    FROM merge_groups AS g
    INNER JOIN assignments AS a ON g.restaurant_id = a.restaurant_id AND g.assignment_id = a.assignment_id
    WHERE
        ($1::uuid [] IS NULL OR g.restaurant_id = any($1))
        AND cardinality(a.table_ids) = 1
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    NULL::uuid AS hold_id,
    b.assignment_id,
    NULL::uuid AS block_id,
    b.table_ids,
    b.message
FROM broken AS b
ORDER BY b.restaurant_id, b.assignment_id
LIMIT $2;

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
    NULL::uuid AS booking_id,
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
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
    NULL::uuid AS booking_id,
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
    'floor version ' || b.floor_version
    || CASE WHEN b.unknown THEN ' is audited, but was never reached' ELSE ' is not in the audit log' END AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.floor_version
LIMIT $2;

-- name: ledger_matches_state
-- What recorded answers say was held or assigned is there, for as long as they count.
WITH answered AS NOT MATERIALIZED (
    SELECT
        l.tenant_id,
        l.method,
        l.request_id,
        l.answer -> CASE l.method WHEN 'HoldTables' THEN 'hold' ELSE 'assignment' END AS made
    FROM idempotency_ledger AS l
    WHERE
        l.method IN ('HoldTables', 'ConfirmHold', 'AssignTables', 'AutoAssign')
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
    WHERE n.method = 'HoldTables' AND r.restaurant_id IS NULL
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
    WHERE n.method <> 'HoldTables' AND r.restaurant_id IS NULL
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
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
    b.method || ' ' || b.request_id || ' answered with what is not there' AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.request_id
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
        b.restaurant_id,
        b.booking_id,
        b.revision + 1 AS revision,
        'the booking is ' || b.status || ' at revision ' || b.revision || ', its history ends with '
        || coalesce(l.to_status || ' at ' || l.revision, 'nothing') AS problem
    FROM bookings AS b
    LEFT JOIN (
        SELECT DISTINCT ON (h.restaurant_id, h.booking_id)
            h.restaurant_id,
            h.booking_id,
            h.revision,
            h.to_status
        FROM booking_history AS h
        WHERE $1::uuid [] IS NULL OR h.restaurant_id = any($1)
        ORDER BY h.restaurant_id, h.booking_id, h.revision DESC
    ) AS l ON b.restaurant_id = l.restaurant_id AND b.booking_id = l.booking_id
    WHERE
        ($1::uuid [] IS NULL OR b.restaurant_id = any($1))
        AND (l.revision, l.to_status) IS DISTINCT FROM (b.revision, b.status)
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
    NULL::uuid AS hold_id,
    NULL::uuid AS assignment_id,
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
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
    NULL::uuid AS block_id,
    '{}'::uuid [] AS table_ids,
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
