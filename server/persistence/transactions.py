"""Transactions: those that change something begin with plans that suit small lookups."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from server.lifecycle import unheard
from server.persistence.failures import DRIVER_ERRORS
from server.persistence.pool import END_TIMEOUT_S, AnyConnection, Connection, Pool, cut, end_with
from server.persistence.queries import load_queries

TRANSACTIONS = load_queries("transactions")
# One message, and before the first statement of the transaction, because that one is planned as well.
_BEGIN = "; ".join((TRANSACTIONS["begin"], TRANSACTIONS["plan_for_lookups"]))
_TAKE_ROOM = "; ".join((TRANSACTIONS["own_disk"], TRANSACTIONS["take_room"]))


@asynccontextmanager
async def changing(pool: Pool) -> AsyncIterator[Connection]:
    """Such a transaction on a connection of its own, committed when the block ends and gone when it fails."""
    connection = await pool.acquire()
    try:
        # Who is cancelled here may have begun already.
        await begin(connection)
        yield connection
        # What is cancelled before it has begun leaves the transaction open.
        await commit(connection)
    except BaseException:
        # A call that runs out of time is cancelled twice: by its caller's side and by ours.
        await asyncio.shield(_undone(pool, connection))
        raise
    await pool.release(connection)


async def _undone(pool: Pool, connection: Connection) -> None:
    """Given back with nothing left open, whoever still waits for it: the pool would log an error.

    What counts is why it was given up.
    """
    with suppress(OSError, *DRIVER_ERRORS):
        try:
            if not await rollback(connection):
                await pool.expire_connections()
        finally:
            await pool.release(connection)


@asynccontextmanager
async def one_view(connection: AnyConnection) -> AsyncIterator[None]:
    """What commits meanwhile is not seen: everything that is asked inside is of the same instant.

    Nothing can be changed, so it is undone in the end: `rollback` waits for no database that says nothing, and leaves
    no transaction open whoever is cancelled meanwhile.
    """
    try:
        await connection.execute(TRANSACTIONS["begin_view"])
        yield
    finally:
        await rollback(connection)


async def begin(connection: Connection) -> None:
    await connection.execute(_BEGIN)


async def commit(connection: Connection) -> None:
    """Whoever gives up waiting never stops it: PostgreSQL would take a commit that waits for a synchronous standby for
    done, and everybody would see what a failover loses. It is left to end by itself, for a while with its connection.
    """
    committing = asyncio.create_task(connection.execute(TRANSACTIONS["commit"]))
    try:
        await asyncio.shield(committing)
    except asyncio.CancelledError:
        committing.add_done_callback(unheard)
        try:
            await asyncio.wait((committing,), timeout=END_TIMEOUT_S)
        finally:
            if not committing.done():
                cut(connection)
        raise


async def rollback(connection: AnyConnection) -> bool:
    """Closes the connection instead where that takes too long or fails. Whether the connection is still there."""
    return await end_with(connection, TRANSACTIONS["rollback"])


async def require_room(pool: Pool) -> None:
    """Raises `asyncpg.DiskFullError` while the database's disk is full; not where temporary tables are forbidden."""
    with suppress(asyncpg.InsufficientPrivilegeError):
        async with changing(pool) as connection:
            await connection.execute(_TAKE_ROOM)


def limits_ms(statement_s: float, lock_s: float) -> tuple[str, str]:
    """How long a statement may take, and wait for a lock, as values of a transaction's first statement."""
    # Zero would be no limit at all.
    return str(max(1, int(statement_s * 1_000))), str(max(1, int(min(lock_s, statement_s) * 1_000)))
