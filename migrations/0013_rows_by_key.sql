-- Claims of one table are looked for by the index that keeps them apart, which has the enforced ones alone. Of others there
-- are hardly ever any, so that this index costs nothing.

CREATE INDEX table_claims_unenforced ON table_claims (restaurant_id, table_id) WHERE NOT enforced;

-- Lists go by time, single rows by key. With the id behind the time these indexes could be taken for the key's as long as
-- a table is small, by plans that are kept when it has grown; ties of the time are few enough to be sorted.

DROP INDEX holds_by_creation;
CREATE INDEX holds_by_creation ON holds (restaurant_id, created_at);
DROP INDEX assignments_by_window;
CREATE INDEX assignments_by_window ON assignments (restaurant_id, window_start);
