-- name: begin_looking
-- Sets the look's time limit in milliseconds, 0 for none, and reads the clock. A check reads many rows and returns few:
-- it sorts and hashes in more memory than a call gets, compiles nothing, splits its work among the parallel workers that
-- PostgreSQL may start, and does not walk two indexes side by side, which touches every row of both tables at random.
-- Neither does it look row after row up in an index, unless only some restaurants are looked at. Instants as text are UTC.
SELECT
    set_config('statement_timeout', $1::text, true) AS statement_timeout,
    set_config('work_mem', '128MB', true) AS work_mem,
    set_config('jit', 'off', true) AS jit,
    set_config('enable_mergejoin', 'off', true) AS enable_mergejoin,
    set_config('enable_nestloop', CASE WHEN $2::boolean THEN 'off' ELSE 'on' END, true) AS enable_nestloop,
    set_config('parallel_tuple_cost', '0', true) AS parallel_tuple_cost,
    set_config('timezone', 'UTC', true) AS timezone,
    set_config('datestyle', 'ISO', true) AS datestyle,
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
-- left is the last one; steps that no booking takes are counted. Who did it and why is also in the entry that names its
-- request, but orders and a batch's decisions change nothing. By how many events a change was told is added up times its
-- version. Of completed assignments only those that still claim something have to claim everything.
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
        0::bigint AS events,
        0::bigint AS audit_entries,
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
        0::numeric AS audited,
        0::numeric AS told,
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
        0 AS events,
        0 AS audit_entries,
        0 AS standing,
        0 AS claimed,
        sum(hashtextextended(coalesce(h.from_status, ''), uuid_hash_extended(h.booking_id, h.revision - 1)))
        - sum(hashtextextended(h.to_status, uuid_hash_extended(h.booking_id, h.revision))) AS changed,
        sum(hashtextextended(h.reason, hashtextextended(h.actor, uuid_hash_extended(h.booking_id, 0)))) AS audited,
        0 AS told,
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
        0 AS events,
        0 AS audit_entries,
        0 AS standing,
        0 AS claimed,
        0 AS changed,
        0 AS audited,
        0 AS told,
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
        0 AS events,
        0 AS audit_entries,
        -sum(
            uuid_hash_extended(
                a.assignment_id, uuid_hash_extended(a.booking_id, CASE a.state WHEN 'active' THEN 1 ELSE 2 END)
            )
        ) FILTER (WHERE a.state IN ('active', 'completed')) AS standing,
        0 AS claimed,
        0 AS changed,
        0 AS audited,
        0 AS told,
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
        0 AS events,
        0 AS audit_entries,
        0 AS standing,
        coalesce(sum(g.hash) FILTER (WHERE g.there), 0) - coalesce(sum(g.hash) FILTER (WHERE NOT g.there), 0)
        AS claimed,
        0 AS changed,
        0 AS audited,
        0 AS told,
        0 AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        NULL AS last_epoch
    FROM hashed AS g
    GROUP BY g.restaurant_id
    UNION ALL
    SELECT
        l.restaurant_id,
        0 AS bookings,
        0 AS holds,
        0 AS assignments,
        0 AS claims,
        0 AS events,
        count(*) AS audit_entries,
        0 AS standing,
        0 AS claimed,
        0 AS changed,
        -sum(hashtextextended(l.reason, hashtextextended(l.actor, uuid_hash_extended(l.resource_id, 0)))) FILTER (
            WHERE
            l.resource = 'booking' AND l.details ? 'request_id' AND l.action NOT IN ('queue', 'auto_assign_decision')
        ) AS audited,
        -sum(
            CASE jsonb_typeof(l.details -> 'events') WHEN 'number' THEN l.floor_version * (l.details -> 'events')::numeric END
        ) FILTER (WHERE l.floor_version > greatest(s.compacted_version, m.audit_version, 0)) AS told,
        0 AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        NULL AS last_epoch
    FROM audit_log AS l
    LEFT JOIN outbox_streams AS s ON l.restaurant_id = s.restaurant_id
    LEFT JOIN history_cleared AS m ON l.restaurant_id = m.restaurant_id
    WHERE $1::uuid [] IS NULL OR l.restaurant_id = any($1)
    GROUP BY l.restaurant_id
    UNION ALL
    SELECT
        o.restaurant_id,
        0 AS bookings,
        0 AS holds,
        0 AS assignments,
        0 AS claims,
        count(*) AS events,
        0 AS audit_entries,
        0 AS standing,
        0 AS claimed,
        0 AS changed,
        0 AS audited,
        sum(o.floor_version) FILTER (WHERE o.floor_version > greatest(s.compacted_version, m.audit_version, 0)) AS told,
        0 AS confirmed,
        0 AS impossible,
        NULL AS least_epoch,
        NULL AS last_epoch
    FROM capacity_outbox AS o
    LEFT JOIN outbox_streams AS s ON o.restaurant_id = s.restaurant_id
    LEFT JOIN history_cleared AS m ON o.restaurant_id = m.restaurant_id
    WHERE $1::uuid [] IS NULL OR o.restaurant_id = any($1)
    GROUP BY o.restaurant_id
),

summed AS (
    SELECT
        p.restaurant_id,
        sum(p.bookings) AS bookings,
        sum(p.holds) AS holds,
        sum(p.assignments) AS assignments,
        sum(p.claims) AS claims,
        sum(p.events) AS events,
        sum(p.audit_entries) AS audit_entries,
        sum(p.standing) AS standing,
        sum(p.claimed) AS claimed,
        sum(p.changed) AS changed,
        sum(p.audited) AS audited,
        sum(p.told) AS told,
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
    coalesce(sum(s.events), 0)::bigint AS events,
    coalesce(sum(s.audit_entries), 0)::bigint AS audit_entries,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.standing <> 0), '{}') AS status_matches_assignment,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.claimed <> 0), '{}') AS assignments_match_claims,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.confirmed <> 0), '{}') AS confirmed_holds_assigned,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.changed <> 0 OR s.impossible > 0), '{}') AS history_complete,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.told <> 0), '{}') AS no_event_lost,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.audited <> 0), '{}') AS history_audited,
    coalesce(array_agg(s.restaurant_id) FILTER (WHERE s.last_epoch > s.least_epoch), '{}') AS epochs_in_order
FROM summed AS s;

-- name: overlap_refused
-- The database itself refuses a second claim on a table for an overlapping window.
SELECT
    1::bigint AS violations,
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
                WHERE
                    i.indexrelid = c.conindid
                    AND i.indisvalid
                    -- The quotes are there where quote_all_identifiers is on.
                    AND btrim(pg_get_expr(i.indpred, i.indrelid), '"') = 'enforced'
            )
    )
LIMIT $2;

-- name: rules_in_force
-- The rules that keep the floor, bookings, assignments and claims together, and by which nothing is answered or told twice,
-- are there and validated, and none is turned off, as an interrupted restore may leave them.
WITH places AS (
    SELECT to_regclass(p.name)::oid AS place
    FROM unnest(
        ARRAY[
            'bookings', 'booking_history', 'holds', 'assignments', 'merge_groups', 'blocks', 'table_claims', 'tables',
            'table_adjacency', 'idempotency_ledger', 'capacity_outbox'
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
    UNION ALL
    SELECT
        NULL AS oid,
        n.relname AS name,
        i.indisvalid AS convalidated
    FROM pg_index AS i
    INNER JOIN places AS p ON i.indrelid = p.place
    INNER JOIN pg_class AS n ON i.indexrelid = n.oid
    WHERE i.indisunique
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
            'tables_restaurant_id_zone_id_fkey', 'bookings_restaurant_id_zone_id_fkey', 'assignments_one_active',
            'idempotency_ledger_pkey', 'capacity_outbox_order', 'capacity_outbox_once'
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
    'the constraint ' || b.name || ' ' || b.problem AS message
FROM broken AS b
WHERE cardinality($1::uuid []) IS DISTINCT FROM 0
ORDER BY b.name, b.problem
LIMIT $2;
