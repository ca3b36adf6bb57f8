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
    l.answer
FROM idempotency_ledger AS l
WHERE l.tenant_id = $1 AND l.method = $2 AND l.request_id = $3;

-- name: record
-- Records an answer in the transaction that makes it true.
INSERT INTO idempotency_ledger (
    tenant_id, method, request_id, request_hash, field_digests, refused, answer, expires_at
)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7::text::jsonb, now() + make_interval(secs => $8::float8));
