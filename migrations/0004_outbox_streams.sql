-- The relay's memory: one row per restaurant says how far its events are delivered and who delivers them now.
-- A lease covers a restaurant's events and not single rows, so that their order needs no further proof.

CREATE TABLE outbox_streams (
    restaurant_id uuid PRIMARY KEY REFERENCES restaurants (restaurant_id),
    settled_version bigint NOT NULL DEFAULT 0,
    settled_position integer NOT NULL DEFAULT 0,
    lease_number bigint NOT NULL DEFAULT 0,
    lease_token uuid,
    leased_by integer,
    leased_until timestamptz,
    orphanings integer NOT NULL DEFAULT 0,
    careful integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT '-infinity',
    blocked_by uuid,
    CONSTRAINT outbox_streams_lease_whole CHECK (
        (lease_token IS NULL) = (leased_by IS NULL) AND (lease_token IS NULL) = (leased_until IS NULL)
    )
) WITH (fillfactor = 50);
COMMENT ON COLUMN outbox_streams.settled_version IS
'Every event up to (settled_version, settled_position) is done, dead or waiting to be delivered out of turn.';
COMMENT ON COLUMN outbox_streams.orphanings IS
'Leases in a row that ended without an answer about the first event that is not settled.';
COMMENT ON COLUMN outbox_streams.careful IS
'Events that are leased one by one, because a lease that covered them ended without an answer.';
COMMENT ON COLUMN outbox_streams.blocked_by IS
'The dead event behind which the restaurant''s events wait, where the policy is to wait.';
CREATE INDEX outbox_streams_leased ON outbox_streams (leased_until) WHERE lease_token IS NOT NULL;

INSERT INTO outbox_streams (restaurant_id) SELECT r.restaurant_id FROM restaurants AS r;

-- Identifies a worker by an advisory lock that dies with its session.
CREATE SEQUENCE outbox_worker_ids AS integer CYCLE;

ALTER TABLE capacity_outbox ADD COLUMN last_error text;
ALTER TABLE capacity_outbox ADD COLUMN redriven_at timestamptz;
