-- name: note
-- Who did what that changed nothing on the floor, and why.
INSERT INTO audit_log (
    restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
)
VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7, $8, $9::text::jsonb);

-- name: audit_page
-- What was done in a restaurant, to one resource or any, newest first, continuing after an entry.
SELECT
    l.audit_id,
    l.floor_version,
    l.occurred_at,
    l.actor,
    l.action,
    l.resource,
    l.resource_id,
    l.reason,
    l.details
FROM audit_log AS l
WHERE
    l.restaurant_id = $1
    AND ($2::uuid IS NULL OR l.resource_id = $2)
    AND ($3::timestamptz IS NULL OR l.occurred_at >= $3)
    AND ($4::timestamptz IS NULL OR l.occurred_at < $4)
    AND ($5::bigint IS NULL OR l.audit_id < $5)
ORDER BY l.audit_id DESC
LIMIT $6;
