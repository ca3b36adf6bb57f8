-- name: note
-- Who did what that changed nothing on the floor, and why.
INSERT INTO audit_log (
    restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource, resource_id, reason, details
)
VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7, $8, $9::text::jsonb);

-- name: audit_page
-- What was done in a restaurant, to one resource or any, since an instant or ever, newest first, continuing before an
-- instant and number.
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
    AND l.occurred_at >= coalesce($3::timestamptz, '-infinity')
    AND (l.occurred_at, l.audit_id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::bigint, 0))
ORDER BY l.occurred_at DESC, l.audit_id DESC
LIMIT $6;
