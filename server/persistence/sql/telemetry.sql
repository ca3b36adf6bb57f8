-- name: record_event
-- Keeps one event, unless it is there already.
INSERT INTO telemetry_events (
    event_id, occurred_at, event_type, schema, tenant_id, restaurant_id, booking_id, context
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)
ON CONFLICT (event_id) DO NOTHING;

-- name: probe
-- Whether events could be written here.
SELECT has_table_privilege('telemetry_events', 'INSERT') AS writable;

-- name: delete_older
-- Deletes up to $2 events that happened longer than $1 seconds ago; says how many.
WITH old AS (
    DELETE FROM telemetry_events AS t
    WHERE t.ctid = any(ARRAY(
        SELECT c.ctid FROM telemetry_events AS c
        WHERE c.occurred_at < clock_timestamp() - make_interval(secs => $1)
        LIMIT $2
    ))
    RETURNING t.event_id
)

SELECT count(*) AS deleted FROM old;
