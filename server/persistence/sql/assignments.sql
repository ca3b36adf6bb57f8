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
ORDER BY a.created_at DESC, a.assignment_id DESC
LIMIT 1;

-- name: assignments_page
-- Active and completed assignments that overlap a window, by start.
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
    AND ($4::timestamptz IS NULL OR (a.window_start, a.assignment_id) > ($4, $5::uuid))
ORDER BY a.window_start, a.assignment_id
LIMIT $6;

-- name: add_assignments
-- New assignments, as JSON objects.
INSERT INTO assignments (
    restaurant_id, assignment_id, booking_id, table_ids, window_start, window_end, state, assignment_epoch,
    party_size, hold_id, actor, created_at, overrides
)
SELECT
    $1, a.assignment_id, a.booking_id, a.table_ids, a.window_start, a.window_end, a.state, a.assignment_epoch,
    a.party_size, a.hold_id, a.actor, a.created_at, a.overrides
FROM jsonb_to_recordset($2::text::jsonb) AS a (
    assignment_id uuid, booking_id uuid, table_ids uuid [], window_start timestamptz, window_end timestamptz,
    state text, assignment_epoch bigint, party_size int, hold_id uuid, actor text, created_at timestamptz,
    overrides text []
);

-- name: add_merge_groups
-- The merge groups of new assignments of more than one table.
INSERT INTO merge_groups (restaurant_id, merge_group_id, assignment_id)
SELECT $1, m.merge_group_id, m.assignment_id
FROM unnest($2::uuid [], $3::uuid []) AS m (merge_group_id, assignment_id);

-- name: set_assignment_states
-- What became of assignments.
UPDATE assignments AS a
SET state = s.state
FROM unnest($2::uuid [], $3::text []) AS s (assignment_id, state)
WHERE a.restaurant_id = $1 AND a.assignment_id = s.assignment_id;

-- name: cut_assignment
-- Ends an assignment's window earlier.
UPDATE assignments SET window_end = $3 WHERE restaurant_id = $1 AND assignment_id = $2;
