-- name: notify
-- Sends everybody who listens these payloads; run outside of transactions that write, because it takes a lock of the
-- whole database. It commits without waiting for the disk, so the lock is short; a crash ends every listener's
-- connection anyway.
SELECT
    set_config('synchronous_commit', 'off', true) AS synchronous_commit,
    pg_notify($1, p.payload)
FROM unnest($2::text []) AS p (payload);

-- name: database_identity
-- Which history of which database this is: cluster, timeline, and the database within it.
SELECT
    concat_ws(
        '.',
        to_hex((SELECT c.system_identifier FROM pg_control_system() AS c)),
        left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        d.oid
    ) AS identity
FROM pg_database AS d
WHERE d.datname = current_database();
