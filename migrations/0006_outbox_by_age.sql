-- Rows come in the order of time, so a summary per block finds the old ones and costs the writer next to nothing.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS capacity_outbox_by_age
ON capacity_outbox USING brin (created_at) WITH (pages_per_range = 16);
