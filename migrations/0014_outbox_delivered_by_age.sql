-- A summary per block keeps the oldest instant that the block ever had. Once the place of deleted rows is used again, every
-- block looks old, and whoever looks for old events reads all of them. Only delivered events are deleted, so this index
-- costs those nothing who write them.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS capacity_outbox_delivered_by_age
ON capacity_outbox (created_at) WHERE status = 'done';
