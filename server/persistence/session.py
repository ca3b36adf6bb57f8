"""A connection of a process's own, for what PostgreSQL ties to a session: locks that die with their holder."""

import asyncio
from typing import Any

import asyncpg

from server.persistence.failures import translating
from server.persistence.pool import DriverConnection, PoolSettings, connect
from server.persistence.queries import load_queries

OUTBOX = load_queries("outbox")
# The first halves of our two-part advisory locks.
WORKER_LOCKS = 0x6D61_7472
LEADER_LOCKS = 0x6D61_7473


class WorkerSession:
    """Who a worker is: a number that others can see to be alive, for exactly as long as this connection lives.

    A worker leases through this connection alone, so it never leases under a number that counts as dead. After a
    connection was lost the next call opens another, and the worker is known by another number.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._connection: DriverConnection | None = None
        self._worker_id = 0
        self._turn = asyncio.Lock()

    async def fetch_as_worker(self, query: str, token: object, *values: object) -> list[Any]:
        """Runs a statement whose first two values are the lease token and the worker's number."""
        async with self._turn, translating():
            connection = await self._identified()
            try:
                return await connection.fetch(query, token, self._worker_id, *values)
            except (asyncio.CancelledError, OSError, asyncpg.InterfaceError):
                # Whether the statement ran is unknown: its leases must not be taken for those of a living worker.
                connection.terminate()
                self._connection = None
                raise

    async def lead(self, role: int) -> bool:
        """Whether this session is the one that leads in a role. Leadership ends with the session."""
        async with self._turn, translating():
            connection = await self._identified()
            return bool(await connection.fetchval(OUTBOX["lead"], LEADER_LOCKS, role))

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close(timeout=1.0)

    async def _identified(self) -> DriverConnection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await connect(self._settings)
        row = await connection.fetchrow(OUTBOX["take_worker_id"], WORKER_LOCKS)
        assert row is not None, "a sequence always has a next number"
        assert row["locked"], "no two sessions draw the same number"
        self._connection, self._worker_id = connection, row["worker_id"]
        return connection
