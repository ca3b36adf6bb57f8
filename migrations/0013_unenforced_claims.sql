-- Claims of one table are looked for by the index that keeps them apart, which has the enforced ones alone. Of others there
-- are hardly ever any, so that this index costs nothing.

CREATE INDEX table_claims_unenforced ON table_claims (restaurant_id, table_id) WHERE NOT enforced;
