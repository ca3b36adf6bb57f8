-- The same for the entries about one booking, block or restaurant.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_log_by_resource_and_time
ON audit_log (restaurant_id, resource_id, occurred_at, audit_id);
