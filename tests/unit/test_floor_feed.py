"""The feed of watched floors: one reading for all, a bound for each, and never a gap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import pytest

from server.domain.announcement import Announcement
from server.domain.restaurant import Caller
from server.errors import Reason, ServiceError
from server.orchestrator.floor_feed import (
    READS_AT_ONCE_MAX,
    EndCause,
    FeedSettings,
    FloorFeed,
    Subscription,
)
from server.orchestrator.floor_log import FloorChange, FloorChanges, FloorPlace, FloorView
from server.orchestrator.watch_floor import Quiet, WatchFloor, WatchFloorQuestion
from server.telemetry.metrics import WatchMetrics

TENANT, RESTAURANT = UUID(int=1), UUID(int=2)
PATIENCE_S = 30.0
NEVER_S = 3_600.0


@dataclass(slots=True)
class Log:
    """What is committed, kept in memory. Versions in `missing` were deleted, others up to `compacted` in part; readings
    fail `failing` times.

    `meanwhile` happens once, before a reading comes back, and `overtaken` before a look at the versions does.
    """

    version: int = 0
    missing: frozenset[int] = frozenset()
    compacted: int = 0
    failing: int = 0
    meanwhile: Callable[[], None] | None = None
    overtaken: Callable[[], Awaitable[None]] | None = None
    readings: list[int] = field(default_factory=list)

    async def view(
        self, tenant_id: UUID, restaurant_id: UUID, starts_at: datetime | None, ends_at: datetime | None
    ) -> FloorView | None:
        raise NotImplementedError

    async def changes(
        self, tenant_id: UUID, restaurant_id: UUID, after: int, versions_max: int
    ) -> FloorChanges | None:
        self.readings.append(after)
        if self.failing:
            self.failing -= 1
            raise ConnectionError("away")
        versions = range(after + 1, min(after + versions_max, self.version) + 1)
        there = [version for version in versions if version not in self.missing]
        changes = tuple(FloorChange(RESTAURANT, each, ()) for each in there)
        found = FloorChanges(FloorPlace(self.version), self.compacted, changes)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        await asyncio.sleep(0)
        return found

    async def floor_versions(self, restaurant_ids: Collection[UUID]) -> Mapping[UUID, int]:
        found = dict.fromkeys(restaurant_ids, self.version)
        overtaken, self.overtaken = self.overtaken, None
        if overtaken is not None:
            await overtaken()
        return found


@asynccontextmanager
async def feeding(log: Log, **settings: float) -> AsyncIterator[FloorFeed]:
    wanted = {"queue_max": 4, "batch_max": 3, "poll_s": NEVER_S} | settings
    feed = FloorFeed(log, FeedSettings(**wanted), WatchMetrics())  # type: ignore[arg-type]  # whole numbers
    await feed.start()
    # Its first look comes before anybody watches.
    await asyncio.sleep(0)
    try:
        yield feed
    finally:
        await feed.stop()
        await feed.stop()


def commit(log: Log, feed: FloorFeed, changes: int = 1) -> None:
    log.version += changes
    feed.on_change(Announcement(RESTAURANT, log.version, 1, 1))


async def told(subscription: Subscription, count: int) -> list[int]:
    """The versions of the next changes."""
    found = []
    for _ in range(count):
        change = await subscription.next(PATIENCE_S)
        assert isinstance(change, FloorChange), change
        found.append(change.floor_version)
    return found


async def test_all_who_watch_a_floor_share_one_reading() -> None:
    log = Log(version=7)
    async with feeding(log) as feed:
        with ExitStack() as stack:
            watchers = [
                stack.enter_context(feed.subscribe(TENANT, RESTAURANT, FloorPlace(7))) for _ in range(1_000)
            ]
            commit(log, feed)
            assert [await told(each, 1) for each in watchers] == [[8]] * len(watchers)
            # One when the first of them came, in case something had happened meanwhile.
            assert log.readings in ([7], [7, 7])


async def test_what_happened_before_the_first_joined_is_not_overlooked() -> None:
    log = Log(version=9)
    async with feeding(log, queue_max=7, batch_max=3) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(2)) as watcher:
            assert await told(watcher, 7) == [3, 4, 5, 6, 7, 8, 9]


async def test_a_change_announced_while_another_is_read_is_read_as_well() -> None:
    log = Log(version=1)
    async with feeding(log) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as watcher:
            for version in (2, 4):
                log.meanwhile = partial(commit, log, feed)
                commit(log, feed)
                assert await told(watcher, 2) == [version, version + 1]
                feed.on_change(Announcement(RESTAURANT, version, 1, 1))


async def test_a_watcher_that_does_not_keep_up_has_to_resume_and_the_others_go_on() -> None:
    log = Log(version=0)
    async with feeding(log) as feed:
        with (
            feed.subscribe(TENANT, RESTAURANT, FloorPlace(0)) as slow,
            feed.subscribe(TENANT, RESTAURANT, FloorPlace(0)) as quick,
        ):
            for version in range(1, 6):
                assert slow.ended is None
                commit(log, feed)
                assert await told(quick, 1) == [version]
            assert await slow.next(PATIENCE_S) is EndCause.SLOW
            await feed.stop()
            assert await slow.next(PATIENCE_S) is EndCause.SLOW
            assert await quick.next(PATIENCE_S) is EndCause.DRAINING


async def test_a_hole_is_told_and_never_skipped() -> None:
    log = Log(version=1, missing=frozenset({3}))
    async with feeding(log) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as watcher:
            commit(log, feed, changes=3)
            assert await watcher.next(PATIENCE_S) is EndCause.COMPACTED
        log.missing = frozenset(range(2, 10))
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as watcher:
            assert await watcher.next(PATIENCE_S) is EndCause.COMPACTED


async def test_another_history_starts_everybody_over() -> None:
    """Who starts over first loses nothing when the others leave."""
    log = Log(version=5)
    async with feeding(log) as feed:
        with ExitStack() as stack:
            with feed.subscribe(TENANT, RESTAURANT, FloorPlace(5)) as watcher:
                log.version = 3
                feed.on_gap()
                assert await watcher.next(PATIENCE_S) is EndCause.COMPACTED
                early = stack.enter_context(feed.subscribe(TENANT, RESTAURANT, FloorPlace(3)))
            commit(log, feed)
            assert await told(early, 1) == [4]


async def test_who_comes_after_all_have_left_begins_where_the_floor_is() -> None:
    async with feeding(Log(version=9)) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)):
            pass
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(9)) as watcher:
            assert watcher.from_version == 9


class Slow(Log):
    """A log whose readings wait until the test lets them go on; `all_begun` when so many have begun."""

    def __init__(self, readings: int) -> None:
        super().__init__()
        self.may_end, self.all_begun = asyncio.Event(), asyncio.Event()
        self._all = readings

    async def changes(
        self, tenant_id: UUID, restaurant_id: UUID, after: int, versions_max: int
    ) -> FloorChanges | None:
        self.readings.append(restaurant_id.int)
        if len(self.readings) == self._all:
            self.all_begun.set()
        await self.may_end.wait()
        return None


async def test_a_few_floors_are_read_at_a_time_and_the_others_in_turn() -> None:
    floors = range(3 * READS_AT_ONCE_MAX)
    log = Slow(len(floors))
    async with feeding(log) as feed:
        with ExitStack() as stack:
            for number in floors:
                stack.enter_context(feed.subscribe(TENANT, UUID(int=number), FloorPlace(0)))
            for _ in floors:
                await asyncio.sleep(0)
            assert log.readings == list(floors[:READS_AT_ONCE_MAX])
            log.may_end.set()
            await asyncio.wait_for(log.all_begun.wait(), PATIENCE_S)
            assert log.readings == list(floors)


async def test_what_is_told_during_a_look_is_no_other_history() -> None:
    log, overtaken = Log(version=5), asyncio.Event()
    async with feeding(log) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(5)) as watcher:

            async def commit_and_tell() -> None:
                commit(log, feed)
                assert await told(watcher, 1) == [6]
                overtaken.set()

            log.overtaken = commit_and_tell
            feed.on_gap()
            await overtaken.wait()
            commit(log, feed)
            assert await told(watcher, 1) == [7]


@pytest.mark.parametrize("failing", [0, 2])
async def test_what_nobody_announced_is_found_by_looking(failing: int) -> None:
    log = Log(version=1)
    async with feeding(log, poll_s=0.01) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as watcher:
            log.version, log.failing = 3, failing
            assert await told(watcher, 2) == [2, 3]


async def test_silence_is_nothing_and_stopping_says_so() -> None:
    log = Log(version=1)
    async with feeding(log) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as watcher:
            assert await watcher.next(0.001) is None
            waiting = asyncio.create_task(watcher.next(PATIENCE_S))
            await asyncio.sleep(0)
            await feed.stop()
            assert await waiting is EndCause.DRAINING
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(1)) as late:
            assert await late.next(PATIENCE_S) is EndCause.DRAINING
            readings = log.readings.copy()
            commit(log, feed)
            await asyncio.sleep(0)
            assert log.readings == readings


async def test_who_catches_up_is_not_told_what_was_deleted_in_part_meanwhile() -> None:
    log = Log(version=9)
    log.meanwhile = partial(setattr, log, "compacted", 5)
    question = WatchFloorQuestion(RESTAURANT, FloorPlace(4), NEVER_S)
    async with feeding(log) as feed:
        with pytest.raises(ServiceError) as refused:
            await anext(WatchFloor(log, feed)(Caller(TENANT, "tests", frozenset()), question))
    assert refused.value.reason is Reason.WATCH_TOKEN_COMPACTED
    assert refused.value.refusal.metadata["compacted_floor_version"] == "5"


@pytest.mark.parametrize(("compacted", "goes_on"), [(5, True), (4, False)])
async def test_that_another_event_was_the_last_is_known_only_where_none_was_deleted(
    compacted: int, goes_on: bool
) -> None:
    log = Log(version=9, compacted=compacted)
    question = WatchFloorQuestion(RESTAURANT, FloorPlace(5, UUID(int=3)), NEVER_S)
    async with feeding(log) as feed:
        watch = WatchFloor(log, feed)(Caller(TENANT, "tests", frozenset()), question)
        if goes_on:
            assert isinstance(await anext(watch), FloorChange)
            await watch.aclose()
            return
        with pytest.raises(ServiceError) as refused:
            await anext(watch)
    assert refused.value.reason is Reason.WATCH_TOKEN_COMPACTED


async def test_who_catches_up_while_an_earlier_state_of_the_database_is_brought_back_has_to_start_over() -> (
    None
):
    log = Log(version=9)
    question = WatchFloorQuestion(RESTAURANT, FloorPlace(4), NEVER_S)
    async with feeding(log) as feed, asyncio.timeout(PATIENCE_S):
        watch = WatchFloor(log, feed)(Caller(TENANT, "tests", frozenset()), question)
        for version in (5, 6, 7):
            seen = await anext(watch)
            assert isinstance(seen, FloorChange)
            assert seen.floor_version == version
        log.version = 7
        with pytest.raises(ServiceError) as refused:
            await anext(watch)
    assert refused.value.reason is Reason.WATCH_TOKEN_COMPACTED


async def test_who_knows_more_than_those_who_watch_already_is_told_nothing_twice() -> None:
    log = Log(version=8)
    question = WatchFloorQuestion(RESTAURANT, FloorPlace(11), 0.001)
    async with feeding(log) as feed:
        with feed.subscribe(TENANT, RESTAURANT, FloorPlace(8)) as first:
            commit(log, feed)
            assert await told(first, 1) == [9]
            log.version = 11
            watch = WatchFloor(log, feed)(Caller(TENANT, "tests", frozenset()), question)
            assert await anext(watch) == Quiet(FloorPlace(11))
            commit(log, feed)
            assert await told(first, 3) == [10, 11, 12]
            seen = await anext(watch)
            assert isinstance(seen, FloorChange)
            assert seen.floor_version == 12
            await watch.aclose()
