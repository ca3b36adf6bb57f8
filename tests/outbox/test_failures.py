"""What becomes of events that cannot be delivered: tried again, given up, and never silently lost or overtaken."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from server.outbox.delivery import ERROR_LENGTH_MAX, DeadPolicy
from server.outbox.events import LAST_POSITION, OutboxEvent, Outcome, Place, Run
from server.outbox.ports import RetryLater, Undeliverable
from tests.builders.events import on_its_way
from tests.support.database import rows
from tests.support.outbox import Received, delivery, put_events, queue_on, redrive, relay_on, statuses


class Failing(Received):
    """Refuses the event of one floor version as often as it is told to."""

    def __init__(self, version: int, problem: BaseException, times: int = 10_000) -> None:
        super().__init__()
        self._version, self._problem, self._times = version, problem, times
        self.attempts = 0

    async def __call__(self, event: OutboxEvent) -> None:
        if event.floor_version == self._version and self.attempts < self._times:
            self.attempts += 1
            raise self._problem
        await super().__call__(event)


async def test_an_event_that_failed_is_tried_again_before_any_later_one(database_url: str) -> None:
    (restaurant,) = await put_events(database_url, versions=4)
    handler = Failing(2, OSError("the sink is away"), times=2)
    async with relay_on(database_url, delivery(handler)) as relay:
        assert await relay.run_once() == 2
        assert await statuses(database_url) == ["done", "pending", "pending", "pending"]
        assert await relay.run_once() == 1
        assert await relay.run_once() == 3
    assert handler.versions[restaurant] == [1, 2, 3, 4]
    (second,) = await rows(
        database_url, "SELECT attempt_count, last_error FROM capacity_outbox WHERE floor_version = 2"
    )
    assert second == {"attempt_count": 3, "last_error": None}


async def test_an_error_that_the_database_cannot_hold_as_it_is_keeps_nobodys_outcome_from_it(
    database_url: str,
) -> None:
    """NUL and half of a surrogate pair are text to Python, and none to PostgreSQL."""
    await put_events(database_url, restaurants=2, versions=2)
    handler = Failing(2, ValueError("a\0b\ud800" + "c" * 1_000))
    async with relay_on(database_url, delivery(handler, attempts_max=1)) as relay:
        assert await relay.run_once() == 4
    assert await statuses(database_url) == ["done", "dead"] * 2
    kept = await rows(database_url, "SELECT DISTINCT last_error FROM capacity_outbox WHERE status = 'dead'")
    assert kept == [{"last_error": "ValueError: a?b?".ljust(ERROR_LENGTH_MAX, "c")}]


async def test_the_wait_before_the_next_attempt_holds_for_the_restaurant_alone(database_url: str) -> None:
    failing, healthy = await put_events(database_url, restaurants=2, versions=1)

    class One(Received):
        async def __call__(self, event: OutboxEvent) -> None:
            if event.restaurant_id == failing:
                raise OSError("away")
            await super().__call__(event)

    handler = One()
    async with relay_on(database_url, delivery(handler, wait_s=3600.0)) as relay:
        assert await relay.run_once() == 2
        assert await relay.run_once() == 0
    assert handler.versions == {healthy: [1]}
    (row,) = await rows(
        database_url, "SELECT last_error, status FROM capacity_outbox WHERE status = 'pending'"
    )
    assert row == {"last_error": "OSError: away", "status": "pending"}


@pytest.mark.parametrize(
    ("problem", "attempts"),
    [(Undeliverable("no handler for this type"), 1), (OSError("never there"), 3), (TimeoutError(), 3)],
    ids=["undeliverable", "attempts used up", "timeouts"],
)
async def test_an_event_that_cannot_be_delivered_is_dead_and_the_later_ones_go_on(
    database_url: str, problem: Exception, attempts: int
) -> None:
    (restaurant,) = await put_events(database_url, versions=3)
    handler = Failing(2, problem)
    async with relay_on(database_url, delivery(handler, attempts_max=3)) as relay:
        while await relay.run_once():
            pass
    assert handler.versions[restaurant] == [1, 3]
    assert handler.attempts == attempts
    assert await statuses(database_url) == ["done", "dead", "done"]
    (dead,) = await rows(
        database_url, "SELECT attempt_count, last_error FROM capacity_outbox WHERE status = 'dead'"
    )
    assert dead["attempt_count"] == attempts
    assert dead["last_error"]


async def test_behind_a_dead_event_the_restaurant_waits_where_the_policy_says_so(database_url: str) -> None:
    blocked, free = await put_events(database_url, restaurants=2, versions=3)

    class Poisoned(Received):
        poisonous = True

        async def __call__(self, event: OutboxEvent) -> None:
            if event.restaurant_id == blocked and event.floor_version == 2 and self.poisonous:
                raise Undeliverable("poison")
            await super().__call__(event)

    handler = Poisoned()
    async with relay_on(database_url, delivery(handler, dead_policy=DeadPolicy.BLOCK)) as relay:
        while await relay.run_once():
            pass
        assert handler.versions == {blocked: [1], free: [1, 2, 3]}
        handler.poisonous = False
        assert await redrive(database_url, blocked) == 1
        while await relay.run_once():
            pass
    assert handler.versions[blocked] == [1, 2, 3]
    assert set(await statuses(database_url)) == {"done"}


async def test_a_redriven_event_is_delivered_after_those_that_went_on_without_it(database_url: str) -> None:
    (restaurant,) = await put_events(database_url, versions=3)
    handler = Failing(1, Undeliverable("poison"), times=1)
    async with relay_on(database_url, delivery(handler)) as relay:
        while await relay.run_once():
            pass
        assert await redrive(database_url, restaurant) == 1
        while await relay.run_once():
            pass
        assert await relay.run_once() == 0
    assert handler.versions[restaurant] == [2, 3, 1]
    assert await statuses(database_url) == ["done", "done", "done"]


async def test_the_receiver_says_when_to_come_back(database_url: str) -> None:
    await put_events(database_url, versions=1)
    async with relay_on(database_url, delivery(Failing(1, RetryLater("busy", 1800.0)))) as relay:
        await relay.run_once()
    (row,) = await rows(
        database_url,
        "SELECT round(extract(epoch FROM s.next_attempt_at - o.updated_at)) AS wait_s"
        " FROM outbox_streams AS s JOIN capacity_outbox AS o USING (restaurant_id)",
    )
    assert row["wait_s"] == 1800


@pytest.mark.parametrize(("asked_s", "wait_s"), [(1.0, 60.0), (90.0, 90.0)])
async def test_whoever_asks_for_little_time_again_and_again_is_left_alone_for_longer(
    asked_s: float, wait_s: float
) -> None:
    event = on_its_way(floor_version=1)
    run = Run(event.restaurant_id, 1, Place(0, 0), Place(1, 1), 0, (event,))
    settlement = await delivery(Failing(1, RetryLater("busy", asked_s)), wait_s=60.0)(run)
    assert settlement.delay_s == wait_s


@pytest.mark.parametrize(("asked_s", "attempts"), [(0.0, 1), (0.5, 0)])
async def test_an_attempt_counts_unless_the_receiver_asked_for_time(asked_s: float, attempts: int) -> None:
    """What fails in several sinks, each in its own way, asks for none: it is given up some day."""
    event = on_its_way(floor_version=1)
    run = Run(event.restaurant_id, 1, Place(0, 0), Place(1, 1), 0, (event,))
    settlement = await delivery(Failing(1, RetryLater("busy", asked_s)))(run)
    assert [answer.attempts for answer in settlement.answers] == [attempts]


async def test_what_is_delivered_before_a_failure_stays_delivered_and_what_comes_after_it_is_not_tried() -> (
    None
):
    events = tuple(on_its_way(floor_version=version) for version in (1, 2, 3))
    run = Run(events[0].restaurant_id, 1, Place(0, 0), Place(3, 1), 0, events)
    settlement = await delivery(Failing(2, OSError("away")))(run)
    assert [answer.outcome for answer in settlement.answers] == [Outcome.DONE, Outcome.PENDING]
    assert settlement.settled == events[0].place


async def test_workers_that_ended_count_for_the_first_event_alone() -> None:
    events = tuple(on_its_way(floor_version=version) for version in (1, 2))
    run = Run(events[0].restaurant_id, 1, Place(0, 0), Place(2, 1), 2, events)
    settlement = await delivery(Received(), attempts_max=3)(run)
    assert [answer.attempts for answer in settlement.answers] == [3, 1]


@pytest.mark.parametrize(
    ("failures", "outcome", "error"), [(0, Outcome.DONE, None), (1, Outcome.DEAD, "OSError: away")]
)
async def test_an_event_that_was_tried_more_often_than_is_allowed_by_now_is_tried_once_more(
    failures: int, outcome: Outcome, error: str | None
) -> None:
    """Whoever lowers the setting does not have events given up that nothing is wrong with."""
    event = replace(on_its_way(floor_version=1), attempt_count=7)
    run = Run(event.restaurant_id, 1, Place(0, 0), Place(1, 1), 0, (event,))
    settlement = await delivery(Failing(1, OSError("away"), failures), attempts_max=3)(run)
    assert [(answer.outcome, answer.error) for answer in settlement.answers] == [(outcome, error)]


async def test_a_run_in_which_nothing_waits_counts_as_delivered_to_its_end() -> None:
    run = Run(UUID(int=1), 1, Place(3, 1), Place(7, LAST_POSITION), 0, ())
    assert (await delivery(Received())(run)).settled == run.end


async def test_an_event_that_ends_every_worker_is_found_and_given_up(database_url: str) -> None:
    """Workers die while they have the third of five events in hand; what was delivered before is settled by then."""
    (restaurant,) = await put_events(database_url, versions=5)
    received = Received()
    deaths = 0
    async with queue_on(database_url) as doctor:
        await doctor.adopt()
        for _ in range(20):
            async with queue_on(database_url) as victim:
                runs = await victim.claim(1, 10)
                if not runs:
                    break
                work = delivery(received, attempts_max=4)
                if any(e.floor_version == 3 for e in runs[0].events) and not (
                    runs[0].events[0].floor_version == 3 and runs[0].orphanings >= 4
                ):
                    deaths += 1
                else:
                    await victim.settle([await work(runs[0])])
            await doctor.free_orphans(10)
    assert await statuses(database_url) == ["done", "done", "dead", "done", "done"]
    assert received.versions[restaurant] == [1, 2, 4, 5]
    assert deaths == 1 + 4


async def test_a_handler_that_hangs_is_given_up_after_its_time(database_url: str) -> None:
    await put_events(database_url, versions=2)
    received = Received()

    async def handler(event: OutboxEvent) -> None:
        if event.floor_version == 1:
            await asyncio.Event().wait()
        await received(event)

    async with relay_on(database_url, delivery(handler, attempts_max=2, timeout_s=0.02)) as relay:
        while await relay.run_once():
            pass
    assert await statuses(database_url) == ["dead", "done"]
    (dead,) = await rows(database_url, "SELECT last_error FROM capacity_outbox WHERE status = 'dead'")
    assert dead["last_error"] == "no answer within 0.02 s"
