-- The schema. Every table carries restaurant_id first in its keys, so that a row of another restaurant cannot be
-- referenced and the whole can be distributed by restaurant. Instants are timestamptz; windows are half-open ranges.

CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE restaurants (
    restaurant_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (tenant_id),
    name text NOT NULL,
    time_zone text NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    policy_version bigint NOT NULL DEFAULT 0,
    inventory_version bigint NOT NULL DEFAULT 0,
    floor_version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN restaurants.floor_version IS
'Rises with each committed change, under this row''s lock: commit order is version order.';
CREATE INDEX restaurants_by_tenant ON restaurants (tenant_id, name, restaurant_id);

CREATE TABLE service_policies (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    policy_version bigint NOT NULL,
    policy jsonb NOT NULL,
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (restaurant_id, policy_version)
);

CREATE TABLE zones (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    zone_id uuid NOT NULL,
    name text NOT NULL,
    sort_order integer NOT NULL DEFAULT 0,
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (restaurant_id, zone_id)
);
CREATE UNIQUE INDEX zones_name_unique ON zones (restaurant_id, lower(name)) WHERE NOT removed;

CREATE TABLE tables (
    restaurant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    zone_id uuid NOT NULL,
    name text NOT NULL,
    capacity integer NOT NULL,
    min_party integer NOT NULL,
    max_party integer NOT NULL,
    movable boolean NOT NULL,
    attributes text [] NOT NULL DEFAULT '{}',
    in_service boolean NOT NULL DEFAULT true,
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (restaurant_id, table_id),
    FOREIGN KEY (restaurant_id, zone_id) REFERENCES zones (restaurant_id, zone_id),
    CONSTRAINT tables_capacity_positive CHECK (capacity > 0),
    CONSTRAINT tables_party_range CHECK (min_party >= 1 AND max_party >= min_party)
);
COMMENT ON COLUMN tables.removed IS 'Taken off the floor; the row stays for the claims and history that name it.';
CREATE UNIQUE INDEX tables_name_unique ON tables (restaurant_id, lower(name)) WHERE NOT removed;

CREATE TABLE table_adjacency (
    restaurant_id uuid NOT NULL,
    table_a uuid NOT NULL,
    table_b uuid NOT NULL,
    PRIMARY KEY (restaurant_id, table_a, table_b),
    FOREIGN KEY (restaurant_id, table_a) REFERENCES tables (restaurant_id, table_id),
    FOREIGN KEY (restaurant_id, table_b) REFERENCES tables (restaurant_id, table_id),
    CONSTRAINT table_adjacency_undirected CHECK (table_a < table_b)
);

CREATE TABLE bookings (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    booking_id uuid NOT NULL,
    status text NOT NULL,
    party_size integer NOT NULL,
    dining_start timestamptz NOT NULL,
    dining_end timestamptz NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    period text NOT NULL,
    duration_s integer,
    zone_id uuid,
    required_attributes text [] NOT NULL DEFAULT '{}',
    preferred_attributes text [] NOT NULL DEFAULT '{}',
    reference text NOT NULL DEFAULT '',
    revision bigint NOT NULL,
    assignment_epoch bigint NOT NULL,
    assignment_id uuid,
    -- Set exactly while the booking must have tables; the foreign key below then demands that they are active.
    assignment_state_needed text GENERATED ALWAYS AS (
        CASE WHEN status IN ('confirmed', 'checked_in') THEN 'active' END
    ) STORED,
    checked_in_at timestamptz,
    checked_out_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (restaurant_id, booking_id),
    FOREIGN KEY (restaurant_id, zone_id) REFERENCES zones (restaurant_id, zone_id),
    CONSTRAINT bookings_status_known CHECK (
        status IN ('pending', 'pending_allocation', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show')
    ),
    CONSTRAINT bookings_party_positive CHECK (party_size > 0),
    CONSTRAINT bookings_window_order CHECK (
        window_start <= dining_start AND dining_start < dining_end AND dining_end <= window_end
    ),
    CONSTRAINT bookings_confirmed_has_tables CHECK (
        status NOT IN ('confirmed', 'checked_in') OR assignment_id IS NOT NULL
    ),
    CONSTRAINT bookings_lifecycle CHECK (
        CASE status
            WHEN 'checked_in' THEN checked_in_at IS NOT NULL AND checked_out_at IS NULL
            WHEN 'completed' THEN checked_in_at IS NOT NULL AND checked_out_at >= checked_in_at
            WHEN 'cancelled' THEN true
            ELSE checked_in_at IS NULL AND checked_out_at IS NULL
        END
    )
);
CREATE INDEX bookings_by_window ON bookings (restaurant_id, window_start, booking_id);

CREATE TABLE booking_history (
    restaurant_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    revision bigint NOT NULL,
    from_status text,
    to_status text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (restaurant_id, booking_id, revision),
    FOREIGN KEY (restaurant_id, booking_id) REFERENCES bookings (restaurant_id, booking_id)
);

CREATE TABLE holds (
    restaurant_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    table_ids uuid [] NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'active',
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    actor text NOT NULL,
    policy_version bigint NOT NULL,
    inventory_version bigint NOT NULL,
    assignment_epoch bigint NOT NULL,
    PRIMARY KEY (restaurant_id, hold_id),
    UNIQUE (restaurant_id, booking_id, hold_id),
    FOREIGN KEY (restaurant_id, booking_id) REFERENCES bookings (restaurant_id, booking_id),
    CONSTRAINT holds_state_known CHECK (state IN ('active', 'confirmed', 'released', 'expired')),
    CONSTRAINT holds_have_tables CHECK (cardinality(table_ids) > 0),
    CONSTRAINT holds_window_order CHECK (window_start < window_end),
    CONSTRAINT holds_expire_after_creation CHECK (expires_at > created_at)
);
CREATE INDEX holds_active_by_booking ON holds (restaurant_id, booking_id) WHERE state = 'active';
CREATE INDEX holds_active_by_expiry ON holds (expires_at) WHERE state = 'active';
CREATE INDEX holds_by_creation ON holds (restaurant_id, created_at, hold_id);

CREATE TABLE assignments (
    restaurant_id uuid NOT NULL,
    assignment_id uuid NOT NULL,
    booking_id uuid NOT NULL,
    table_ids uuid [] NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'active',
    assignment_epoch bigint NOT NULL,
    party_size integer NOT NULL,
    hold_id uuid,
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (restaurant_id, assignment_id),
    UNIQUE (restaurant_id, booking_id, assignment_id),
    UNIQUE (restaurant_id, booking_id, assignment_id, state),
    FOREIGN KEY (restaurant_id, booking_id) REFERENCES bookings (restaurant_id, booking_id),
    FOREIGN KEY (restaurant_id, hold_id) REFERENCES holds (restaurant_id, hold_id),
    CONSTRAINT assignments_state_known CHECK (state IN ('active', 'completed', 'released')),
    CONSTRAINT assignments_have_tables CHECK (cardinality(table_ids) > 0),
    CONSTRAINT assignments_window_order CHECK (window_start < window_end)
);
CREATE UNIQUE INDEX assignments_one_active ON assignments (restaurant_id, booking_id) WHERE state = 'active';
CREATE INDEX assignments_by_booking ON assignments (restaurant_id, booking_id, created_at);
CREATE INDEX assignments_by_window ON assignments (restaurant_id, window_start, assignment_id);

-- A booking's assignment is its own, and active for as long as the booking must have tables.
ALTER TABLE bookings ADD CONSTRAINT bookings_assignment_own
FOREIGN KEY (restaurant_id, booking_id, assignment_id)
REFERENCES assignments (restaurant_id, booking_id, assignment_id);
ALTER TABLE bookings ADD CONSTRAINT bookings_assignment_active
FOREIGN KEY (restaurant_id, booking_id, assignment_id, assignment_state_needed)
REFERENCES assignments (restaurant_id, booking_id, assignment_id, state)
DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE merge_groups (
    restaurant_id uuid NOT NULL,
    merge_group_id uuid NOT NULL,
    assignment_id uuid NOT NULL,
    PRIMARY KEY (restaurant_id, merge_group_id),
    UNIQUE (restaurant_id, assignment_id),
    FOREIGN KEY (restaurant_id, assignment_id) REFERENCES assignments (restaurant_id, assignment_id)
);

CREATE TABLE blocks (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    block_id uuid NOT NULL,
    table_ids uuid [] NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    cause text NOT NULL,
    note text NOT NULL,
    released boolean NOT NULL DEFAULT false,
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (restaurant_id, block_id),
    CONSTRAINT blocks_cause_known CHECK (cause IN ('maintenance', 'private_event', 'other')),
    CONSTRAINT blocks_have_tables CHECK (cardinality(table_ids) > 0),
    CONSTRAINT blocks_window_order CHECK (window_start < window_end)
);
CREATE INDEX blocks_by_window ON blocks (restaurant_id, window_start, block_id) WHERE NOT released;

-- The one truth about occupancy: every hold, assignment and block is here, one row per table and window.
CREATE TABLE table_claims (
    restaurant_id uuid NOT NULL,
    claim_id uuid NOT NULL DEFAULT gen_random_uuid(),
    table_id uuid NOT NULL,
    during tstzrange NOT NULL,
    kind text NOT NULL,
    hold_id uuid,
    assignment_id uuid,
    block_id uuid,
    booking_id uuid,
    expires_at timestamptz,
    enforced boolean NOT NULL DEFAULT true,
    PRIMARY KEY (restaurant_id, claim_id),
    FOREIGN KEY (restaurant_id, table_id) REFERENCES tables (restaurant_id, table_id),
    FOREIGN KEY (restaurant_id, booking_id, hold_id) REFERENCES holds (restaurant_id, booking_id, hold_id),
    FOREIGN KEY (restaurant_id, booking_id, assignment_id)
    REFERENCES assignments (restaurant_id, booking_id, assignment_id),
    FOREIGN KEY (restaurant_id, block_id) REFERENCES blocks (restaurant_id, block_id),
    CONSTRAINT table_claims_one_owner CHECK (
        CASE kind
            WHEN 'hold' THEN
                hold_id IS NOT NULL AND assignment_id IS NULL AND block_id IS NULL
                AND booking_id IS NOT NULL AND expires_at IS NOT NULL
            WHEN 'assignment' THEN
                assignment_id IS NOT NULL AND hold_id IS NULL AND block_id IS NULL
                AND booking_id IS NOT NULL AND expires_at IS NULL
            WHEN 'block' THEN
                block_id IS NOT NULL AND hold_id IS NULL AND assignment_id IS NULL
                AND booking_id IS NULL AND expires_at IS NULL
            ELSE false
        END
    ),
    CONSTRAINT table_claims_only_holds_unenforced CHECK (enforced OR kind = 'hold'),
    CONSTRAINT table_claims_bounded CHECK (
        NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during)
        AND NOT lower_inf(during) AND NOT upper_inf(during)
    )
);
CREATE INDEX table_claims_by_end ON table_claims (restaurant_id, upper(during));
CREATE INDEX table_claims_by_hold ON table_claims (restaurant_id, hold_id) WHERE hold_id IS NOT NULL;
CREATE INDEX table_claims_by_assignment ON table_claims (restaurant_id, assignment_id) WHERE assignment_id IS NOT NULL;
CREATE INDEX table_claims_by_block ON table_claims (restaurant_id, block_id) WHERE block_id IS NOT NULL;

-- Two forms of the same guarantee under the same name: plain equality where btree_gist is available, otherwise
-- one-element ranges, for which PostgreSQL brings the operator classes itself.
DO $$
DECLARE
    form text := coalesce(nullif(current_setting('maitred.exclusion_form', true), ''), 'auto');
BEGIN
    IF form = 'auto' THEN
        form := CASE
            WHEN EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') THEN 'btree_gist'
            ELSE 'core'
        END;
    END IF;
    IF form = 'btree_gist' THEN
        CREATE EXTENSION IF NOT EXISTS btree_gist;
        ALTER TABLE table_claims ADD CONSTRAINT table_claims_no_overlap
        EXCLUDE USING gist (restaurant_id WITH =, table_id WITH =, during WITH &&) WHERE (enforced);
    ELSIF form = 'core' THEN
        CREATE TYPE uuidrange AS RANGE (SUBTYPE = uuid);
        ALTER TABLE table_claims ADD CONSTRAINT table_claims_no_overlap
        EXCLUDE USING gist (
            uuidrange(restaurant_id, restaurant_id, '[]') WITH &&,
            uuidrange(table_id, table_id, '[]') WITH &&,
            during WITH &&
        ) WHERE (enforced);
    ELSE
        RAISE EXCEPTION 'unknown exclusion form %', form USING ERRCODE = '22023';
    END IF;
END
$$;

-- An active assignment has exactly one claim per table, each for its whole window. Checked when the transaction commits,
-- because an assignment and its claims are written by different statements.
CREATE FUNCTION assert_assignment_whole(checked_restaurant_id uuid, checked_assignment_id uuid)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM assignments AS a
        WHERE a.restaurant_id = checked_restaurant_id
            AND a.assignment_id = checked_assignment_id
            AND a.state = 'active'
            AND (
                SELECT array_agg(c.table_id ORDER BY c.table_id)
                FROM table_claims AS c
                WHERE c.restaurant_id = a.restaurant_id
                    AND c.assignment_id = a.assignment_id
                    AND c.during = tstzrange(a.window_start, a.window_end)
            ) IS DISTINCT FROM a.table_ids
    ) THEN
        RAISE EXCEPTION 'active assignment % does not claim its tables for its window', checked_assignment_id
            USING ERRCODE = '23514', CONSTRAINT = 'assignments_claims_whole';
    END IF;
END
$$;

CREATE FUNCTION assert_written_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM assert_assignment_whole(NEW.restaurant_id, NEW.assignment_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION assert_unclaimed_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM assert_assignment_whole(OLD.restaurant_id, OLD.assignment_id);
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER assignments_claims_whole
AFTER INSERT OR UPDATE ON assignments
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION assert_written_assignment();

CREATE CONSTRAINT TRIGGER table_claims_assignment_whole
AFTER UPDATE OR DELETE ON table_claims
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.assignment_id IS NOT NULL)
EXECUTE FUNCTION assert_unclaimed_assignment();

CREATE TABLE idempotency_ledger (
    tenant_id uuid NOT NULL,
    method text NOT NULL,
    request_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    field_digests jsonb NOT NULL,
    refused boolean NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, method, request_id)
);
CREATE INDEX idempotency_ledger_by_expiry ON idempotency_ledger (expires_at);

CREATE TABLE audit_log (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    floor_version bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    reason text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (restaurant_id, audit_id)
);
CREATE INDEX audit_log_by_resource ON audit_log (restaurant_id, resource_id, audit_id);

CREATE TABLE capacity_outbox (
    restaurant_id uuid NOT NULL REFERENCES restaurants (restaurant_id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL,
    floor_version bigint NOT NULL,
    position integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    event_type text NOT NULL,
    dedupe_key text NOT NULL,
    attempt_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    booking_id uuid,
    idempotency_key text NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (restaurant_id, id),
    CONSTRAINT capacity_outbox_status_known CHECK (status IN ('pending', 'processing', 'done', 'dead')),
    CONSTRAINT capacity_outbox_order UNIQUE (restaurant_id, floor_version, position),
    CONSTRAINT capacity_outbox_once UNIQUE (tenant_id, event_type, dedupe_key)
);
COMMENT ON COLUMN capacity_outbox.position IS 'Order among the events of one floor version.';
