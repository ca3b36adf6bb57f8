"""What a caller leaves behind on a connection who is cancelled at the worst moment."""

import asyncio
import select
from collections.abc import AsyncIterator

import pytest

from server.persistence.pool import Pool, PoolSettings, borrowed, open_pool

TRIES = 60


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Of one connection, which therefore is the one that the last caller had."""
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1))
    yield pool
    await pool.close()


async def cancelled_when_described(pool: Pool, query: str) -> None:
    """Asks for something new. The caller is cancelled when the description of the statement is there to be read, so
    that it is prepared by the time that the caller hears of it, and nobody executes it.
    """
    had: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        async with borrowed(pool) as connection:
            transport = connection._con._transport  # type: ignore[attr-defined]
            had.set_result(transport.get_extra_info("socket").fileno())
            await connection.fetch(query)

    task = asyncio.create_task(ask())
    described = await had
    while not select.select([described], [], [], 0)[0]:  # noqa: ASYNC110 one turn of the loop counts
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_before_a_new_statement_is_executed_leaves_no_transaction(pool: Pool) -> None:
    """It would be the next one's, who could choose no isolation any more and would have another's clock."""
    for number in range(TRIES):
        await cancelled_when_described(pool, f"SELECT {number} AS number")
        async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read"):
            assert await connection.fetchval("SELECT 'mine'") == "mine"
