-- Blocks that are over are looked for by their end, released or not. There are few, so that nobody waits for this index.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX blocks_by_end ON blocks (window_end);

-- How far back what is over is cleared away.
CREATE TABLE history_cleared (
    restaurant_id uuid PRIMARY KEY REFERENCES restaurants (restaurant_id),
    holds_until timestamptz NOT NULL DEFAULT '-infinity',
    audit_version bigint NOT NULL DEFAULT 0,
    audit_until timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON COLUMN history_cleared.holds_until IS
'Holds that were made until then are cleared away, but for those that became an assignment.';
COMMENT ON COLUMN history_cleared.audit_version IS
'Entries of floor versions up to this one may have been deleted, and of times up to audit_until; later ones have not.';

-- A hold that goes is looked for among the assignments of its booking, for which there is an index, and no longer among
-- all of the restaurant. Besides, an assignment can only come from a hold of its own booking. Validated by the next
-- migration, which keeps nobody waiting.
ALTER TABLE assignments ADD CONSTRAINT assignments_hold_own
FOREIGN KEY (restaurant_id, booking_id, hold_id)
REFERENCES holds (restaurant_id, booking_id, hold_id) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE assignments DROP CONSTRAINT assignments_restaurant_id_hold_id_fkey;
