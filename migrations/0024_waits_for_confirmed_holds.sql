-- Whoever waits for a table that is held waits for what becomes of the hold, too: once it is confirmed, it ends as an
-- assignment. Those who wait are tried once more, since that may have happened meanwhile.
UPDATE auto_assign_jobs
SET
    cured_by = cured_by || '{capacity.assignment.released}'::text [],
    next_attempt_at = clock_timestamp()
WHERE
    state = 'waiting'
    AND 'capacity.hold.released' = any(cured_by)
    AND NOT 'capacity.assignment.released' = any(cured_by);
