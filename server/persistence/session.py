"""A connection of a process's own, for what PostgreSQL ties to a session: locks that die with their holder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from server.persistence.failures import translating, unavailable
from server.persistence.pool import DriverConnection, PoolSettings, close_connection, connect
from server.persistence.queries import load_queries

LEASES = load_queries("leases")
# The first halves of our two-part advisory locks.
WORKER_LOCKS = 0x6D61_7472
LEADER_LOCKS = 0x6D61_7473
CLOSE_TIMEOUT_S = 1.0


@asynccontextmanager
async def answered_in_time() -> AsyncIterator[None]:
    """What the driver raises becomes the house's own, the end of a wait for the database included."""
    try:
        async with translating():
            yield
    except TimeoutError:
        raise unavailable() from None


class WorkerSession:
    """Who a worker is: a number that others can see to be alive, for exactly as long as this connection lives.

    A worker leases through this connection alone, so it never leases under a number that counts as dead. After a
    connection was lost the next call opens another, and the worker is known by another number.

    A call that has no answer after `timeout_s` seconds gives the connection up: the database may have gone silently.
    """

    def __init__(self, settings: PoolSettings, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._connection: DriverConnection | None = None
        self._worker_id = 0
        self._turn = asyncio.Lock()
        self._leading: set[int] = set()

    async def fetch_as_worker(self, query: str, token: object, *values: object) -> list[Any]:
        """Runs a statement whose first two values are the lease token and the worker's number."""
        return await self._fetch(query, lambda worker_id: (token, worker_id, *values))

    async def lead(self, role: int) -> bool:
        """Whether this session is the one that leads in a role. Leadership ends with the session."""
        (row,) = await self._fetch(LEASES["lead"], lambda _: (LEADER_LOCKS, role))
        (self._leading.add if row["leads"] else self._leading.discard)(role)
        return bool(row["leads"])

    def leads(self, role: int) -> bool:
        """Whether it led when it was asked last, if its connection has not gone since."""
        connection = self._connection
        return role in self._leading and connection is not None and not connection.is_closed()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close_connection(connection, CLOSE_TIMEOUT_S)

    async def _fetch(self, query: str, values: Callable[[int], tuple[object, ...]]) -> list[Any]:
        async with answered_in_time(), asyncio.timeout(self._timeout_s), self._turn:
            connection = await self._identified()
            try:
                return await connection.fetch(query, *values(self._worker_id))
            except (asyncio.CancelledError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                # Whether the statement ran is unknown: its leases must not be taken for those of a living worker.
                connection.terminate()
                self._connection = None
                raise

    async def _identified(self) -> DriverConnection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await connect(self._settings)
        try:
            row = await connection.fetchrow(LEASES["take_worker_id"], WORKER_LOCKS)
            assert row is not None, "a sequence always has a next number"
            assert row["locked"], "no two sessions draw the same number"
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._worker_id = connection, row["worker_id"]
        self._leading.clear()
        return connection
