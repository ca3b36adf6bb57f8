"""The relay on a real PostgreSQL: every event once when nothing fails, in order, and by one worker at a time."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from server.outbox import relay as relay_module
from server.outbox.events import Answer, Lease, OutboxEvent, Outcome, Run, Settlement
from server.outbox.relay import Relay, RelaySettings
from server.persistence.outbox import SqlEventQueue
from server.persistence.session import LEADER_LOCKS, WORKER_LOCKS
from tests.support.database import connected, rows
from tests.support.outbox import Received, add_events, delivery, put_events, queue_on, relay_on, statuses
from tests.support.postgres import TestServer


async def test_every_event_is_delivered_once_and_in_order(database_url: str) -> None:
    restaurants = await put_events(database_url, restaurants=3, versions=25)
    received = Received()
    async with relay_on(database_url, delivery(received)) as relay:
        while await relay.run_once():
            pass
    assert received.versions == {restaurant: list(range(1, 26)) for restaurant in restaurants}
    assert set(await statuses(database_url)) == {"done"}


async def test_two_relays_share_the_restaurants_and_keep_each_in_order(database_url: str) -> None:
    restaurants = await put_events(database_url, restaurants=20, versions=30)
    received = Received()
    async with (
        relay_on(database_url, delivery(received), runs_max=3) as one,
        relay_on(database_url, delivery(received), runs_max=3) as other,
    ):
        await asyncio.gather(one.start(), other.start())
        async with asyncio.timeout(30):
            await received.until(600)
        await asyncio.gather(one.stop(), other.stop())
    assert received.versions == {restaurant: list(range(1, 31)) for restaurant in restaurants}
    assert received.count == 600


@pytest.mark.parametrize("poll_s", [0.01, 3_600.0])
async def test_while_events_are_settled_as_many_restaurants_again_are_delivered_and_no_more(
    database_url: str, monkeypatch: pytest.MonkeyPatch, poll_s: float
) -> None:
    """However seldom the relay looks for itself."""
    await put_events(database_url, restaurants=6)
    received, may_settle = Received(), asyncio.Event()
    settle, together = SqlEventQueue.settle, list[int]()

    async def settle_later(queue: SqlEventQueue, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        together.append(len(settlements))
        await may_settle.wait()
        return await settle(queue, settlements)

    monkeypatch.setattr(SqlEventQueue, "settle", settle_later)
    async with relay_on(database_url, delivery(received), runs_max=2, poll_s=poll_s) as relay:
        await relay.start()
        try:
            async with asyncio.timeout(30):
                await received.until(4)
                await asyncio.sleep(0.1)
                assert received.count == 4, "it has looked ten times since"
        finally:
            may_settle.set()
        async with asyncio.timeout(30):
            await received.until(6)
    assert set(await statuses(database_url)) == {"done"}
    assert max(together) > 1, "what waited to be settled was settled at once"


async def test_what_is_committed_later_is_delivered_later_without_being_woken(database_url: str) -> None:
    (restaurant,) = await put_events(database_url, versions=2)
    received = Received()
    async with relay_on(database_url, delivery(received)) as relay:
        await relay.start()
        async with asyncio.timeout(30):
            await received.until(2)
            await add_events(database_url, restaurant, 3)
            await received.until(5)
    assert received.versions[restaurant] == [1, 2, 3, 4, 5]


async def test_a_new_restaurant_is_taken_up_by_a_relay_that_is_woken_all_the_time(database_url: str) -> None:
    await put_events(database_url)
    received = Received()
    async with relay_on(database_url, delivery(received), poll_s=1.0) as relay:

        async def change_elsewhere() -> None:
            while True:
                relay.wake()
                await asyncio.sleep(0.01)

        changes = asyncio.create_task(change_elsewhere())
        await relay.start()
        try:
            async with asyncio.timeout(30):
                await received.until(1)
                await put_events(database_url, versions=2)
                await received.until(3)
        finally:
            changes.cancel()


class Empty(SqlEventQueue):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.adopted = self.claimed = 0

    async def adopt(self) -> None:
        self.adopted += 1

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        self.claimed += 1
        return ()


async def test_where_nothing_waits_the_relay_asks_once_and_again_when_it_is_woken() -> None:
    queue = Empty()
    relay = Relay(queue, delivery(Received()), RelaySettings(8, 10, 3_600.0, 3_600.0))
    await relay.start()
    for times in (1, 2, 3):
        for _ in range(20):
            await asyncio.sleep(0)
        assert (queue.adopted, queue.claimed) == (1, times)
        relay.wake()
    await relay.stop()
    assert all(pulse.beats(failures_max=1) for pulse in relay.pulses), "nothing has ended by itself"


async def test_a_relay_is_stopped_while_nobody_says_what_it_has_leased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_module, "CLAIM_S", 0.01)
    asked, given_up = asyncio.Event(), asyncio.Event()

    class Silent(Empty):
        async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()
            return ()

    relay = Relay(Silent(), delivery(Received()), RelaySettings(8, 10, 3_600.0, 3_600.0))
    await relay.start()
    async with asyncio.timeout(30):
        await asked.wait()
        await relay.stop()
        await given_up.wait()


async def test_a_leased_restaurant_is_nobody_elses(database_url: str) -> None:
    await put_events(database_url, versions=5)
    async with queue_on(database_url) as one, queue_on(database_url) as other:
        await one.adopt()
        (run,) = await one.claim(10, 2)
        assert await other.claim(10, 2) == ()
        assert await one.settle([settled(run)]) == {run.lease}
        (rest,) = await other.claim(10, 10)
    assert [event.floor_version for event in rest.events] == [3, 4, 5]


async def test_a_lease_that_ran_out_is_taken_over_and_its_late_answer_changes_nothing(
    database_url: str,
) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url, lease_s=0.0) as slow, queue_on(database_url) as quick:
        await slow.adopt()
        (late,) = await slow.claim(1, 2)
        (run,) = await quick.claim(1, 2)
        assert run.lease_number == late.lease_number + 1
        assert len(run.events) == 1, "behind a lease that ended without an answer events go one by one"
        assert await slow.settle([settled(late)]) == frozenset()
        assert await slow.extend([late]) == frozenset()
        assert await statuses(database_url) == ["pending", "pending"]
        assert await quick.extend([run]) == {run.lease}
        assert await quick.settle([settled(run)]) == {run.lease}
    assert await statuses(database_url) == ["done", "pending"]


async def test_the_leases_of_a_dead_worker_are_free_as_soon_as_somebody_looks(
    database_url: str, postgres: TestServer
) -> None:
    """Although others have locks that look like its own: in another database, of one number, and as a leader."""
    await put_events(database_url, restaurants=2, versions=2)
    async with AsyncExitStack() as closing:
        survivor = await closing.enter_async_context(queue_on(database_url))
        assert await survivor.claim(1, 2) == ()
        async with queue_on(database_url) as victim:
            await victim.adopt()
            (run,) = await victim.claim(1, 2)
            assert await survivor.free_orphans(10) == (), "the victim still lives"
        (leased,) = await rows(
            database_url, "SELECT leased_by AS worker FROM outbox_streams WHERE lease_token IS NOT NULL"
        )
        elsewhere = await closing.enter_async_context(connected(postgres.url()))
        await elsewhere.execute("SELECT pg_advisory_lock($1, $2)", WORKER_LOCKS, leased["worker"])
        here = await closing.enter_async_context(connected(database_url))
        await here.execute("SELECT pg_advisory_lock(($1::bigint << 32) + $2)", WORKER_LOCKS, leased["worker"])
        await here.execute("SELECT pg_advisory_lock($1, $2)", LEADER_LOCKS, leased["worker"])
        assert await survivor.free_orphans(10) == (run.restaurant_id,)
        found = sorted(await survivor.claim(2, 2), key=lambda each: each.orphanings)
    assert [(each.orphanings, len(each.events)) for each in found] == [(0, 2), (1, 1)]
    assert found[1].events[0].event_id == run.events[0].event_id


async def test_a_worker_whose_session_was_cut_goes_on_under_another_number(database_url: str) -> None:
    (restaurant,) = await put_events(database_url, versions=2)
    received = Received()
    async with relay_on(database_url, delivery(received)) as relay:
        await relay.start()
        async with asyncio.timeout(30):
            await received.until(2)
            await cut_sessions(database_url)
            await add_events(database_url, restaurant, 3)
            await received.until(5)
    assert received.versions[restaurant] == [1, 2, 3, 4, 5]


async def test_stopping_settles_what_was_delivered_and_leaves_the_rest(database_url: str) -> None:
    await put_events(database_url, versions=5)
    third_in_hand = asyncio.Event()

    async def handler(event: OutboxEvent) -> None:
        if event.floor_version == 3:
            third_in_hand.set()
            await asyncio.Event().wait()

    async with relay_on(database_url, delivery(handler)) as relay:
        await relay.start()
        async with asyncio.timeout(30):
            await third_in_hand.wait()
        await relay.stop()
        await relay.stop()
    assert await statuses(database_url) == ["done", "done", "pending", "pending", "pending"]
    async with queue_on(database_url) as next_worker:
        (run,) = await next_worker.claim(1, 10)
    assert [event.floor_version for event in run.events] == [3, 4, 5]
    assert run.orphanings == 0


async def test_what_is_leased_while_the_relay_is_stopped_is_given_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears of what it has leased when it is told to stop already."""
    await put_events(database_url, versions=2)
    leased, heard = asyncio.Event(), asyncio.Event()
    async with queue_on(database_url) as queue, queue_on(database_url) as next_worker:
        claim = queue.claim

        async def heard_late(runs_max: int, events_max: int) -> tuple[Run, ...]:
            runs = await claim(runs_max, events_max)
            leased.set()
            await heard.wait()
            return runs

        monkeypatch.setattr(queue, "claim", heard_late)
        relay = Relay(queue, delivery(Received()), RelaySettings(8, 10, 0.05, 30.0))
        await relay.start()
        async with asyncio.timeout(30):
            await leased.wait()
        asyncio.get_running_loop().call_later(0.05, heard.set)
        await relay.stop()
        (run,) = await next_worker.claim(1, 10)
    assert ([event.floor_version for event in run.events], run.orphanings) == ([1, 2], 0)


def settled(run: Run) -> Settlement:
    """Every event of the run delivered."""
    return Settlement(run, run.end, tuple(Answer(event.event_id, Outcome.DONE) for event in run.events))


async def cut_sessions(url: str) -> None:
    """Ends every connection that holds a worker's lock."""
    async with connected(url) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
        )
