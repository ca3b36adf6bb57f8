-- name: claims
-- Claims that overlap a window, on the named tables or on all.
SELECT
    c.table_id,
    lower(c.during) AS window_start,
    upper(c.during) AS window_end,
    c.kind,
    coalesce(c.hold_id, c.assignment_id, c.block_id) AS owner_id,
    c.booking_id,
    c.expires_at
FROM table_claims AS c
WHERE
    c.restaurant_id = $1
    AND c.during && tstzrange($2, $3)
    AND upper(c.during) > $2
    AND ($4::uuid [] IS NULL OR c.table_id = any($4))
ORDER BY c.table_id, lower(c.during);

-- name: drop_claims
-- Gives up all claims of these holds, assignments and blocks.
DELETE FROM table_claims
WHERE
    restaurant_id = $1
    AND (hold_id = any($2::uuid []) OR assignment_id = any($2) OR block_id = any($2));

-- name: cut_claims
-- Ends the claims of an assignment earlier.
UPDATE table_claims
SET during = tstzrange(lower(during), $3)
WHERE restaurant_id = $1 AND assignment_id = $2;

-- name: set_claims_expiry
-- Moves the end of a hold's life on all its claims.
UPDATE table_claims SET expires_at = $3 WHERE restaurant_id = $1 AND hold_id = $2;

-- name: move_claims
-- A hold's claims become an assignment's: the same rows, of another kind.
UPDATE table_claims
SET kind = 'assignment', hold_id = NULL, assignment_id = $3, expires_at = NULL, enforced = true
WHERE restaurant_id = $1 AND hold_id = $2;

-- name: add_claims
-- New claims; the exclusion constraint refuses the statement when one of them overlaps another.
INSERT INTO table_claims (
    restaurant_id, table_id, during, kind, hold_id, assignment_id, block_id, booking_id, expires_at
)
SELECT
    $1,
    c.table_id,
    tstzrange(c.window_start, c.window_end),
    c.kind,
    CASE WHEN c.kind = 'hold' THEN c.owner_id END,
    CASE WHEN c.kind = 'assignment' THEN c.owner_id END,
    CASE WHEN c.kind = 'block' THEN c.owner_id END,
    c.booking_id,
    c.expires_at
FROM unnest(
    $2::uuid [], $3::timestamptz [], $4::timestamptz [], $5::text [], $6::uuid [], $7::uuid [], $8::timestamptz []
) AS c (table_id, window_start, window_end, kind, owner_id, booking_id, expires_at);
