-- name: free_changes
-- First half of writing changes: gives up claims, ends assignments and moves the ends of holds, so that others of the
-- same transaction can take their tables, and their bookings other assignments.
WITH dropped AS (
    DELETE FROM table_claims AS c
    USING unnest($1::uuid [], $2::uuid []) AS d (restaurant_id, owner_id)
    WHERE
        c.restaurant_id = d.restaurant_id
        AND (c.hold_id = d.owner_id OR c.assignment_id = d.owner_id OR c.block_id = d.owner_id)
),

longer_holds AS (
    UPDATE holds AS h
    SET expires_at = e.expires_at
    FROM unnest($6::uuid [], $7::uuid [], $8::timestamptz []) AS e (restaurant_id, hold_id, expires_at)
    WHERE h.restaurant_id = e.restaurant_id AND h.hold_id = e.hold_id
),

longer_claims AS (
    UPDATE table_claims AS c
    SET expires_at = e.expires_at
    FROM unnest($6::uuid [], $7::uuid [], $8::timestamptz []) AS e (restaurant_id, hold_id, expires_at)
    WHERE c.restaurant_id = e.restaurant_id AND c.hold_id = e.hold_id
)

UPDATE assignments AS a
SET state = s.state
FROM unnest($3::uuid [], $4::uuid [], $5::text []) AS s (restaurant_id, assignment_id, state)
WHERE a.restaurant_id = s.restaurant_id AND a.assignment_id = s.assignment_id;

-- name: write_changes
-- Second half: gives each change its place in the order of its restaurant's changes and writes what is new, all rows of
-- a kind at once and as JSON objects. Rows of events, audit and history carry the step of their change, which is 1 for a
-- restaurant's first one here. Answers go to the ledger. Says whether the telemetry has to be written by whoever changes
-- something. The exclusion constraint refuses the statement when a claim overlaps another.
WITH raised AS (
    UPDATE restaurants AS r
    SET floor_version = r.floor_version + s.steps
    FROM unnest($1::uuid [], $2::int []) AS s (restaurant_id, steps)
    WHERE r.restaurant_id = s.restaurant_id
    RETURNING r.restaurant_id, r.tenant_id, r.floor_version, r.floor_version - s.steps AS version_before
),

hold_states AS (
    UPDATE holds AS h
    SET state = s.state
    FROM unnest($3::uuid [], $4::uuid [], $5::text []) AS s (restaurant_id, hold_id, state)
    WHERE h.restaurant_id = s.restaurant_id AND h.hold_id = s.hold_id
),

new_holds AS (
    INSERT INTO holds (
        restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, state, expires_at, created_at, actor,
        policy_version, inventory_version, assignment_epoch, overrides
    )
    SELECT
        h.restaurant_id, h.hold_id, h.booking_id, h.table_ids, h.window_start, h.window_end, h.state, h.expires_at,
        h.created_at, h.actor, h.policy_version, h.inventory_version, h.assignment_epoch, h.overrides
    FROM jsonb_to_recordset($6::text::jsonb) AS h (
        restaurant_id uuid, hold_id uuid, booking_id uuid, table_ids uuid [], window_start timestamptz,
        window_end timestamptz, state text, expires_at timestamptz, created_at timestamptz, actor text,
        policy_version bigint, inventory_version bigint, assignment_epoch bigint, overrides text []
    )
),

assignment_rows AS MATERIALIZED (
    SELECT
        a.restaurant_id, a.assignment_id, a.booking_id, a.table_ids, a.window_start, a.window_end, a.state,
        a.assignment_epoch, a.party_size, a.merge_group_id, a.hold_id, a.actor, a.created_at, a.overrides
    FROM jsonb_to_recordset($7::text::jsonb) AS a (
        restaurant_id uuid, assignment_id uuid, booking_id uuid, table_ids uuid [], window_start timestamptz,
        window_end timestamptz, state text, assignment_epoch bigint, party_size int, merge_group_id uuid, hold_id uuid,
        actor text, created_at timestamptz, overrides text []
    )
),

new_assignments AS (
    INSERT INTO assignments (
        restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, state, assignment_epoch,
        party_size, hold_id, actor, created_at, overrides
    )
    SELECT
        a.restaurant_id, a.assignment_id, a.booking_id, a.table_ids, a.window_start, a.window_end, a.state,
        a.assignment_epoch, a.party_size, a.hold_id, a.actor, a.created_at, a.overrides
    FROM assignment_rows AS a
),

new_merge_groups AS (
    INSERT INTO merge_groups (restaurant_id, merge_group_id, assignment_id)
    SELECT a.restaurant_id, a.merge_group_id, a.assignment_id
    FROM assignment_rows AS a
    WHERE a.merge_group_id IS NOT NULL
),

moved_claims AS (
    UPDATE table_claims AS c
    SET kind = 'assignment', hold_id = NULL, assignment_id = m.assignment_id, expires_at = NULL, enforced = true
    FROM unnest($8::uuid [], $9::uuid [], $10::uuid []) AS m (restaurant_id, hold_id, assignment_id)
    WHERE c.restaurant_id = m.restaurant_id AND c.hold_id = m.hold_id
),

new_claims AS (
    INSERT INTO table_claims (
        restaurant_id, table_id, during, kind, hold_id, assignment_id, block_id, booking_id, expires_at
    )
    SELECT
        c.restaurant_id,
        c.table_id,
        tstzrange(c.window_start, c.window_end),
        c.kind,
        CASE WHEN c.kind = 'hold' THEN c.owner_id END,
        CASE WHEN c.kind = 'assignment' THEN c.owner_id END,
        CASE WHEN c.kind = 'block' THEN c.owner_id END,
        c.booking_id,
        c.expires_at
    FROM jsonb_to_recordset($11::text::jsonb) AS c (
        restaurant_id uuid, table_id uuid, window_start timestamptz, window_end timestamptz, kind text, owner_id uuid,
        booking_id uuid, expires_at timestamptz
    )
),

new_bookings AS (
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        duration_s, zone_id, required_attributes, preferred_attributes, preferred_zone_ids, reference, revision,
        assignment_epoch, assignment_id, checked_in_at, checked_out_at, created_at, updated_at
    )
    SELECT
        b.restaurant_id, b.booking_id, b.status, b.party_size, b.dining_start, b.dining_end, b.window_start,
        b.window_end, b.period, b.duration_s, b.zone_id, b.required_attributes, b.preferred_attributes,
        b.preferred_zone_ids, b.reference, b.revision, b.assignment_epoch, b.assignment_id, b.checked_in_at,
        b.checked_out_at, b.created_at, b.updated_at
    FROM jsonb_to_recordset($12::text::jsonb) AS b (
        restaurant_id uuid, booking_id uuid, status text, party_size int, dining_start timestamptz,
        dining_end timestamptz, window_start timestamptz, window_end timestamptz, period text, duration_s int,
        zone_id uuid, required_attributes text [], preferred_attributes text [], preferred_zone_ids uuid [],
        reference text, revision bigint, assignment_epoch bigint, assignment_id uuid, checked_in_at timestamptz,
        checked_out_at timestamptz, created_at timestamptz, updated_at timestamptz
    )
    ON CONFLICT (restaurant_id, booking_id) DO UPDATE
    SET
        status = excluded.status,
        party_size = excluded.party_size,
        dining_start = excluded.dining_start,
        dining_end = excluded.dining_end,
        window_start = excluded.window_start,
        window_end = excluded.window_end,
        period = excluded.period,
        duration_s = excluded.duration_s,
        zone_id = excluded.zone_id,
        required_attributes = excluded.required_attributes,
        preferred_attributes = excluded.preferred_attributes,
        preferred_zone_ids = excluded.preferred_zone_ids,
        reference = excluded.reference,
        revision = excluded.revision,
        assignment_epoch = excluded.assignment_epoch,
        assignment_id = excluded.assignment_id,
        checked_in_at = excluded.checked_in_at,
        checked_out_at = excluded.checked_out_at,
        updated_at = excluded.updated_at
),

new_history AS (
    INSERT INTO booking_history (
        restaurant_id, booking_id, revision, from_status, to_status, actor, reason, changed_at
    )
    SELECT
        h.restaurant_id, h.booking_id, h.revision, h.from_status, h.to_status, h.actor, h.reason, h.changed_at
    FROM jsonb_to_recordset($13::text::jsonb) AS h (
        restaurant_id uuid, booking_id uuid, revision bigint, from_status text, to_status text, actor text,
        reason text, changed_at timestamptz
    )
),

new_events AS (
    INSERT INTO capacity_outbox (
        restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, event_type,
        dedupe_key, booking_id, idempotency_key, payload
    )
    SELECT
        e.restaurant_id, r.tenant_id, r.version_before + e.step, e.position, clock_timestamp(), clock_timestamp(),
        clock_timestamp(), e.event_type, e.dedupe_key, e.booking_id, e.idempotency_key, e.payload
    FROM jsonb_to_recordset($14::text::jsonb) AS e (
        restaurant_id uuid, step int, position int, event_type text, dedupe_key text, booking_id uuid,
        idempotency_key text, payload jsonb
    )
    INNER JOIN raised AS r ON e.restaurant_id = r.restaurant_id
    ON CONFLICT (tenant_id, event_type, dedupe_key) DO NOTHING
),

new_audit AS (
    INSERT INTO audit_log (
        restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
    )
    SELECT
        a.restaurant_id, r.tenant_id, r.version_before + a.step, clock_timestamp(), a.actor, a.action, a.resource,
        a.resource_id, a.reason, a.details
    FROM jsonb_to_recordset($15::text::jsonb) AS a (
        restaurant_id uuid, step int, actor text, action text, resource text, resource_id uuid, reason text,
        details jsonb
    )
    INNER JOIN raised AS r ON a.restaurant_id = r.restaurant_id
),

new_answers AS (
    INSERT INTO idempotency_ledger (
        tenant_id, method, request_id, request_hash, field_digests, refused, answer, expires_at
    )
    SELECT
        l.tenant_id, l.method, l.request_id, l.request_hash, l.field_digests, l.refused, l.answer,
        now() + make_interval(secs => $17::float8)
    FROM jsonb_to_recordset($16::text::jsonb) AS l (
        tenant_id uuid, method text, request_id uuid, request_hash bytea, field_digests jsonb, refused boolean,
        answer jsonb
    )
)

SELECT
    r.restaurant_id,
    r.floor_version,
    EXISTS (SELECT FROM switches AS w WHERE w.name = 'direct_telemetry' AND w.value = 'on') AS direct_telemetry
FROM raised AS r;
