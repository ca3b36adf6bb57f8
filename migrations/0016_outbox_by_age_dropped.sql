-- Its place has been taken by capacity_outbox_delivered_by_age.
-- maitred: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS capacity_outbox_by_age;
