-- name: ledger_matches_state
-- What recorded answers say was held, assigned or blocked is there for the same tables, time and need, and no booking, hold or
-- block is behind what they say of it, for as long as they count.
-- Of a booking whose last table is taken away nothing is left, and the answer names no assignment. A party that left has given
-- back the rest of its window. That bookings and blocks are there the audit log knows, and a hold that had ended long before
-- may be cleared away. Ids and instants are compared as text, because a damaged answer may have something else there.
WITH answered AS NOT MATERIALIZED (
    SELECT
        l.tenant_id,
        l.method,
        l.request_id,
        l.refused,
        l.answer
    FROM idempotency_ledger AS l
    WHERE
        -- A clock that stands still for a statement lets it be split among workers.
        l.expires_at > statement_timestamp()
        AND (
            $1::uuid [] IS NULL
            OR l.tenant_id IN (SELECT t.tenant_id FROM restaurants AS t WHERE t.restaurant_id = any($1))
        )
),

wrong AS (
    SELECT
        n.method,
        n.request_id,
        n.answer -> 'hold' AS made,
        CASE WHEN r.restaurant_id IS NULL THEN 'what is not there' ELSE 'other tables, time or need' END AS problem
    FROM answered AS n
    LEFT JOIN holds AS h
        ON
            n.answer #>> '{hold,restaurant_id}' = h.restaurant_id::text
            AND n.answer #>> '{hold,hold_id}' = h.hold_id::text
            AND n.answer #>> '{hold,booking_id}' = h.booking_id::text
            AND ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
    LEFT JOIN restaurants AS r ON h.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE
        NOT n.refused
        AND n.method IN ('HoldTables', 'ReplaceHold')
        AND (
            r.restaurant_id IS NULL
            OR n.answer #> '{hold,table_ids}' IS DISTINCT FROM to_jsonb(h.table_ids)
            OR n.answer #>> '{hold,assignment_epoch}' IS DISTINCT FROM h.assignment_epoch::text
            OR rtrim(translate(n.answer #>> '{hold,window,start}', 'T', ' '), '0Z')
            IS DISTINCT FROM rtrim(h.window_start::text, '0+')
            OR rtrim(translate(n.answer #>> '{hold,window,end}', 'T', ' '), '0Z')
            IS DISTINCT FROM rtrim(h.window_end::text, '0+')
        )
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.answer -> 'assignment' AS made,
        CASE WHEN r.restaurant_id IS NULL THEN 'what is not there' ELSE 'other tables, time or need' END AS problem
    FROM answered AS n
    LEFT JOIN assignments AS a
        ON
            n.answer #>> '{assignment,restaurant_id}' = a.restaurant_id::text
            AND n.answer #>> '{assignment,assignment_id}' = a.assignment_id::text
            AND n.answer #>> '{assignment,booking_id}' = a.booking_id::text
            AND ($1::uuid [] IS NULL OR a.restaurant_id = any($1))
    LEFT JOIN restaurants AS r ON a.restaurant_id = r.restaurant_id AND n.tenant_id = r.tenant_id
    WHERE
        NOT n.refused
        AND n.method IN ('ConfirmHold', 'AssignTables', 'AutoAssign', 'ReassignTables', 'UnassignTables')
        AND (n.method <> 'UnassignTables' OR n.answer #>> '{assignment,assignment_id}' IS NOT NULL)
        AND (
            r.restaurant_id IS NULL
            OR n.answer #> '{assignment,table_ids}' IS DISTINCT FROM to_jsonb(a.table_ids)
            OR n.answer #>> '{assignment,assignment_epoch}' IS DISTINCT FROM a.assignment_epoch::text
            OR n.answer #>> '{assignment,party_size}' IS DISTINCT FROM a.party_size::text
            OR rtrim(translate(n.answer #>> '{assignment,window,start}', 'T', ' '), '0Z')
            IS DISTINCT FROM rtrim(a.window_start::text, '0+')
            OR (
                rtrim(translate(n.answer #>> '{assignment,window,end}', 'T', ' '), '0Z')
                IS DISTINCT FROM rtrim(a.window_end::text, '0+')
                AND a.state <> 'completed'
            )
        )
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.answer AS made,
        CASE
            WHEN n.tenant_id = r.tenant_id
                THEN 'revision ' || (n.answer ->> 'revision') || ', but the booking is at ' || b.revision
            ELSE 'the booking of another tenant'
        END AS problem
    FROM answered AS n
    INNER JOIN bookings AS b
        ON n.answer ->> 'restaurant_id' = b.restaurant_id::text AND n.answer ->> 'booking_id' = b.booking_id::text
    INNER JOIN restaurants AS r ON b.restaurant_id = r.restaurant_id
    WHERE
        NOT n.refused
        AND ($1::uuid [] IS NULL OR b.restaurant_id = any($1))
        AND n.method IN ('PutBooking', 'TransitionBooking', 'DispatchAutoAssign')
        AND (n.answer -> 'revision' > to_jsonb(b.revision) OR n.tenant_id <> r.tenant_id)
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.answer AS made,
        CASE WHEN n.method = 'ReleaseHold' THEN 'a hold that has ended, but it is live' ELSE 'other tables' END AS problem
    FROM answered AS n
    INNER JOIN holds AS h
        ON n.answer ->> 'restaurant_id' = h.restaurant_id::text AND n.answer ->> 'hold_id' = h.hold_id::text
    WHERE
        NOT n.refused
        AND ($1::uuid [] IS NULL OR h.restaurant_id = any($1))
        AND n.method IN ('ReleaseHold', 'ExtendHold')
        AND CASE n.method
            WHEN 'ReleaseHold' THEN h.state = 'active'
            WHEN 'ExtendHold' THEN n.answer -> 'table_ids' <> to_jsonb(h.table_ids)
        END
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        n.answer AS made,
        CASE
            WHEN n.answer -> 'table_ids' = to_jsonb(k.table_ids) THEN 'a released block, but it is in force'
            ELSE 'other tables'
        END AS problem
    FROM answered AS n
    INNER JOIN blocks AS k
        ON n.answer ->> 'restaurant_id' = k.restaurant_id::text AND n.answer ->> 'block_id' = k.block_id::text
    WHERE
        NOT n.refused
        AND ($1::uuid [] IS NULL OR k.restaurant_id = any($1))
        AND n.method IN ('BlockTables', 'UnblockTables')
        AND (n.answer -> 'table_ids' <> to_jsonb(k.table_ids) OR (n.method = 'UnblockTables' AND NOT k.released))
    UNION ALL
    SELECT
        n.method,
        n.request_id,
        coalesce(n.answer -> 'hold', n.answer -> 'assignment', n.answer) AS made,
        CASE WHEN n.refused THEN 'a refusal that has no reason' ELSE 'a refusal that does not count as one' END AS problem
    FROM answered AS n
    WHERE n.refused <> (n.answer ?& ARRAY['reason', 'message'])
),

broken AS MATERIALIZED (
    SELECT
        i.restaurant_id,
        i.booking_id,
        i.hold_id,
        i.assignment_id,
        i.block_id,
        m.method,
        m.request_id,
        m.problem
    FROM wrong AS m
    CROSS JOIN LATERAL (
        SELECT
            (max(e.value) FILTER (WHERE e.key = 'restaurant_id'))::uuid AS restaurant_id,
            (max(e.value) FILTER (WHERE e.key = 'booking_id'))::uuid AS booking_id,
            (max(e.value) FILTER (WHERE e.key = 'hold_id'))::uuid AS hold_id,
            (max(e.value) FILTER (WHERE e.key = 'assignment_id'))::uuid AS assignment_id,
            (max(e.value) FILTER (WHERE e.key = 'block_id'))::uuid AS block_id
        FROM jsonb_each_text(CASE jsonb_typeof(m.made) WHEN 'object' THEN m.made END) AS e (key, value)
        WHERE e.value ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    ) AS i
    WHERE $1::uuid [] IS NULL OR m.made ->> 'restaurant_id' = any($1::uuid []::text [])
)

SELECT
    count(*) OVER () AS violations,
    b.restaurant_id,
    b.booking_id,
    b.hold_id,
    b.assignment_id,
    b.block_id,
    b.method || ' ' || b.request_id || ' answered with ' || b.problem AS message
FROM broken AS b
ORDER BY b.restaurant_id, b.request_id
LIMIT $2;
