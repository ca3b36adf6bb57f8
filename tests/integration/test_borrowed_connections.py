"""What a caller leaves behind on a connection who is cancelled, or whose time is over, at the worst moment."""

import asyncio
import gc
import select
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from socket import SHUT_WR
from typing import Any, TypeAlias

import asyncpg
import pytest

from server.persistence import pool as pools
from server.persistence import transactions
from server.persistence.pool import (
    Connection,
    InTime,
    Pool,
    PoolSettings,
    borrowed,
    close_connection,
    close_pool,
    connect,
    open_pool,
)
from server.persistence.transactions import changing, one_view
from tests.support.gate import Gate, gate_to_postgres

# When an answer is read, and who hears of it first, is known of this loop turn by turn.
pytestmark = pytest.mark.plain_loop

TRIES = 60
TIMEOUT_S = 0.02
PATIENCE_S = 60.0

# Where whoever asks says through which socket.
Socket: TypeAlias = "asyncio.Future[int]"
Task: TypeAlias = "asyncio.Task[None]"
Transaction: TypeAlias = Callable[[Pool], AbstractAsyncContextManager[Connection]]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """One connection, so that the next to borrow it comes right after."""
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1))
    yield pool
    await pool.close()


def socket_of(connection: Connection) -> int:
    transport = connection._con._transport  # type: ignore[attr-defined]
    return int(transport.get_extra_info("socket").fileno())


async def answered(ask: Callable[[Socket], Coroutine[Any, Any, None]]) -> Task:
    """Returns when the first answer is there to be read, and whoever asks has not heard of it yet."""
    had: Socket = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(ask(had))
    socket = await had
    while not select.select([socket], [], [], 0)[0]:  # noqa: ASYNC110 one turn of the loop counts
        await asyncio.sleep(0)
    return task


async def described(pool: Pool, query: str, timeout_s: float | None = None) -> Task:
    """Asks for something new. The first answer describes the statement, so that it is prepared by the time that the
    caller hears of whatever happens now, and nobody executes it.
    """

    async def ask(had: Socket) -> None:
        async with borrowed(pool) as connection:
            had.set_result(socket_of(connection))
            await connection.fetch(query, timeout=timeout_s)

    return await answered(ask)


async def begun(pool: Pool) -> Task:
    """Begins a transaction, and has not heard yet that it has begun."""

    async def ask(had: Socket) -> None:
        async with pool.acquire() as connection:
            socket = socket_of(connection)
        had.set_result(socket)
        async with changing(pool):
            await asyncio.Event().wait()

    return await answered(ask)


@asynccontextmanager
async def view_on(pool: Pool) -> AsyncIterator[Connection]:
    """As floors are viewed."""
    async with borrowed(pool) as connection, one_view(connection):
        yield connection


each_transaction = pytest.mark.parametrize("transaction", [changing, view_on], ids=["changing", "one view"])


async def cancel(task: Task) -> None:
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def begins_its_own(pool: Pool) -> None:
    """Left open, a transaction would be the next one's, who could choose no isolation any more and would have another's
    clock."""
    async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read"):
        assert await connection.fetchval("SELECT 'mine'") == "mine"


async def test_who_is_cancelled_before_a_new_statement_is_executed_leaves_no_transaction(pool: Pool) -> None:
    for number in range(TRIES):
        await cancel(await described(pool, f"SELECT {number} AS number"))
        await begins_its_own(pool)


async def test_who_is_cancelled_while_a_transaction_begins_ends_it(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the pool would, with an error in the log."""
    for _ in range(TRIES):
        await cancel(await begun(pool))
    assert [record.message for record in caplog.records] == []


@each_transaction
async def test_who_is_cancelled_once_more_while_it_undoes_its_transaction_leaves_none(
    transaction: Transaction, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """As a call is whose deadline passes on both sides at once."""

    async def wait() -> None:
        async with transaction(pool) as connection:
            waits.set()
            await connection.fetch("SELECT pg_sleep(60)")

    for turns in range(TRIES):
        waits = asyncio.Event()
        task = asyncio.create_task(wait())
        await waits.wait()
        task.cancel()
        for _ in range(turns % 6):
            await asyncio.sleep(0)
        await cancel(task)
        await begins_its_own(pool)
    assert [record.message for record in caplog.records] == []


async def test_a_commit_that_is_refused_before_it_has_begun_leaves_no_transaction(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that an operator cancels."""

    async def refuse(connection: Connection) -> None:
        await connection.execute("DO $$ BEGIN RAISE query_canceled; END $$")

    monkeypatch.setattr(transactions, "commit", refuse)
    with pytest.raises(asyncpg.QueryCanceledError):
        async with changing(pool):
            pass
    await begins_its_own(pool)
    assert [record.message for record in caplog.records] == []


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
        await InTime(pool, 30.0)._fetch("SELECT 1")
        gate.stick()
        asking = asyncio.ensure_future(InTime(pool, 30.0 if cancelled else TIMEOUT_S)._fetch("SELECT 1"))
        if cancelled:
            asyncio.get_running_loop().call_later(TIMEOUT_S, asking.cancel)
        with pytest.raises(asyncio.CancelledError if cancelled else TimeoutError):
            await asking
        gate.loosen()
        assert [row["mine"] for row in await InTime(pool, 30.0)._fetch("SELECT 1 AS mine")] == [1]
        await pool.close()


async def test_once_a_connection_says_nothing_nobody_waits_for_another_of_its_age(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a host that lost its power has been replaced."""
    monkeypatch.setattr(pools, "END_TIMEOUT_S", TIMEOUT_S)
    async with gate_to_postgres(database_url) as (gate, through):
        pool = await open_pool(PoolSettings(through, size_min=3, size_max=3))
        gate.lose()
        with pytest.raises(TimeoutError):
            await InTime(pool, TIMEOUT_S)._fetch("SELECT 1")
        answers = await asyncio.gather(*(InTime(pool, 10.0)._fetch("SELECT 1") for _ in range(3)))
        assert len(answers) == 3
        await pool.close()


@pytest.mark.usefixtures("only_own_garbage")
async def test_connections_that_say_nothing_are_closed_in_time_and_nobody_minds_how(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise each would be kept for as long as TCP tries, and end with an error in the log."""
    monkeypatch.setattr(pools, "END_TIMEOUT_S", TIMEOUT_S)
    async with gate_to_postgres(database_url) as (gate, through):
        pool = await open_pool(PoolSettings(through, size_min=1, size_max=1))
        async with pool.acquire() as connection:
            transport = connection._con._transport  # type: ignore[attr-defined]
        gate.lose()
        await pool.expire_connections()
        before = asyncio.all_tasks()
        assert await pool.fetchval("SELECT 1") == 1
        # On a busy machine it may be over by now.
        if closing := {task for task in asyncio.all_tasks() - before if ".close()" in repr(task)}:
            done, _ = await asyncio.wait(closing, timeout=PATIENCE_S)
            assert done == closing
        assert transport.is_closing()
        await close_pool(pool)
    gc.collect()
    assert [record.message for record in caplog.records] == []


async def test_a_connection_is_closed_that_the_database_has_just_closed(database_url: str) -> None:
    """As when both are stopped at once."""
    settings = PoolSettings(database_url, size_min=1, size_max=1)
    pool, alone = await open_pool(settings), await connect(settings)
    async with pool.acquire() as connection:
        lost: list[Any] = [connection._con, alone]  # type: ignore[attr-defined]
    for each in lost:
        # Nobody has heard of it yet.
        each._transport.pause_reading()
        each._transport.get_extra_info("socket").shutdown(SHUT_WR)
    await close_pool(pool)
    await close_connection(alone)
    assert pool.is_closing()
    assert alone.is_closed()


@each_transaction
async def test_a_transaction_is_given_up_with_its_connection_where_the_database_says_nothing(
    transaction: Transaction,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Otherwise who is told once would wait for as long as TCP does, and its connection would be missing so long."""
    monkeypatch.setattr(pools, "END_TIMEOUT_S", TIMEOUT_S)

    async def ask(pool: Pool, gate: Gate) -> None:
        async with asyncio.timeout(TIMEOUT_S), transaction(pool) as connection:
            gate.lose()
            await connection.fetch("SELECT 1")

    async with gate_to_postgres(database_url) as (gate, through):
        pool = await open_pool(PoolSettings(through, size_min=1, size_max=1))
        with pytest.raises(TimeoutError):
            await ask(pool, gate)
        await begins_its_own(pool)
        await close_pool(pool)
    assert [record.message for record in caplog.records] == []


@pytest.mark.usefixtures("only_own_garbage")
async def test_whoever_is_cancelled_twice_does_not_wait_for_a_database_that_says_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does who closes the pool then."""
    monkeypatch.setattr(pools, "END_TIMEOUT_S", TIMEOUT_S)

    async def wait() -> None:
        async with changing(pool) as connection:
            waits.set()
            await connection.fetch("SELECT 1")

    async with gate_to_postgres(database_url) as (gate, through):
        pool = await open_pool(PoolSettings(through, size_min=1, size_max=1))
        await InTime(pool, 30.0)._fetch("SELECT 1")
        waits = asyncio.Event()
        task = asyncio.create_task(wait())
        await waits.wait()
        gate.stick()
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=TIMEOUT_S)
        assert not done
        await cancel(task)
        await close_pool(pool)
    gc.collect()
    assert [record.message for record in caplog.records] == []
