-- For the same reason as in the outbox: a summary per block is of no use where rows are deleted.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS telemetry_events_by_time ON telemetry_events (occurred_at);
