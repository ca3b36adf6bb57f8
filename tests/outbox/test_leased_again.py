"""A relay whose lease of a restaurant was lost leases it once more, while its earlier run is not over yet."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from server.errors import ServiceError
from server.outbox.events import Answer, Lease, OutboxEvent, Outcome, Place, Run, Settlement
from server.outbox.relay import Relay, RelaySettings
from server.persistence.outbox import SqlEventQueue
from tests.builders.events import on_its_way
from tests.outbox.test_order_and_leases import cut_sessions
from tests.support.database import connected, row, rows
from tests.support.outbox import Received, delivery, put_events, queue_on, relay_on, statuses
from tests.support.working import until_settled

FULL_DISK = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$;
    CREATE TRIGGER full_disk BEFORE UPDATE ON capacity_outbox EXECUTE FUNCTION no_room();
"""
STREAM = "SELECT settled_version, lease_token IS NULL AS free, blocked_by FROM outbox_streams"


@pytest.mark.parametrize("late_first", [True, False])
async def test_of_two_answers_that_are_settled_together_only_that_of_the_lease_counts(
    database_url: str, late_first: bool
) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url, lease_s=0.0) as queue:
        await queue.adopt()
        (late,) = await queue.claim(1, 2)
        (run,) = await queue.claim(1, 2)
        told = [answered(late, Outcome.DEAD, late.events[0]), answered(run, Outcome.DONE)]
        assert await queue.settle(told if late_first else told[::-1]) == {run.lease}
    assert await statuses(database_url) == ["done", "pending"]
    assert await row(database_url, STREAM) == {"settled_version": 1, "free": True, "blocked_by": None}


async def test_an_answer_that_was_taken_but_not_heard_of_is_known_when_it_is_given_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the commit. Nothing arrives again, so nothing counts as unsettled."""
    await put_events(database_url, versions=2)
    settle, heard = SqlEventQueue.settle, 0

    async def settle_unheard(queue: SqlEventQueue, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        nonlocal heard
        held = await settle(queue, settlements)
        heard += 1
        if heard == 1:
            raise ConnectionResetError
        return held

    monkeypatch.setattr(SqlEventQueue, "settle", settle_unheard)
    async with relay_on(database_url, delivery(Received())) as relay:
        assert await relay.run_once() == 2
    assert (heard, relay.deliveries) == (2, {"delivered": 2})
    assert await statuses(database_url) == ["done", "done"]


async def test_events_are_not_given_up_because_what_became_of_them_could_not_be_written(
    database_url: str,
) -> None:
    """The disk is full: leases, which are rewritten in place, are still to be had."""
    await put_events(database_url, versions=2)
    async with queue_on(database_url, lease_s=0.0) as queue, connected(database_url) as database:
        relay = Relay(queue, delivery(Received(), attempts_max=2), RelaySettings(8, 10, 0.02, 30.0))
        await database.execute(FULL_DISK)
        for _ in range(3):
            with pytest.raises(ServiceError, match="no room left"):
                await relay.run_once()
        await database.execute("DROP TRIGGER full_disk ON capacity_outbox")
        assert await relay.run_once() == 2
    assert await statuses(database_url) == ["done", "done"]


async def test_what_was_delivered_under_a_lease_that_was_lost_counts_as_unsettled(database_url: str) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url, lease_s=0.0) as slow, queue_on(database_url) as quick:
        await slow.adopt()

        async def handler(_: OutboxEvent) -> None:
            await quick.claim(1, 1)

        relay = Relay(slow, delivery(handler), RelaySettings(8, 10, 0.02, 30.0))
        assert await relay.run_once() == 2
    assert relay.deliveries == {"unsettled": 2}
    assert await statuses(database_url) == ["pending", "pending"]


async def test_what_became_of_a_run_is_noted_of_its_own_stream_under_its_own_lease(database_url: str) -> None:
    """Two streams whose workers never answered go on with one event after the other, and then end."""
    await put_events(database_url, restaurants=2, versions=3)
    careful = "SELECT careful FROM outbox_streams"
    async with queue_on(database_url, lease_s=0.0) as lost:
        await lost.adopt()
        assert len(await lost.claim(2, 3)) == 2
    async with queue_on(database_url) as queue, queue_on(database_url) as other:
        answers = []
        for left, events in ((2, 1), (1, 1), (0, 1), (0, 0)):
            runs = await queue.claim(2, 3)
            assert [len(run.events) for run in runs] == [events] * 2
            answers = [answered(run, Outcome.DONE) for run in runs]
            assert await other.settle(answers) == frozenset()
            together = [answers] if left < 2 else [answers[:1], answers[1:]]
            held = [await queue.settle(each) for each in together]
            assert frozenset().union(*held) == {run.lease for run in runs}
            assert await rows(database_url, careful) == [{"careful": left}] * 2
        assert await queue.claim(2, 3) == ()
        before = [replace(each, run=replace(each.run, lease_number=1)) for each in answers]
        assert await queue.settle(before) == frozenset()
    noted = "SELECT DISTINCT status, updated_at > created_at AS later FROM capacity_outbox"
    assert await rows(database_url, noted) == [{"status": "done", "later": True}]


async def test_of_two_leases_only_the_present_one_is_extended(database_url: str) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url, lease_s=0.0) as queue:
        await queue.adopt()
        (late,) = await queue.claim(1, 2)
        (run,) = await queue.claim(1, 2)
        assert await queue.extend([late]) == frozenset()
        assert await queue.extend([late, run]) == {run.lease}
        assert await queue.extend([late]) == frozenset()


async def test_of_several_leases_those_that_are_named_are_extended_and_given_back(database_url: str) -> None:
    """Though all of them have the same number."""
    await put_events(database_url, restaurants=3)
    nearly_over = "UPDATE outbox_streams SET leased_until = now() + interval '1 minute' RETURNING 1"
    extended = "SELECT restaurant_id FROM outbox_streams WHERE leased_until > now() + interval '2 minutes'"
    async with queue_on(database_url, lease_s=600.0) as queue, queue_on(database_url) as other:
        await queue.adopt()
        (theirs,) = await other.claim(1, 1)
        one, another = await queue.claim(2, 1)
        await rows(database_url, nearly_over)
        assert await queue.extend([one]) == {one.lease}
        assert await rows(database_url, extended) == [{"restaurant_id": one.restaurant_id}]
        assert await queue.give_back([one]) == {one.lease}
        assert await queue.extend([another]) == {another.lease}
        assert await other.extend([theirs]) == {theirs.lease}


async def test_a_lease_that_was_taken_away_is_over_before_anybody_has_it_again(database_url: str) -> None:
    await put_events(database_url, versions=2)
    async with queue_on(database_url) as queue, queue_on(database_url) as rescuer:
        await queue.adopt()
        (run,) = await queue.claim(1, 2)
        await cut_sessions(database_url)
        async with asyncio.timeout(30):
            while not await rescuer.free_orphans(10):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)
        assert await queue.extend([run]) == frozenset()
        assert await queue.settle([answered(run, Outcome.DONE)]) == frozenset()
    assert await statuses(database_url) == ["pending", "pending"]


async def test_a_run_whose_restaurant_is_leased_again_is_cut_short(database_url: str) -> None:
    """Its session was cut, and whoever looked freed what had been leased under it. No lease is extended meanwhile."""
    await put_events(database_url, versions=3)
    taken, cut, may_end = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def handler(_: OutboxEvent) -> None:
        taken.release()
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            cut.set()
            raise

    async with queue_on(database_url) as queue, queue_on(database_url) as rescuer:
        relay = Relay(queue, delivery(handler), RelaySettings(8, 10, 0.05, 3_600.0))
        await relay.start()
        async with asyncio.timeout(30):
            await taken.acquire()
            await cut_sessions(database_url)
            while not await rescuer.free_orphans(10):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)
            await taken.acquire()
            await cut.wait()
        may_end.set()
        await until_settled(database_url)
        await relay.stop()
    assert relay.deliveries["delivered"] == 3


class OneIsLost(SqlEventQueue):
    """Leases two restaurants, of which one is somebody else's as soon as the leases are to be extended."""

    def __init__(self) -> None:
        self.kept, self.lost = (
            Run(each, 1, Place(0, 0), Place(1, 1), 0, (on_its_way(restaurant_id=each),))
            for each in (uuid4(), uuid4())
        )
        self._waiting: tuple[Run, ...] = (self.kept, self.lost)
        self.extended, self.settled = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def adopt(self) -> None:
        pass

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        runs, self._waiting = self._waiting, ()
        return runs

    async def extend(self, runs: Sequence[Run]) -> frozenset[Lease]:
        self.extended.release()
        return frozenset({self.kept.lease})

    async def settle(self, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        for _ in settlements:
            self.settled.release()
        return frozenset({self.kept.lease})


async def test_a_run_is_cut_short_when_its_lease_is_gone_and_goes_on_as_long_as_it_is_not() -> None:
    queue, cut, may_end = OneIsLost(), list[UUID](), asyncio.Event()

    async def handler(event: OutboxEvent) -> None:
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            cut.append(event.restaurant_id)
            raise

    relay = Relay(queue, delivery(handler), RelaySettings(8, 10, 3_600.0, 0.03))
    await relay.start()
    async with asyncio.timeout(30):
        for _ in range(3):
            await queue.extended.acquire()
        assert cut == [queue.lost.restaurant_id]
        may_end.set()
        for _ in range(2):
            await queue.settled.acquire()
    await relay.stop()
    assert relay.deliveries["delivered"] == 1


def answered(run: Run, outcome: Outcome, blocking: OutboxEvent | None = None) -> Settlement:
    answers = tuple(Answer(event.event_id, outcome) for event in run.events)
    blocked_by = blocking.event_id if blocking else None
    return Settlement(run, run.settled if blocking else run.end, answers, blocked_by=blocked_by)
