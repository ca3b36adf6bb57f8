-- name: open_request
-- Sets the transaction's time limits and claims the request until it ends; false while another transaction has it.
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
-- Records an answer in the transaction that makes it true.
INSERT INTO idempotency_ledger (
    tenant_id, method, request_id, request_hash, field_digests, refused, answer, expires_at
)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7::text::jsonb, now() + make_interval(secs => $8::float8));

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
