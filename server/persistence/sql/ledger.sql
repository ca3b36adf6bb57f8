-- name: open_request
-- Sets the transaction's limits and claims the request until it ends; false while another transaction has it.
SELECT
    set_config('statement_timeout', $1::text, true) AS statement_timeout,
    set_config('lock_timeout', $2::text, true) AS lock_timeout,
    pg_try_advisory_xact_lock(hashtextextended($3::text, 0)) AS claimed;

-- name: recall
-- The recorded answer of a request.
SELECT
    l.request_hash,
    l.field_digests,
    l.refused,
    l.answer,
    l.created_at
FROM idempotency_ledger AS l
WHERE l.tenant_id = $1 AND l.method = $2 AND l.request_id = $3;

-- name: record
-- Records answers, as JSON objects, in the transaction that makes them true.
INSERT INTO idempotency_ledger (
    tenant_id, method, request_id, request_hash, field_digests, refused, answer, expires_at
)
SELECT
    l.tenant_id, l.method, l.request_id, l.request_hash, l.field_digests, l.refused, l.answer,
    now() + make_interval(secs => $2::float8)
FROM jsonb_to_recordset($1::text::jsonb) AS l (
    tenant_id uuid, method text, request_id uuid, request_hash bytea, field_digests jsonb, refused boolean, answer jsonb
);

-- name: in_progress
-- Whether a transaction holds the lock of a request; an advisory lock on 64 bits shows as two halves.
SELECT EXISTS (
    SELECT FROM pg_locks AS p, hashtextextended($1::text, 0) AS h (key)
    WHERE
        p.locktype = 'advisory'
        AND p.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND p.classid = ((h.key >> 32) & 4294967295)::oid
        AND p.objid = (h.key & 4294967295)::oid
        AND p.objsubid = 1
        AND p.granted
) AS in_progress;
