-- Claims are looked for by their end. Parties leave within sixteen hours, so that is a narrow range; blocks may last a year,
-- so they have an index of their own, which holds and assignments don't pay for.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS table_claims_blocks_by_end
ON table_claims (restaurant_id, upper(during)) WHERE kind = 'block';
