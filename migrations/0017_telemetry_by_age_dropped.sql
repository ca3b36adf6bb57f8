-- Its place has been taken by telemetry_events_by_time.
-- maitred: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS telemetry_events_by_age;
