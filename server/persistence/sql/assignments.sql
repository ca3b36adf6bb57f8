-- name: assignment
-- One assignment with its merge group.
SELECT
    a.restaurant_id,
    a.assignment_id,
    a.booking_id,
    a.table_ids,
    a.window_start,
    a.window_end,
    a.state,
    a.assignment_epoch,
    a.party_size,
    a.actor,
    a.created_at,
    m.merge_group_id,
    a.hold_id,
    a.overrides
FROM assignments AS a
LEFT JOIN merge_groups AS m ON a.restaurant_id = m.restaurant_id AND a.assignment_id = m.assignment_id
WHERE a.restaurant_id = $1 AND a.assignment_id = $2;

-- name: last_assignment_of
-- The newest assignment of a booking, whatever its state.
SELECT
    a.restaurant_id,
    a.assignment_id,
    a.booking_id,
    a.table_ids,
    a.window_start,
    a.window_end,
    a.state,
    a.assignment_epoch,
    a.party_size,
    a.actor,
    a.created_at,
    m.merge_group_id,
    a.hold_id,
    a.overrides
FROM assignments AS a
LEFT JOIN merge_groups AS m ON a.restaurant_id = m.restaurant_id AND a.assignment_id = m.assignment_id
WHERE a.restaurant_id = $1 AND a.booking_id = $2
ORDER BY a.assignment_epoch DESC, a.created_at DESC, a.assignment_id DESC
LIMIT 1;

-- name: assignments_page
-- Active and completed assignments that overlap a window, by start. $7 is an interval that no window is longer than.
SELECT
    a.restaurant_id,
    a.assignment_id,
    a.booking_id,
    a.table_ids,
    a.window_start,
    a.window_end,
    a.state,
    a.assignment_epoch,
    a.party_size,
    a.actor,
    a.created_at,
    m.merge_group_id,
    a.hold_id,
    a.overrides
FROM assignments AS a
LEFT JOIN merge_groups AS m ON a.restaurant_id = m.restaurant_id AND a.assignment_id = m.assignment_id
WHERE
    a.restaurant_id = $1
    AND a.state IN ('active', 'completed')
    AND a.window_end > $2
    AND a.window_start < $3
    AND a.window_start > $2 - $7::interval
    AND (a.window_start, a.assignment_id) > (coalesce($4::timestamptz, '-infinity'), $5::uuid)
ORDER BY a.window_start, a.assignment_id
LIMIT $6;

-- name: cut_assignment
-- Ends an assignment's window earlier.
UPDATE assignments SET window_end = $3 WHERE restaurant_id = $1 AND assignment_id = $2;
