-- name: booking
-- One booking with the epoch that its present tables were given for.
SELECT
    b.restaurant_id,
    b.booking_id,
    b.status,
    b.party_size,
    b.dining_start,
    b.dining_end,
    b.window_start,
    b.window_end,
    b.period,
    b.duration_s,
    b.zone_id,
    b.required_attributes,
    b.preferred_attributes,
    b.preferred_zone_ids,
    b.reference,
    b.revision,
    b.assignment_epoch,
    b.assignment_id,
    a.assignment_epoch AS assigned_epoch,
    b.checked_in_at,
    b.checked_out_at,
    b.created_at,
    b.updated_at,
    to_jsonb(j) AS auto_assign_job
FROM bookings AS b
LEFT JOIN assignments AS a ON b.restaurant_id = a.restaurant_id AND b.assignment_id = a.assignment_id
LEFT JOIN auto_assign_jobs AS j ON b.restaurant_id = j.restaurant_id AND b.booking_id = j.booking_id
WHERE b.restaurant_id = $1 AND b.booking_id = $2;

-- name: bookings_page
-- Bookings that overlap a window, of some statuses or all, by start, continuing after a start and id. $8 is an interval
-- that no booking's window is longer than.
SELECT
    b.restaurant_id,
    b.booking_id,
    b.status,
    b.party_size,
    b.dining_start,
    b.dining_end,
    b.window_start,
    b.window_end,
    b.period,
    b.duration_s,
    b.zone_id,
    b.required_attributes,
    b.preferred_attributes,
    b.preferred_zone_ids,
    b.reference,
    b.revision,
    b.assignment_epoch,
    b.assignment_id,
    a.assignment_epoch AS assigned_epoch,
    b.checked_in_at,
    b.checked_out_at,
    b.created_at,
    b.updated_at,
    to_jsonb(j) AS auto_assign_job
FROM bookings AS b
LEFT JOIN assignments AS a ON b.restaurant_id = a.restaurant_id AND b.assignment_id = a.assignment_id
LEFT JOIN auto_assign_jobs AS j ON b.restaurant_id = j.restaurant_id AND b.booking_id = j.booking_id
WHERE
    b.restaurant_id = $1
    AND b.window_end > $2
    AND b.window_start < $3
    AND b.window_start > $2 - $8::interval
    AND (cardinality($4::text []) = 0 OR b.status = any($4))
    AND (b.window_start, b.booking_id) > (coalesce($5::timestamptz, '-infinity'), $6::uuid)
ORDER BY b.window_start, b.booking_id
LIMIT $7;

-- name: history
-- A booking's changes, newest first.
SELECT
    h.revision,
    h.from_status,
    h.to_status,
    h.actor,
    h.reason,
    h.changed_at
FROM booking_history AS h
WHERE h.restaurant_id = $1 AND h.booking_id = $2
ORDER BY h.revision DESC
LIMIT $3;
