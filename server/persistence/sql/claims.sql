-- name: claims
-- Claims that overlap a window, on the named tables or on all; $5 is an instant after which none but a block can end.
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
    AND c.kind <> 'block'
    AND upper(c.during) > $2
    AND upper(c.during) < $5
    AND ($4::uuid [] IS NULL OR c.table_id = any($4))
UNION ALL
SELECT
    c.table_id,
    lower(c.during),
    upper(c.during),
    c.kind,
    c.block_id,
    c.booking_id,
    c.expires_at
FROM table_claims AS c
WHERE
    c.restaurant_id = $1
    AND c.during && tstzrange($2, $3)
    AND c.kind = 'block'
    AND upper(c.during) > $2
    AND ($4::uuid [] IS NULL OR c.table_id = any($4))
ORDER BY table_id, window_start;

-- name: diary
-- All claims and all bookings waiting for tables that touch a span, with the version of the floor; claims also where they
-- touch the window of such a booking. $4 is an interval that no window is longer than. Bookings have no kind, and one
-- empty row says that there is nothing.
WITH waiting AS MATERIALIZED (
    SELECT
        b.booking_id,
        b.window_start,
        b.window_end,
        b.party_size,
        b.dining_start,
        b.duration_s,
        b.zone_id,
        b.required_attributes
    FROM bookings AS b
    WHERE
        b.restaurant_id = $1
        AND b.window_end > $2
        AND b.window_start < $3
        AND b.window_start > $2 - $4::interval
        AND b.status = any($5::text [])
        AND (
            b.assignment_id IS NULL
            OR b.assignment_epoch <> (
                SELECT a.assignment_epoch
                FROM assignments AS a
                WHERE a.restaurant_id = b.restaurant_id AND a.assignment_id = b.assignment_id
            )
        )
),

span AS MATERIALIZED (
    SELECT
        least($2, min(w.window_start)) AS starts,
        greatest($3, max(w.window_end)) AS ends
    FROM waiting AS w
),

entries AS (
    SELECT
        c.table_id,
        lower(c.during) AS window_start,
        upper(c.during) AS window_end,
        c.kind,
        coalesce(c.hold_id, c.assignment_id) AS owner_id,
        c.booking_id,
        c.expires_at,
        NULL::integer AS party_size,
        NULL::timestamptz AS dining_start,
        NULL::integer AS duration_s,
        NULL::uuid AS zone_id,
        NULL::text [] AS required_attributes
    FROM span AS s
    INNER JOIN table_claims AS c
        ON
            c.restaurant_id = $1
            AND upper(c.during) > s.starts
            AND upper(c.during) < s.ends + $4::interval
            AND lower(c.during) < s.ends
            AND c.kind <> 'block'
    UNION ALL
    SELECT
        c.table_id,
        lower(c.during),
        upper(c.during),
        c.kind,
        c.block_id,
        c.booking_id,
        c.expires_at,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL
    FROM span AS s
    INNER JOIN table_claims AS c
        ON c.restaurant_id = $1 AND upper(c.during) > s.starts AND lower(c.during) < s.ends AND c.kind = 'block'
    UNION ALL
    SELECT
        NULL,
        w.window_start,
        w.window_end,
        NULL,
        NULL,
        w.booking_id,
        NULL,
        w.party_size,
        w.dining_start,
        w.duration_s,
        w.zone_id,
        w.required_attributes
    FROM waiting AS w
)

SELECT
    r.floor_version,
    e.table_id,
    e.window_start,
    e.window_end,
    e.kind,
    e.owner_id,
    e.booking_id,
    e.expires_at,
    e.party_size,
    e.dining_start,
    e.duration_s,
    e.zone_id,
    e.required_attributes
FROM restaurants AS r
LEFT JOIN entries AS e ON true
WHERE r.restaurant_id = $1
ORDER BY e.table_id, e.window_start;

-- name: cut_claims
-- Ends the claims of an assignment earlier.
UPDATE table_claims
SET during = tstzrange(lower(during), $3)
WHERE restaurant_id = $1 AND assignment_id = $2;
