-- name: add_journal
-- Outbox rows of one change, in order, and who did what in it, and why; the same fact is enqueued once per tenant.
WITH events AS (
    INSERT INTO capacity_outbox (
        restaurant_id, tenant_id, floor_version, position, created_at, updated_at, next_attempt_at, event_type,
        dedupe_key, booking_id, idempotency_key, payload
    )
    SELECT
        $1, $2, $3, e.position, clock_timestamp(), clock_timestamp(), clock_timestamp(), e.event_type, e.dedupe_key,
        e.booking_id, $4, e.payload::jsonb
    FROM unnest($5::text [], $6::text [], $7::uuid [], $8::text []) WITH ORDINALITY
        AS e (event_type, dedupe_key, booking_id, payload, position)
    ON CONFLICT (tenant_id, event_type, dedupe_key) DO NOTHING
)

INSERT INTO audit_log (
    restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
)
SELECT
    $1, $2, $3, clock_timestamp(), a.actor, a.action, a.resource, a.resource_id, a.reason, a.details::jsonb
FROM unnest($9::text [], $10::text [], $11::text [], $12::uuid [], $13::text [], $14::text [])
    AS a (actor, action, resource, resource_id, reason, details);

-- name: audit_page
-- What was done in a restaurant, to one resource or any, newest first, continuing after an entry.
SELECT
    l.audit_id,
    l.floor_version,
    l.occurred_at,
    l.actor,
    l.action,
    l.resource,
    l.resource_id,
    l.reason,
    l.details
FROM audit_log AS l
WHERE
    l.restaurant_id = $1
    AND ($2::uuid IS NULL OR l.resource_id = $2)
    AND ($3::timestamptz IS NULL OR l.occurred_at >= $3)
    AND ($4::timestamptz IS NULL OR l.occurred_at < $4)
    AND ($5::bigint IS NULL OR l.audit_id < $5)
ORDER BY l.audit_id DESC
LIMIT $6;
