-- name: switches
-- Every switch and how it stands.
SELECT
    s.name,
    s.value,
    s.actor,
    s.reason,
    s.changed_at
FROM switches AS s
ORDER BY s.name;

-- name: turn
-- Puts a switch into a position, and says who did it and why; one that stands there already is left as it is.
UPDATE switches SET value = $2, actor = $3, reason = $4, changed_at = clock_timestamp()
WHERE name = $1 AND value <> $2;
