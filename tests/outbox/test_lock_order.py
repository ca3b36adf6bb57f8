"""Who locks several restaurants' streams takes them in one order, so that nobody waits for each other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from server.outbox.events import Run
from server.persistence.outbox import SqlEventQueue
from tests.outbox.test_order_and_leases import settled
from tests.support.database import connected, rows
from tests.support.outbox import put_events, queue_on, statuses
from tests.support.working import until

Step = Callable[[SqlEventQueue, Sequence[Run]], Awaitable[object]]
WAITING = (
    "SELECT count(*) AS waiting FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def settle(queue: SqlEventQueue, runs: Sequence[Run]) -> object:
    return await queue.settle([settled(run) for run in runs])


async def extend(queue: SqlEventQueue, runs: Sequence[Run]) -> object:
    return await queue.extend(runs)


async def give_back(queue: SqlEventQueue, runs: Sequence[Run]) -> object:
    return await queue.give_back(runs)


async def delete(queue: SqlEventQueue, runs: Sequence[Run]) -> object:
    return await queue.delete_delivered(0.0, 1_000)


async def free(queue: SqlEventQueue, runs: Sequence[Run]) -> object:
    return await queue.free_orphans(10)


@pytest.mark.parametrize("step", [settle, extend, give_back, delete, free])
async def test_who_waits_for_the_first_stream_keeps_no_other(database_url: str, step: Step) -> None:
    first, *others = await put_events(database_url, restaurants=20, versions=2)
    async with queue_on(database_url) as queue:
        await queue.adopt()
        await queue.settle([settled(run) for run in await queue.claim(20, 1)])
        async with queue_on(database_url) as victim:
            runs = sorted(await (victim if step is free else queue).claim(20, 1), key=first_last)
        async with connected(database_url) as connection, connection.transaction():
            await connection.execute("SELECT FROM outbox_streams WHERE restaurant_id = $1 FOR UPDATE", first)
            stepping = asyncio.ensure_future(step(queue, runs))
            await until(database_url, WAITING, [{"waiting": 1}])
            assert await free_streams(database_url) == others
        await stepping


@pytest.mark.parametrize("step", [settle, extend, give_back])
async def test_who_has_waited_for_a_stream_finds_who_has_it_by_then(database_url: str, step: Step) -> None:
    await put_events(database_url)
    taken = "UPDATE outbox_streams SET lease_token = gen_random_uuid(), leased_until = 'infinity'"
    async with queue_on(database_url) as queue:
        await queue.adopt()
        runs = await queue.claim(1, 1)
        async with connected(database_url) as connection, connection.transaction():
            await connection.execute(taken)
            stepping = asyncio.ensure_future(step(queue, runs))
            await until(database_url, WAITING, [{"waiting": 1}])
        assert await stepping == frozenset()
    stream = "SELECT leased_until = 'infinity' AS theirs FROM outbox_streams"
    assert await rows(database_url, stream) == [{"theirs": True}]
    assert await statuses(database_url) == ["pending"]


def first_last(run: Run) -> int:
    return -run.restaurant_id.int


async def free_streams(url: str) -> list[UUID]:
    """The streams that nobody has locked."""
    query = "SELECT restaurant_id FROM outbox_streams ORDER BY restaurant_id FOR UPDATE SKIP LOCKED"
    return [row["restaurant_id"] for row in await rows(url, query)]
