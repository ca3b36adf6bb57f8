-- name: standings
-- Restaurants with the database's clock, for tenants and restaurants in pairs; a tenant that has no such restaurant gets
-- no row.
SELECT
    r.restaurant_id,
    r.tenant_id,
    r.name,
    r.time_zone,
    r.revision,
    r.policy_version,
    r.inventory_version,
    r.floor_version,
    clock_timestamp() AS now
FROM unnest($1::uuid [], $2::uuid []) AS w (tenant_id, restaurant_id)
INNER JOIN restaurants AS r ON w.tenant_id = r.tenant_id AND w.restaurant_id = r.restaurant_id;

-- name: lock_restaurant
-- A tenant's restaurant, locked against other writers until the transaction ends; the clock is read after the lock was
-- granted.
WITH locked AS MATERIALIZED (
    SELECT
        r.restaurant_id,
        r.tenant_id,
        r.name,
        r.time_zone,
        r.revision,
        r.policy_version,
        r.inventory_version,
        r.floor_version
    FROM restaurants AS r
    WHERE r.tenant_id = $1 AND r.restaurant_id = $2
    FOR NO KEY UPDATE
)

SELECT
    l.restaurant_id,
    l.tenant_id,
    l.name,
    l.time_zone,
    l.revision,
    l.policy_version,
    l.inventory_version,
    l.floor_version,
    clock_timestamp() AS now
FROM locked AS l;

-- name: restaurants_page
-- A tenant's restaurants by name, continuing after a name and id.
SELECT
    r.restaurant_id,
    r.tenant_id,
    r.name,
    r.time_zone,
    r.revision,
    r.policy_version,
    r.inventory_version,
    r.floor_version
FROM restaurants AS r
WHERE r.tenant_id = $1 AND ($2::text IS NULL OR (r.name, r.restaurant_id) > ($2, $3::uuid))
ORDER BY r.name, r.restaurant_id
LIMIT $4;

-- name: add_tenant
-- Registers a tenant the first time it creates something.
INSERT INTO tenants (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING;

-- name: add_restaurant
-- Creates a restaurant unless its id is taken.
INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone)
VALUES ($1, $2, $3, $4)
ON CONFLICT (restaurant_id) DO NOTHING
RETURNING restaurant_id;

-- name: update_restaurant
-- Writes the versions of a locked restaurant and what its caller can change.
UPDATE restaurants
SET name = $2, time_zone = $3, revision = $4, policy_version = $5, inventory_version = $6
WHERE restaurant_id = $1;

-- name: ping
-- Whether the database, which has been migrated, takes changes: a replica does not. And whether a commit of ours has
-- waited for a synchronous standby for more than $1 seconds.
SELECT
    current_setting('transaction_read_only') = 'off' AS takes_changes,
    EXISTS (
        SELECT FROM pg_stat_activity AS a
        WHERE
            a.datname = current_database()
            AND a.wait_event = 'SyncRep'
            AND a.state_change < clock_timestamp() - make_interval(secs => $1::float8)
    ) AS lacks_standby
FROM (SELECT count(*) FROM (SELECT FROM restaurants LIMIT 1) AS r) AS c;
