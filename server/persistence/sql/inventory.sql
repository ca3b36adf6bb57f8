-- name: inventory
-- Policy, zones, tables and adjacency of a restaurant with their versions, as one consistent reading.
SELECT
    r.inventory_version,
    r.policy_version,
    p.policy,
    (
        SELECT coalesce(json_agg(json_build_object(
            'zone_id', z.zone_id, 'name', z.name, 'sort_order', z.sort_order
        )), '[]')
        FROM zones AS z
        WHERE z.restaurant_id = r.restaurant_id AND NOT z.removed
    ) AS zones,
    (
        SELECT coalesce(json_agg(json_build_object(
            'table_id', t.table_id, 'zone_id', t.zone_id, 'name', t.name, 'capacity', t.capacity,
            'min_party', t.min_party, 'max_party', t.max_party, 'movable', t.movable,
            'attributes', t.attributes, 'in_service', t.in_service
        )), '[]')
        FROM tables AS t
        WHERE t.restaurant_id = r.restaurant_id AND NOT t.removed
    ) AS tables,
    (
        SELECT coalesce(json_agg(json_build_array(a.table_a, a.table_b)), '[]')
        FROM table_adjacency AS a
        WHERE a.restaurant_id = r.restaurant_id
    ) AS adjacency
FROM restaurants AS r
LEFT JOIN service_policies AS p ON r.restaurant_id = p.restaurant_id AND r.policy_version = p.policy_version
WHERE r.restaurant_id = $1;

-- name: add_policy
-- A new version of the service policy; earlier versions stay for the record.
INSERT INTO service_policies (restaurant_id, policy_version, policy, actor)
VALUES ($1, $2, $3::text::jsonb, $4);

-- name: clear_adjacency
-- First step of replacing a floor.
DELETE FROM table_adjacency WHERE restaurant_id = $1;

-- name: remove_tables
-- Takes every table off the floor; those of the new floor come back with the next statements, under any names.
UPDATE tables SET removed = true WHERE restaurant_id = $1 AND NOT removed;

-- name: remove_zones
-- Takes every zone off the floor, likewise.
UPDATE zones SET removed = true WHERE restaurant_id = $1 AND NOT removed;

-- name: put_zones
-- The zones of the new floor.
INSERT INTO zones (restaurant_id, zone_id, name, sort_order, removed)
SELECT $1, z.zone_id, z.name, z.sort_order, false
FROM unnest($2::uuid [], $3::text [], $4::int []) AS z (zone_id, name, sort_order)
ON CONFLICT (restaurant_id, zone_id) DO UPDATE
SET name = excluded.name, sort_order = excluded.sort_order, removed = false;

-- name: put_tables
-- The tables of the new floor, as JSON objects.
INSERT INTO tables (
    restaurant_id, table_id, zone_id, name, capacity, min_party, max_party, movable, attributes, in_service, removed
)
SELECT
    $1, t.table_id, t.zone_id, t.name, t.capacity, t.min_party, t.max_party, t.movable, t.attributes, t.in_service,
    false
FROM jsonb_to_recordset($2::text::jsonb) AS t (
    table_id uuid, zone_id uuid, name text, capacity int, min_party int, max_party int, movable boolean,
    attributes text [], in_service boolean
)
ON CONFLICT (restaurant_id, table_id) DO UPDATE
SET
    zone_id = excluded.zone_id,
    name = excluded.name,
    capacity = excluded.capacity,
    min_party = excluded.min_party,
    max_party = excluded.max_party,
    movable = excluded.movable,
    attributes = excluded.attributes,
    in_service = excluded.in_service,
    removed = false;

-- name: put_adjacency
-- The adjacency of the new floor, every pair with the smaller id first.
INSERT INTO table_adjacency (restaurant_id, table_a, table_b)
SELECT $1, e.table_a, e.table_b
FROM unnest($2::uuid [], $3::uuid []) AS e (table_a, table_b);
