-- name: copy_restaurants
-- New restaurants of the same tenant that are what restaurant $1 is, with zones and tables of their own.
WITH copies AS MATERIALIZED (
    SELECT c.restaurant_id
    FROM unnest($2::uuid []) AS c (restaurant_id)
),

restaurants_added AS (
    INSERT INTO restaurants (
        restaurant_id, tenant_id, name, time_zone, revision, policy_version, inventory_version
    )
    SELECT
        c.restaurant_id,
        r.tenant_id,
        r.name,
        r.time_zone,
        r.revision,
        r.policy_version,
        r.inventory_version
    FROM copies AS c, restaurants AS r
    WHERE r.restaurant_id = $1
),

streams_added AS (
    INSERT INTO outbox_streams (restaurant_id) SELECT c.restaurant_id FROM copies AS c
),

policies_added AS (
    INSERT INTO service_policies (restaurant_id, policy_version, policy, actor)
    SELECT
        c.restaurant_id,
        p.policy_version,
        p.policy,
        p.actor
    FROM copies AS c, service_policies AS p
    WHERE p.restaurant_id = $1
),

zones_added AS (
    INSERT INTO zones (restaurant_id, zone_id, name, sort_order)
    SELECT
        c.restaurant_id,
        md5(concat(c.restaurant_id, z.zone_id))::uuid,
        z.name,
        z.sort_order
    FROM copies AS c, zones AS z
    WHERE z.restaurant_id = $1
),

tables_added AS (
    INSERT INTO tables (restaurant_id, table_id, zone_id, name, capacity, min_party, max_party, movable)
    SELECT
        c.restaurant_id,
        md5(concat(c.restaurant_id, t.table_id))::uuid,
        md5(concat(c.restaurant_id, t.zone_id))::uuid,
        t.name,
        t.capacity,
        t.min_party,
        t.max_party,
        t.movable
    FROM copies AS c, tables AS t
    WHERE t.restaurant_id = $1
)

INSERT INTO table_adjacency (restaurant_id, table_a, table_b)
SELECT
    e.restaurant_id,
    least(e.one, e.other),
    greatest(e.one, e.other)
FROM (
    SELECT
        c.restaurant_id,
        md5(concat(c.restaurant_id, a.table_a))::uuid AS one,
        md5(concat(c.restaurant_id, a.table_b))::uuid AS other
    FROM copies AS c, table_adjacency AS a
    WHERE a.restaurant_id = $1
) AS e;

-- name: add_seats
-- Bookings of restaurants $1 that nobody has given tables to yet, each with a table and a time that are its alone:
-- numbers $2 to $3 of each restaurant, on every second table, six seatings of two hours a day from $4 on.
WITH places AS (
    SELECT
        t.restaurant_id,
        t.table_id,
        row_number() OVER (PARTITION BY t.restaurant_id ORDER BY t.table_id) - 1 AS place,
        count(*) OVER (PARTITION BY t.restaurant_id) AS places
    FROM tables AS t
    WHERE t.restaurant_id = any($1::uuid [])
),

halves AS (
    SELECT
        p.restaurant_id,
        p.table_id,
        p.place / 2 AS place,
        p.places / 2 AS places
    FROM places AS p
    WHERE p.place % 2 = 1
),

seats AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.table_id,
        n.seat,
        gen_random_uuid() AS booking_id,
        $4::timestamptz
        + make_interval(days => (n.seat / h.places / 6)::integer, hours => 2 * (n.seat / h.places % 6)::integer)
            AS window_start
    FROM generate_series($2::bigint, $3::bigint) AS n (seat)
    INNER JOIN halves AS h ON n.seat % h.places = h.place
),

booked AS (
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        revision, assignment_epoch, created_at, updated_at
    )
    SELECT
        s.restaurant_id,
        s.booking_id,
        'pending',
        2,
        s.window_start,
        s.window_start + interval '2 hours',
        s.window_start,
        s.window_start + interval '2 hours',
        'day',
        1,
        1,
        now(),
        now()
    FROM seats AS s
),

noted AS (
    INSERT INTO booking_history (restaurant_id, booking_id, revision, to_status, actor, reason, changed_at)
    SELECT
        s.restaurant_id,
        s.booking_id,
        1,
        'pending',
        'bench',
        '',
        now()
    FROM seats AS s
)

SELECT
    s.restaurant_id,
    s.table_id,
    s.booking_id,
    s.window_start
FROM seats AS s
ORDER BY s.seat, s.restaurant_id;

-- name: begin_filling
-- Rows that refer to each other are written together, whole, so nothing has to be looked up for each.
SET LOCAL session_replication_role = replica;

-- name: fill_tables
-- Confirmed bookings with their claims: $2 of each of restaurants $1, on the tables that seats are not on, six
-- seatings of two hours a day from $3 on.
WITH places AS (
    SELECT
        t.restaurant_id,
        t.table_id,
        row_number() OVER (PARTITION BY t.restaurant_id ORDER BY t.table_id) - 1 AS place,
        count(*) OVER (PARTITION BY t.restaurant_id) AS places
    FROM tables AS t
    WHERE t.restaurant_id = any($1::uuid [])
),

halves AS (
    SELECT
        p.restaurant_id,
        p.table_id,
        p.place / 2 AS place,
        (p.places + 1) / 2 AS places
    FROM places AS p
    WHERE p.place % 2 = 0
),

taken AS MATERIALIZED (
    SELECT
        h.restaurant_id,
        h.table_id,
        gen_random_uuid() AS booking_id,
        gen_random_uuid() AS assignment_id,
        $3::timestamptz
        + make_interval(days => (n.seat / h.places / 6)::integer, hours => 2 * (n.seat / h.places % 6)::integer)
            AS window_start
    FROM generate_series(0::bigint, $2::bigint - 1) AS n (seat)
    INNER JOIN halves AS h ON n.seat % h.places = h.place
),

booked AS (
    INSERT INTO bookings (
        restaurant_id, booking_id, status, party_size, dining_start, dining_end, window_start, window_end, period,
        revision, assignment_epoch, assignment_id, created_at, updated_at
    )
    SELECT
        t.restaurant_id,
        t.booking_id,
        'confirmed',
        2,
        t.window_start,
        t.window_start + interval '2 hours',
        t.window_start,
        t.window_start + interval '2 hours',
        'day',
        2,
        1,
        t.assignment_id,
        now(),
        now()
    FROM taken AS t
),

noted AS (
    INSERT INTO booking_history (
        restaurant_id, booking_id, revision, from_status, to_status, actor, reason, changed_at
    )
    SELECT
        t.restaurant_id,
        t.booking_id,
        c.revision,
        c.from_status,
        c.to_status,
        'bench',
        '',
        now()
    FROM taken AS t
    CROSS JOIN (VALUES (1, NULL, 'pending'), (2, 'pending', 'confirmed')) AS c (revision, from_status, to_status)
),

assigned AS (
    INSERT INTO assignments (
        restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, assignment_epoch, party_size,
        actor, created_at
    )
    SELECT
        t.restaurant_id,
        t.assignment_id,
        t.booking_id,
        ARRAY[t.table_id],
        t.window_start,
        t.window_start + interval '2 hours',
        1,
        2,
        'bench',
        now()
    FROM taken AS t
)

INSERT INTO table_claims (restaurant_id, table_id, during, kind, assignment_id, booking_id)
SELECT
    t.restaurant_id,
    t.table_id,
    tstzrange(t.window_start, t.window_start + interval '2 hours'),
    'assignment',
    t.assignment_id,
    t.booking_id
FROM taken AS t;

-- name: claims_live
-- How many claims there are.
SELECT count(*) AS claims FROM table_claims;

-- name: settle
-- Takes up what autovacuum would do in the middle of a measurement.
VACUUM (ANALYZE) restaurants, tables, bookings, booking_history, holds, assignments, table_claims, capacity_outbox,
audit_log, idempotency_ledger;
