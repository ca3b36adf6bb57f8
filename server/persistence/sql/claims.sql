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

-- name: cut_claims
-- Ends the claims of an assignment earlier.
UPDATE table_claims
SET during = tstzrange(lower(during), $3)
WHERE restaurant_id = $1 AND assignment_id = $2;

-- name: set_claims_expiry
-- Moves the end of a hold's life on all its claims.
UPDATE table_claims SET expires_at = $3 WHERE restaurant_id = $1 AND hold_id = $2;
