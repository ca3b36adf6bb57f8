-- Automatic assignment in the background: what was ordered for a booking, when it is tried next, and what came of it.

CREATE TABLE auto_assign_jobs (
    restaurant_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    state text NOT NULL,
    run_number bigint NOT NULL DEFAULT 1,
    attempt_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    cutoff_s integer,
    actor text NOT NULL,
    queued_at timestamptz NOT NULL,
    seen_version bigint NOT NULL DEFAULT 0,
    cured_by text [] NOT NULL DEFAULT '{}',
    trigger text,
    outcome text,
    reason text,
    decided_at timestamptz,
    PRIMARY KEY (restaurant_id, booking_id),
    FOREIGN KEY (restaurant_id, booking_id) REFERENCES bookings (restaurant_id, booking_id),
    CONSTRAINT auto_assign_jobs_state_known CHECK (state IN ('queued', 'waiting', 'ended')),
    CONSTRAINT auto_assign_jobs_trigger_known CHECK (trigger IN ('inline', 'background')),
    CONSTRAINT auto_assign_jobs_outcome_known CHECK (
        outcome IN ('completed_in_time', 'already_assigned', 'refused', 'gave_up', 'not_needed')
    ),
    CONSTRAINT auto_assign_jobs_tried_until_ended CHECK ((state = 'ended') = (next_attempt_at IS NULL)),
    CONSTRAINT auto_assign_jobs_decided_whole CHECK (
        (outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (trigger IS NULL)
    )
);
COMMENT ON COLUMN auto_assign_jobs.run_number IS
'Rises whenever a worker takes the job and whenever it is ordered anew: who has an older one has lost it.';
COMMENT ON COLUMN auto_assign_jobs.seen_version IS
'The floor version that the last try knew of; events after it may wake the job.';
COMMENT ON COLUMN auto_assign_jobs.cured_by IS
'The types of events after which a waiting job is worth another try.';
CREATE INDEX auto_assign_jobs_due ON auto_assign_jobs (next_attempt_at) WHERE state <> 'ended';
CREATE INDEX auto_assign_jobs_waiting ON auto_assign_jobs (restaurant_id) WHERE state = 'waiting';
