-- name: begin
-- Opens a transaction.
BEGIN;

-- name: begin_view
-- Opens a transaction that changes nothing and sees one instant.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- name: plan_for_lookups
-- Has the statements of this transaction planned for what they are: lookups of a handful of rows by their keys. Plans
-- are kept while tables grow: one that was made for a small table must not read all of it once it is large.
SELECT
    set_config('plan_cache_mode', 'force_generic_plan', true) AS plan_cache_mode,
    set_config('enable_seqscan', 'off', true) AS enable_seqscan,
    set_config('enable_hashjoin', 'off', true) AS enable_hashjoin,
    set_config('enable_mergejoin', 'off', true) AS enable_mergejoin;

-- name: commit
-- Makes all of the transaction last.
COMMIT;

-- name: rollback
-- Undoes all of the transaction.
ROLLBACK;

-- name: end_implicit
-- Ends the transaction that a statement without an end has opened by itself.
SELECT 1 AS nothing;

-- name: own_disk
-- Has temporary tables of this transaction lie where the database's own tables do.
SELECT set_config('temp_tablespaces', '', true) AS temp_tablespaces;

-- name: take_room
-- Takes room on the disk until the transaction ends: a change needs as much once its tables have none left.
CREATE TEMPORARY TABLE room ON COMMIT DROP AS SELECT 1 AS nothing;
