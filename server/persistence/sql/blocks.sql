-- name: block
-- One block.
SELECT
    b.restaurant_id,
    b.block_id,
    b.table_ids,
    b.window_start,
    b.window_end,
    b.cause,
    b.note,
    b.released,
    b.actor,
    b.created_at
FROM blocks AS b
WHERE b.restaurant_id = $1 AND b.block_id = $2;

-- name: blocks_page
-- Blocks that are not released and overlap a window, by start.
SELECT
    b.restaurant_id,
    b.block_id,
    b.table_ids,
    b.window_start,
    b.window_end,
    b.cause,
    b.note,
    b.released,
    b.actor,
    b.created_at
FROM blocks AS b
WHERE
    b.restaurant_id = $1
    AND NOT b.released
    AND b.window_end > $2
    AND b.window_start < $3
    AND ($4::timestamptz IS NULL OR (b.window_start, b.block_id) > ($4, $5::uuid))
ORDER BY b.window_start, b.block_id
LIMIT $6;

-- name: add_block
-- A new block.
INSERT INTO blocks (
    restaurant_id, block_id, table_ids, window_start, window_end, cause, note, released, actor, created_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: release_blocks
-- Marks blocks as given back.
UPDATE blocks SET released = true WHERE restaurant_id = $1 AND block_id = any($2::uuid []);
