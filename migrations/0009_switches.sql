-- What the operators of a deployment turn on and off while everything runs. One row per switch, there from the beginning.

CREATE TABLE switches (
    name text PRIMARY KEY,
    value text NOT NULL,
    actor text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT switches_known CHECK (
        (name, value) IN (
            ('relay', 'running'), ('relay', 'paused'), ('direct_telemetry', 'off'), ('direct_telemetry', 'on')
        )
    )
);
COMMENT ON TABLE switches IS
'relay: whether workers lease events. direct_telemetry: whether changes write their telemetry events themselves.';

INSERT INTO switches (name, value) VALUES ('relay', 'running'), ('direct_telemetry', 'off');
