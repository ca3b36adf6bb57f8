-- What happened, for dashboards and alerts to count. No personal data. Kept for the retention of the settings.
-- Tenant and restaurant are absent for what happened to no restaurant in particular.

CREATE TABLE telemetry_events (
    event_id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    event_type text NOT NULL,
    schema text NOT NULL,
    tenant_id uuid,
    restaurant_id uuid,
    booking_id uuid,
    context jsonb NOT NULL,
    CONSTRAINT telemetry_events_context_object CHECK (jsonb_typeof(context) = 'object')
);
COMMENT ON COLUMN telemetry_events.schema IS 'What the context is, its version included: a message of the contract, for example maitred.v1.HoldEvent.';
-- Rows come in the order of time, so a summary per block finds a period or the old ones, and costs the writer little.
CREATE INDEX telemetry_events_by_age ON telemetry_events USING brin (occurred_at) WITH (pages_per_range = 16);
