-- Bookkeeping of the schema's migrations. The lock's number is arbitrary, and only has to stay the same.

-- name: create_ledger
-- Makes the table that remembers which migrations this database has.
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    version integer NOT NULL PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL,
    duration_ms bigint NOT NULL
);

-- name: ledger_exists
-- Whether any migration has ever been applied to this database.
SELECT to_regclass('public.schema_migrations') IS NOT NULL AS ledger_exists;

-- name: list_applied
-- Every applied migration in order.
SELECT version, name, checksum
FROM public.schema_migrations
ORDER BY version;

-- name: record_applied
-- Remembers that a migration was applied, in the transaction that applied it if it has one.
INSERT INTO public.schema_migrations (version, name, checksum, applied_at, duration_ms)
VALUES ($1, $2, $3, clock_timestamp(), $4);

-- name: try_lock
-- Takes the migration lock for this session if nobody has it, without waiting.
SELECT pg_try_advisory_lock(7235812604417251309) AS locked;

-- name: lock_holder
-- The session that holds the migration lock, as far as we may see it.
SELECT locks.pid, activity.application_name, activity.client_addr::text AS client_addr
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE
    locks.locktype = 'advisory'
    AND locks.granted
    AND locks.objsubid = 1
    AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND (locks.classid::bigint << 32) | locks.objid::bigint = 7235812604417251309;

-- name: choose_exclusion_form
-- Tells the migrations of this session which form of the exclusion constraint to make.
SELECT set_config('maitred.exclusion_form', $1, false) AS exclusion_form;

-- name: limit_waits
-- Bounds how long a statement of this session waits for a lock, and how long it runs, in milliseconds.
SELECT
    set_config('lock_timeout', $1, false) AS lock_timeout,
    set_config('statement_timeout', $2, false) AS statement_timeout;

-- name: restaurants_exist
-- Whether there is anything that could be changed meanwhile: the first migration makes it.
SELECT to_regclass('restaurants') IS NOT NULL AS restaurants_exist;

-- name: keep_changes_out
-- Waits for the changes that are under way, and lets none begin before this transaction ends: each locks its restaurant
-- before it touches other tables. Whoever only reads goes on.
LOCK TABLE restaurants IN EXCLUSIVE MODE;

-- name: drop_index_statement
-- The statement that drops an index while others use its table; its name cannot be a parameter.
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %s', $1::text::regclass) AS statement;

-- name: list_invalid_indexes
-- Indexes that a concurrent build began and never finished; they cost writes and serve no reads.
SELECT indexes.indexrelid::regclass::text AS index_name
FROM pg_catalog.pg_index AS indexes
JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
JOIN pg_catalog.pg_namespace AS namespaces ON namespaces.oid = relations.relnamespace
WHERE NOT indexes.indisvalid AND namespaces.nspname NOT IN ('pg_catalog', 'pg_toast')
ORDER BY index_name;
