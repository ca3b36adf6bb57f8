"""How transactions begin that change something: with limits, and with plans that suit small lookups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.persistence.pool import Connection

# One message, and before the first statement, because that one is planned by these settings as well. Statements look up
# a handful of rows by their keys. Plans are kept while tables grow: one that was made for a small table must not read
# all of it once it is large.
_BEGIN = """\
BEGIN;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL statement_timeout = {statement_timeout_ms:d};
SET LOCAL lock_timeout = {lock_timeout_ms:d};
"""


async def begin_changing(connection: Connection, statement_timeout_s: float, lock_timeout_s: float) -> None:
    """Opens a transaction whose statements take no longer than that each, and wait for a lock no longer than for a
    statement.
    """
    lock_timeout_s = min(lock_timeout_s, statement_timeout_s)
    begin = _BEGIN.format(
        # Zero would be no limit at all.
        statement_timeout_ms=max(1, int(statement_timeout_s * 1_000)),
        lock_timeout_ms=max(1, int(lock_timeout_s * 1_000)),
    )
    await connection.execute(begin)


@asynccontextmanager
async def changing(
    connection: Connection, statement_timeout_s: float, lock_timeout_s: float
) -> AsyncIterator[None]:
    """Such a transaction, committed when the block ends and gone when it fails."""
    await begin_changing(connection, statement_timeout_s, lock_timeout_s)
    try:
        yield
    except BaseException:
        await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
