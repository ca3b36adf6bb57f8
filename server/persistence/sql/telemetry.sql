-- name: record_event
-- Keeps one event, unless it is there already.
INSERT INTO telemetry_events (
    event_id, occurred_at, event_type, schema, tenant_id, restaurant_id, booking_id, context
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)
ON CONFLICT (event_id) DO NOTHING;

-- name: record_change
-- Keeps the events of one change of a restaurant straight from the outbox, each as the telemetry sink would: with the
-- schema of its type, and without the members $5 of its payload.
INSERT INTO telemetry_events (
    event_id, occurred_at, event_type, schema, tenant_id, restaurant_id, booking_id, context
)
SELECT
    o.id, o.created_at, o.event_type, t.schema, o.tenant_id, o.restaurant_id, o.booking_id, o.payload - $5::text []
FROM capacity_outbox AS o
INNER JOIN unnest($3::text [], $4::text []) AS t (event_type, schema) ON o.event_type = t.event_type
WHERE o.restaurant_id = $1 AND o.floor_version = $2
ON CONFLICT (event_id) DO NOTHING;

-- name: delete_older
-- Deletes up to $2 events that happened longer than $1 seconds ago, the oldest first; says how many.
WITH old AS (
    DELETE FROM telemetry_events AS t
    WHERE t.ctid = any(ARRAY(
        SELECT c.ctid FROM telemetry_events AS c
        WHERE c.occurred_at < (SELECT clock_timestamp() - make_interval(secs => $1))
        ORDER BY c.occurred_at
        LIMIT $2
    ))
    RETURNING t.event_id
)

SELECT count(*) AS deleted FROM old;
