"""Connections to PostgreSQL, with every time limit set: nothing waits for ever on a cut cable or a lost lock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from server.persistence.failures import (
    CONNECT_ERRORS,
    DRIVER_ERRORS,
    deadline_exceeded,
    translating,
    unreachable,
)
from server.persistence.hosts import connect_to
from server.persistence.known_types import KnowingConnection
from server.persistence.queries import load_queries

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
AnyConnection: TypeAlias = "Connection | DriverConnection"

LEFT_OPEN = load_queries("transactions")
# To end what was asked of a connection. One that takes longer is closed instead.
END_TIMEOUT_S = 5.0
# A process may be short of processor for a while in the middle of a transaction, however little time its callers have.
IDLE_S_MIN = 5.0


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """`statement_cache_size` of 0 says that a transaction pooler such as PgBouncer stands in between."""

    url: str
    size_min: int = 2
    size_max: int = 16
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 30.0
    statement_cache_size: int = 256
    application_name: str = "maitred"

    @property
    def pooled(self) -> bool:
        """A pooler's server connections are shared, and it refuses settings that it does not track."""
        return self.statement_cache_size == 0

    def of_the_server(self) -> dict[str, str]:
        """What the server is told when a connection opens."""
        identity = {"application_name": self.application_name, "timezone": "UTC"}
        limits = {
            # Whoever has waited for a lock would only hear that its view is too old, had a transaction one view.
            "default_transaction_isolation": "read committed",
            "statement_timeout": str(int(self.statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(int(max(self.statement_timeout_s, IDLE_S_MIN) * 1000)),
            # Who listens, and who keeps leases, is idle for as long as nothing happens.
            "idle_session_timeout": "0",
            "tcp_user_timeout": "10000",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            "client_connection_check_interval": "5000",
            # Nested loops over a handful of rows gain nothing from compiled plans, and pay for them at first use.
            "jit": "off",
        }
        return identity if self.pooled else identity | limits


class PooledConnection(KnowingConnection):
    """One that the pool can close by itself. It does so once it has expired: without a limit, in a task that nobody
    waits for.
    """

    async def close(self, *, timeout: float | None = None) -> None:
        with suppress(OSError, *DRIVER_ERRORS):
            await super().close(timeout=END_TIMEOUT_S if timeout is None else timeout)


async def open_pool(
    settings: PoolSettings, connection_class: type[DriverConnection] = PooledConnection
) -> Pool:
    """A pool whose connections need no reset between uses: every setting and lock of ours ends with its transaction.

    It forgets all of them once one turns out to lead to a replica: an address can move on from there while connections
    stay. Raises `UnreachableError`.
    """

    async def leave_replica(connection: DriverConnection) -> None:
        # PostgreSQL says so by itself, also when it changes; a pooler does not.
        if getattr(connection.get_settings(), "in_hot_standby", "off") == "on":
            await pool.expire_connections()

    try:
        pool: Pool = asyncpg.create_pool(
            settings.url,
            min_size=settings.size_min,
            max_size=settings.size_max,
            timeout=settings.connect_timeout_s,
            statement_cache_size=settings.statement_cache_size,
            server_settings=settings.of_the_server(),
            connection_class=connection_class,
            connect=cast(Any, connect_to),
            reset=leave_replica,
        )
        return await pool
    except CONNECT_ERRORS as error:
        raise unreachable(error) from None


async def close_pool(pool: Pool) -> None:
    """Closes every connection. One to a database that says nothing any more is not waited for, and one that is lost
    meanwhile is closed.
    """
    with suppress(OSError, *DRIVER_ERRORS):
        async with asyncio.timeout(END_TIMEOUT_S):
            await pool.close()


async def close_connection(connection: DriverConnection, timeout_s: float | None = None) -> None:
    """The same for one outside any pool, in another time where one is given."""
    with suppress(OSError, *DRIVER_ERRORS):
        async with asyncio.timeout(END_TIMEOUT_S if timeout_s is None else timeout_s):
            await connection.close()


class InTime:
    """Each call waits `timeout_s` seconds for a connection, and as long for its statement, whatever the database does,
    then raises `TimeoutError`. Raises `ServiceError` when the database is away.
    """

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def _fetch(self, query: str, *values: object) -> list[Any]:
        """The rows of one statement on a connection of its own."""
        try:
            async with translating(), borrowed(self._pool, self._timeout_s) as connection:
                return await connection.fetch(query, *values, timeout=self._timeout_s)
        except TimeoutError:
            raise TimeoutError(f"the database did not answer within {self._timeout_s:g} s") from None


@asynccontextmanager
async def borrowed(pool: Pool, timeout_s: float | None = None) -> AsyncIterator[Connection]:
    """A connection that is given back in order even when whoever has it is cancelled, or its time is over.

    A new statement is prepared without a Sync, which only its execution brings. Who gives up in between leaves an
    implicit transaction open that the driver does not know of, and the next to begin one would begin inside of it, at
    its time and with its snapshot. A simple query ends it. `changing` needs none of this: it rolls back with one.
    """
    async with pool.acquire(timeout=timeout_s) as connection:
        try:
            yield connection
        except (asyncio.CancelledError, TimeoutError):
            if not await end_with(connection, LEFT_OPEN["end_implicit"]):
                # Whoever would ask over the others might wait for as long, so each is opened anew before it is used.
                await pool.expire_connections()
            raise


async def end_with(connection: AnyConnection, statement: str) -> bool:
    """Ends the transaction that may be open, known to the driver or not; where that is not done in time, the
    connection, and the transaction with it. Whether the connection is still there.

    Early releases of Python 3.11 tell a task that was cancelled already of a time that is over as of one more
    cancellation.
    """
    try:
        await connection.execute(statement, timeout=END_TIMEOUT_S)
    except (OSError, TimeoutError, asyncio.CancelledError, *DRIVER_ERRORS) as problem:
        cut(connection)
        if isinstance(problem, asyncio.CancelledError):
            raise
        return False
    return True


def cut(connection: AnyConnection) -> None:
    """Closes it at once. The driver may have done so already, and has taken it back then: what counts is why the caller
    gave up.
    """
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


@asynccontextmanager
async def connection_in_time(pool: Pool, timeout_s: float) -> AsyncIterator[Connection]:
    """A connection for a caller who waits: DEADLINE_EXCEEDED when it and what is asked take longer than that."""
    try:
        async with translating(), asyncio.timeout(timeout_s), borrowed(pool) as connection:
            yield connection
    except TimeoutError:
        raise deadline_exceeded() from None


async def connect(settings: PoolSettings) -> DriverConnection:
    """A connection outside any pool, with the same limits."""
    connection: DriverConnection = await connect_to(
        settings.url,
        timeout=settings.connect_timeout_s,
        statement_cache_size=settings.statement_cache_size,
        server_settings=settings.of_the_server(),
        connection_class=KnowingConnection,
    )
    return connection
