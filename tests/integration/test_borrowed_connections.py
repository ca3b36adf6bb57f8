"""What a caller leaves behind on a connection who is cancelled at the worst moment."""

import asyncio
import select
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from server.persistence.pool import Connection, Pool, PoolSettings, borrowed, open_pool
from server.persistence.transactions import changing

TRIES = 60


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Of one connection, which therefore is the one that the last caller had."""
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1))
    yield pool
    await pool.close()


def socket_of(connection: Connection) -> int:
    transport = connection._con._transport  # type: ignore[attr-defined]
    return int(transport.get_extra_info("socket").fileno())


async def cancelled_when_answered(ask: Callable[["asyncio.Future[int]"], Coroutine[Any, Any, None]]) -> None:
    """Whoever asks says through which socket. It is cancelled when the first answer is there to be read."""
    had: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(ask(had))
    answered = await had
    while not select.select([answered], [], [], 0)[0]:  # noqa: ASYNC110 one turn of the loop counts
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_when_described(pool: Pool, query: str) -> None:
    """Asks for something new. The first answer describes the statement, so that it is prepared by the time that the
    caller hears of it, and nobody executes it.
    """

    async def ask(had: "asyncio.Future[int]") -> None:
        async with borrowed(pool) as connection:
            had.set_result(socket_of(connection))
            await connection.fetch(query)

    await cancelled_when_answered(ask)


async def cancelled_when_begun(pool: Pool) -> None:
    """Begins a transaction, and has not heard yet that it has begun."""

    async def ask(had: "asyncio.Future[int]") -> None:
        async with pool.acquire() as connection:
            had.set_result(socket_of(connection))
            async with changing(connection):
                await asyncio.Event().wait()

    await cancelled_when_answered(ask)


async def test_who_is_cancelled_before_a_new_statement_is_executed_leaves_no_transaction(pool: Pool) -> None:
    """It would be the next one's, who could choose no isolation any more and would have another's clock."""
    for number in range(TRIES):
        await cancelled_when_described(pool, f"SELECT {number} AS number")
        async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read"):
            assert await connection.fetchval("SELECT 'mine'") == "mine"


async def test_who_is_cancelled_while_a_transaction_begins_ends_it(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the pool would, with an error in the log."""
    for _ in range(TRIES):
        await cancelled_when_begun(pool)
    assert [record.message for record in caplog.records] == []
