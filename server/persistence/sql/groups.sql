-- name: open_members
-- Sets the transaction's limits, claims its requests until it ends, and then locks the restaurants of those it has claimed
-- in the order of their ids against other writers, once those have let go. Says of each member, in order:
-- whether its request was claimed (not while another transaction has it), what is recorded of it, and its restaurant if
-- one is named that is the tenant's; the clock is read after the locks were granted;
-- what it needs to know before it decides: its booking, its hold, how many open holds its booking has, and the claims on
-- its tables in its window, a row for every claim. Tables and window are the hold's, or the booking's and those that are
-- named. The state of a hold is what the database's clock makes of it.
-- All that is read is as old as `seen_version` of the floor. Where that is not the restaurant's, somebody has changed it
-- before the lock was granted, and it has to be asked again.
WITH limits AS MATERIALIZED (
    SELECT
        set_config('statement_timeout', $1::text, true) AS statement_timeout,
        set_config('lock_timeout', $2::text, true) AS lock_timeout
),

members AS MATERIALIZED (
    SELECT
        w.tenant_id,
        w.method,
        w.request_id,
        w.restaurant_id,
        w.booking_id,
        w.hold_id,
        w.table_ids,
        w.position,
        pg_try_advisory_xact_lock(hashtextextended(w.lock_name, 0)) AS claimed
    FROM unnest($3::text [], $4::uuid [], $5::text [], $6::uuid [], $7::uuid [], $8::uuid [], $9::uuid [], $10::text [])
    WITH ORDINALITY AS w (
        lock_name, tenant_id, method, request_id, restaurant_id, booking_id, hold_id, table_ids, position
    )
),

locked AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.tenant_id,
        r.name,
        r.time_zone,
        r.revision,
        r.policy_version,
        r.inventory_version,
        r.floor_version
    FROM restaurants AS r
    CROSS JOIN limits AS t
    WHERE
        (r.tenant_id, r.restaurant_id) IN (SELECT m.tenant_id, m.restaurant_id FROM members AS m WHERE m.claimed)
        -- An array is made whole: all are claimed before the first restaurant is waited for.
        AND r.restaurant_id = any(ARRAY(SELECT m.restaurant_id FROM members AS m))
        AND t.lock_timeout IS NOT NULL
    ORDER BY r.restaurant_id
    FOR NO KEY UPDATE OF r
)

SELECT
    w.position,
    w.claimed,
    k.request_hash,
    k.field_digests,
    k.refused,
    k.answer,
    l.restaurant_id AS restaurant_restaurant_id,
    l.tenant_id AS restaurant_tenant_id,
    l.name AS restaurant_name,
    l.time_zone AS restaurant_time_zone,
    l.revision AS restaurant_revision,
    l.policy_version AS restaurant_policy_version,
    l.inventory_version AS restaurant_inventory_version,
    l.floor_version AS restaurant_floor_version,
    clock_timestamp() AS restaurant_now,
    s.floor_version AS seen_version,
    b.restaurant_id,
    b.booking_id,
    b.status,
    b.party_size,
    b.dining_start,
    b.dining_end,
    b.window_start,
    b.window_end,
    b.period,
    b.duration_s,
    b.zone_id,
    b.required_attributes,
    b.preferred_attributes,
    b.preferred_zone_ids,
    b.reference,
    b.revision,
    b.assignment_epoch,
    b.assignment_id,
    a.assignment_epoch AS assigned_epoch,
    b.checked_in_at,
    b.checked_out_at,
    b.created_at,
    b.updated_at,
    to_jsonb(j) AS auto_assign_job,
    h.restaurant_id AS hold_restaurant_id,
    h.hold_id AS hold_hold_id,
    h.booking_id AS hold_booking_id,
    h.table_ids AS hold_table_ids,
    h.window_start AS hold_window_start,
    h.window_end AS hold_window_end,
    CASE
        WHEN h.state = 'active' AND h.expires_at <= clock_timestamp() THEN 'expired' ELSE h.state
    END AS hold_state,
    h.expires_at AS hold_expires_at,
    h.created_at AS hold_created_at,
    h.actor AS hold_actor,
    h.policy_version AS hold_policy_version,
    h.inventory_version AS hold_inventory_version,
    h.assignment_epoch AS hold_assignment_epoch,
    h.overrides AS hold_overrides,
    (
        SELECT count(*)
        FROM holds AS o
        WHERE
            o.restaurant_id = b.restaurant_id AND o.booking_id = b.booking_id
            -- Said so that the index of all active holds by their ends is none to choose from.
            AND o.state LIKE 'active'
    ) AS open_holds,
    c.table_id AS claim_table_id,
    c.window_start AS claim_window_start,
    c.window_end AS claim_window_end,
    c.kind AS claim_kind,
    c.owner_id AS claim_owner_id,
    c.booking_id AS claim_booking_id,
    c.expires_at AS claim_expires_at
FROM members AS w
LEFT JOIN locked AS l ON w.restaurant_id = l.restaurant_id AND w.tenant_id = l.tenant_id
LEFT JOIN restaurants AS s ON l.restaurant_id = s.restaurant_id
LEFT JOIN LATERAL (
    SELECT
        g.request_hash,
        g.field_digests,
        g.refused,
        g.answer
    FROM idempotency_ledger AS g
    WHERE g.tenant_id = w.tenant_id AND g.method = w.method AND g.request_id = w.request_id
    LIMIT 1
) AS k ON true
LEFT JOIN bookings AS b ON l.restaurant_id = b.restaurant_id AND w.booking_id = b.booking_id
LEFT JOIN assignments AS a ON b.restaurant_id = a.restaurant_id AND b.assignment_id = a.assignment_id
LEFT JOIN auto_assign_jobs AS j ON b.restaurant_id = j.restaurant_id AND b.booking_id = j.booking_id
LEFT JOIN LATERAL (
    SELECT
        d.restaurant_id,
        d.hold_id,
        d.booking_id,
        d.table_ids,
        d.window_start,
        d.window_end,
        d.state,
        d.expires_at,
        d.created_at,
        d.actor,
        d.policy_version,
        d.inventory_version,
        d.assignment_epoch,
        d.overrides
    FROM holds AS d
    WHERE d.restaurant_id = l.restaurant_id AND d.hold_id = w.hold_id
    LIMIT 1
) AS h ON true
LEFT JOIN LATERAL unnest(coalesce(h.table_ids, w.table_ids::uuid [])) AS t (table_id) ON true
LEFT JOIN LATERAL (
    SELECT
        e.table_id,
        lower(e.during) AS window_start,
        upper(e.during) AS window_end,
        e.kind,
        coalesce(e.hold_id, e.assignment_id, e.block_id) AS owner_id,
        e.booking_id,
        e.expires_at
    FROM table_claims AS e
    WHERE
        e.restaurant_id = l.restaurant_id
        AND e.table_id = t.table_id
        AND e.during && tstzrange(coalesce(h.window_start, b.window_start), coalesce(h.window_end, b.window_end))
        AND e.enforced
    UNION ALL
    SELECT
        u.table_id,
        lower(u.during),
        upper(u.during),
        u.kind,
        u.hold_id,
        u.booking_id,
        u.expires_at
    FROM table_claims AS u
    WHERE
        u.restaurant_id = l.restaurant_id
        AND u.table_id = t.table_id
        AND u.during && tstzrange(coalesce(h.window_start, b.window_start), coalesce(h.window_end, b.window_end))
        AND NOT u.enforced
) AS c ON true
ORDER BY w.position, c.table_id, c.window_start;

-- name: lock_free
-- Locks those of these restaurants that nobody else has locked, and says which; tenants and restaurants are pairs.
SELECT r.restaurant_id
FROM restaurants AS r
WHERE (r.tenant_id, r.restaurant_id) IN (SELECT unnest($1::uuid []), unnest($2::uuid []))
ORDER BY r.restaurant_id
FOR NO KEY UPDATE OF r SKIP LOCKED;

-- name: restaurants_there
-- Which of these restaurants there are; tenants and restaurants are pairs.
SELECT r.tenant_id, r.restaurant_id
FROM restaurants AS r
WHERE (r.tenant_id, r.restaurant_id) IN (SELECT unnest($1::uuid []), unnest($2::uuid []));
