-- The few events that are not simply waiting their turn: given up, or given another life.
-- maitred: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS capacity_outbox_out_of_turn
ON capacity_outbox (restaurant_id, floor_version, position)
WHERE status = 'dead' OR (redriven_at IS NOT NULL AND status = 'pending');
