"""What a caller leaves behind on a connection who is cancelled, or whose time is over, at the worst moment."""

import asyncio
import select
import time
from collections.abc import AsyncIterator

import pytest

from server.persistence import pool as pools
from server.persistence.pool import Pool, PoolSettings, borrowed, fetch_in_time, open_pool
from tests.support.gate import gate_to_postgres

TRIES = 60
TIMEOUT_S = 0.02


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Of one connection, which therefore is the one that the last caller had."""
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1))
    yield pool
    await pool.close()


async def described(pool: Pool, query: str, timeout_s: float | None = None) -> "asyncio.Task[None]":
    """Asks for something new. Returns when the description of the statement is there to be read, so that it is prepared
    by the time that the caller hears of whatever happens now, and nobody executes it.
    """
    had: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        async with borrowed(pool) as connection:
            transport = connection._con._transport  # type: ignore[attr-defined]
            had.set_result(transport.get_extra_info("socket").fileno())
            await connection.fetch(query, timeout=timeout_s)

    task = asyncio.create_task(ask())
    answers = await had
    while not select.select([answers], [], [], 0)[0]:  # noqa: ASYNC110 one turn of the loop counts
        await asyncio.sleep(0)
    return task


async def begins_its_own(pool: Pool) -> None:
    """Left open, a transaction would be the next one's, who could choose no isolation any more and would have another's
    clock."""
    async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read"):
        assert await connection.fetchval("SELECT 'mine'") == "mine"


async def test_who_is_cancelled_before_a_new_statement_is_executed_leaves_no_transaction(pool: Pool) -> None:
    for number in range(TRIES):
        task = await described(pool, f"SELECT {number} AS number")
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        await begins_its_own(pool)


async def test_whose_time_is_over_before_a_new_statement_is_executed_leaves_no_transaction(
    pool: Pool,
) -> None:
    for number in range(TRIES):
        task = await described(pool, f"SELECT {number} AS number", TIMEOUT_S)
        time.sleep(TIMEOUT_S)  # noqa: ASYNC251 the process is short of processor
        with pytest.raises(TimeoutError):
            await task
        await begins_its_own(pool)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_who_gives_up_on_a_database_that_says_nothing_hears_why_it_was(
    database_url: str, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    monkeypatch.setattr(pools, "END_TIMEOUT_S", TIMEOUT_S)
    async with gate_to_postgres(database_url) as (gate, through):
        pool = await open_pool(PoolSettings(through, size_min=1, size_max=1))
        await fetch_in_time(pool, 30.0, "SELECT 1")
        gate.stick()
        asking = asyncio.ensure_future(fetch_in_time(pool, 30.0 if cancelled else TIMEOUT_S, "SELECT 1"))
        if cancelled:
            asyncio.get_running_loop().call_later(TIMEOUT_S, asking.cancel)
        with pytest.raises(asyncio.CancelledError if cancelled else TimeoutError):
            await asking
        gate.loosen()
        assert [row["mine"] for row in await fetch_in_time(pool, 30.0, "SELECT 1 AS mine")] == [1]
        await pool.close()
