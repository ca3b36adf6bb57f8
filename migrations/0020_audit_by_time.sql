-- The audit log is read by time: whoever asks for an evening long ago shall not read all that was done since. This becomes
-- its primary key two migrations later, so that writers keep no index more than before.
-- maitred: no-transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS audit_log_by_time ON audit_log (restaurant_id, occurred_at, audit_id);
