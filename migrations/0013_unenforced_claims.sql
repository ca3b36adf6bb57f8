-- Claims of one table are looked for by the index that keeps them apart, which has the enforced ones alone. Of others there
-- are hardly ever any, so that this index costs nothing.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS table_claims_unenforced
ON table_claims (restaurant_id, table_id) WHERE NOT enforced;
