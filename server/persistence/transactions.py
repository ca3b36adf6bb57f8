"""Transactions that change something: they begin with plans that suit small lookups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.persistence.pool import Connection
from server.persistence.queries import load_queries

TRANSACTIONS = load_queries("transactions")
# One message, and before the first statement of the transaction, because that one is planned as well.
_BEGIN = "; ".join((TRANSACTIONS["begin"], TRANSACTIONS["plan_for_lookups"]))


@asynccontextmanager
async def changing(connection: Connection) -> AsyncIterator[None]:
    """Such a transaction, committed when the block ends and gone when it fails."""
    try:
        # Who is cancelled here may have begun already.
        await begin(connection)
        yield
    except BaseException:
        await rollback(connection)
        raise
    await commit(connection)


async def begin(connection: Connection) -> None:
    await connection.execute(_BEGIN)


async def commit(connection: Connection) -> None:
    await connection.execute(TRANSACTIONS["commit"])


async def rollback(connection: Connection) -> None:
    await connection.execute(TRANSACTIONS["rollback"])


def limits_ms(statement_s: float, lock_s: float) -> tuple[str, str]:
    """How long a statement may take, and wait for a lock, as values of a transaction's first statement."""
    # Zero would be no limit at all.
    return str(max(1, int(statement_s * 1_000))), str(max(1, int(min(lock_s, statement_s) * 1_000)))
