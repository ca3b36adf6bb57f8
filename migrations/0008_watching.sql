-- How far back a restaurant's events can be told again: the cleaner raises this mark in the statement that deletes them.

ALTER TABLE outbox_streams ADD COLUMN compacted_version bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN outbox_streams.compacted_version IS
'Events of floor versions up to this one may have been deleted; those of later ones have not.';
