-- name: raise_floor_version
-- Locks the restaurant and gives the transaction its place in the order of its changes.
UPDATE restaurants SET floor_version = floor_version + 1 WHERE restaurant_id = $1 RETURNING floor_version;

-- name: add_hold
-- A hold of one table.
INSERT INTO holds (
    restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, state, expires_at, created_at, actor,
    policy_version, inventory_version, assignment_epoch, overrides
)
VALUES ($1, $2, $3, $4, $5, $6, 'active', now() + $7::interval, now(), $8, 1, 1, 1, '{}');

-- name: add_claim
-- Its claim; the exclusion constraint refuses it when the table is taken.
INSERT INTO table_claims (restaurant_id, table_id, during, kind, hold_id, booking_id, expires_at)
VALUES ($1, $2, tstzrange($3, $4), 'hold', $5, $6, now() + $7::interval);

-- name: record
-- The answer, for repeats of the request.
INSERT INTO idempotency_ledger (
    tenant_id, method, request_id, request_hash, field_digests, refused, answer, expires_at
)
VALUES ($1, $2, $3, $4, $5::text::jsonb, false, $6::text::jsonb, now() + $7::interval);

-- name: add_events
-- The events of one change, in order.
INSERT INTO capacity_outbox (
    restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, event_type,
    dedupe_key, booking_id, idempotency_key, payload
)
SELECT
    $1,
    $2,
    $3,
    e.position,
    now(),
    now(),
    now(),
    e.event_type,
    e.dedupe_key,
    $4,
    $5,
    e.payload::jsonb
FROM unnest($6::text [], $7::text [], $8::text []) WITH ORDINALITY AS e (event_type, dedupe_key, payload, position);

-- name: add_audit
-- Who did what.
INSERT INTO audit_log (
    restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
)
VALUES ($1, $2, $3, now(), $4, $5, 'booking', $6, '', $7::text::jsonb);

-- name: confirm_hold
-- The hold has become an assignment.
UPDATE holds SET state = 'confirmed' WHERE restaurant_id = $1 AND hold_id = $2;

-- name: add_assignment
-- The assignment that a hold of one table becomes.
INSERT INTO assignments (
    restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, state, assignment_epoch,
    party_size, hold_id, actor, created_at, overrides
)
VALUES ($1, $2, $3, $4, $5, $6, 'active', 1, 2, $7, $8, now(), '{}');

-- name: move_claims
-- The same claims, of another kind.
UPDATE table_claims
SET kind = 'assignment', hold_id = NULL, assignment_id = $3, expires_at = NULL
WHERE restaurant_id = $1 AND hold_id = $2;

-- name: confirm_booking
-- The booking has its table.
UPDATE bookings
SET status = 'confirmed', assignment_id = $3, revision = revision + 1, updated_at = now()
WHERE restaurant_id = $1 AND booking_id = $2;

-- name: add_booking_change
-- And its history says so.
INSERT INTO booking_history (
    restaurant_id, booking_id, revision, from_status, to_status, actor, reason, changed_at
)
VALUES ($1, $2, 2, 'pending', 'confirmed', $3, '', now());
