"""The cache of diaries: never another version than the restaurant's, never too many, one reading for all who wait."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from server.cache.diaries import CachedDiaries, DiaryLimits
from server.domain.announcement import Announcement
from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.policy import Combinations
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import ClaimKind
from server.orchestrator.diary import Diary, whole_days
from server.planner.catalog import TableSets
from server.planner.lookahead import Waiting
from server.telemetry.metrics import CacheMetrics
from tests.builders.floors import row, table_id

A, B = UUID(int=1), UUID(int=2)
DAY = datetime(2026, 5, 15, tzinfo=UTC)
EVENING = Window(DAY + timedelta(hours=17), DAY + timedelta(hours=23))
NIGHT = Window(DAY + timedelta(hours=20), DAY + timedelta(hours=26))


def at(restaurant_id: UUID, floor_version: int) -> Restaurant:
    return Restaurant(restaurant_id, UUID(int=9), "Chez", "UTC", 1, 1, 1, floor_version)


def claimed(number: int, expires_at: datetime | None = None) -> Claim:
    kind = ClaimKind.HOLD if expires_at else ClaimKind.ASSIGNMENT
    return Claim(table_id(number), EVENING, kind, UUID(int=number), UUID(int=100 + number), expires_at)


@dataclass(slots=True)
class Database:
    """Its claims and their version, of whatever restaurant; a gate keeps answers back."""

    version: int = 1
    claims: tuple[Claim, ...] = ()
    readings: list[Window] = field(default_factory=list)
    gate: asyncio.Event | None = None
    clock_s: float = 0.0

    async def diary(self, restaurant_id: UUID, span: Window) -> Diary:
        self.readings.append(span)
        answer = Diary(self.version, span, self.claims, ())
        if self.gate is not None:
            await self.gate.wait()
        return answer

    def cache(self, claims_max: int = 100, restaurants_max: int = 100) -> CachedDiaries:
        limits = DiaryLimits(claims_max, 60.0, restaurants_max)
        return CachedDiaries(self, limits, CacheMetrics(), lambda: self.clock_s)


async def test_a_version_is_read_once_in_whole_days_and_a_new_version_at_its_first_use() -> None:
    database = Database(claims=(claimed(1),))
    cache = database.cache()
    first = await cache.covering(at(A, 1), EVENING)
    later = Window(DAY, DAY + timedelta(hours=1))
    assert await cache.covering(at(A, 1), later) is first
    assert database.readings == [Window(DAY, DAY + timedelta(days=1))]
    database.version, database.claims = 2, ()
    for _ in range(2):
        assert (await cache.covering(at(A, 2), EVENING)).claims == ()
    assert len(database.readings) == 2


async def test_what_is_read_counts_for_the_version_that_it_was_read_at() -> None:
    database = Database(version=3)
    cache = database.cache()
    # The restaurant's row was read before two changes, the diary after them.
    newer = await cache.covering(at(A, 1), EVENING)
    assert newer.floor_version == 3
    assert await cache.covering(at(A, 3), EVENING) is newer
    # Another that is as late finds no diary of its version, and reads.
    await cache.covering(at(A, 1), EVENING)
    assert len(database.readings) == 2


async def test_a_span_beyond_the_days_that_are_there_is_read_and_stands_for_them_from_then_on() -> None:
    database = Database()
    cache = database.cache()
    await cache.covering(at(A, 1), EVENING)
    both = await cache.covering(at(A, 1), NIGHT)
    assert both.span == Window(DAY, DAY + timedelta(days=2))
    assert await cache.covering(at(A, 1), EVENING) is both
    assert len(database.readings) == 2


async def test_days_that_do_not_cover_one_another_stand_side_by_side() -> None:
    database = Database()
    cache = database.cache()
    for _ in range(2):
        for days in range(3):
            later = timedelta(days=2 * days)
            await cache.covering(at(A, 1), Window(EVENING.start + later, EVENING.end + later))
    assert len(database.readings) == 3


async def test_twenty_who_miss_at_once_make_one_reading() -> None:
    database = Database(gate=asyncio.Event())
    assert database.gate is not None
    cache = database.cache()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(cache.covering(at(A, 1), EVENING)) for _ in range(20)]
        await asyncio.sleep(0)
        database.gate.set()
    assert len({id(each.result()) for each in asked}) == 1
    assert len(database.readings) == 1


async def test_restaurants_and_days_are_read_side_by_side() -> None:
    database = Database(gate=asyncio.Event())
    assert database.gate is not None
    cache = database.cache()
    wanted = ((A, EVENING), (B, EVENING), (A, NIGHT))
    asked = [asyncio.create_task(cache.covering(at(each, 1), span)) for each, span in wanted]
    async with asyncio.timeout(30):
        while len(database.readings) < len(wanted):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    database.gate.set()
    await asyncio.gather(*asked)


@pytest.mark.parametrize("limits", [(10, 100), (100, 2)])
async def test_the_restaurant_used_longest_ago_goes_first_when_there_are_too_many_claims_or_restaurants(
    limits: tuple[int, int],
) -> None:
    database = Database(claims=tuple(map(claimed, range(1, 5))))
    cache = database.cache(*limits)
    await cache.covering(at(A, 1), EVENING)
    await cache.covering(at(B, 1), EVENING)
    await cache.covering(at(A, 1), EVENING)
    await cache.covering(at(UUID(int=3), 1), EVENING)
    assert len(database.readings) == 3
    await cache.covering(at(A, 1), EVENING)
    assert len(database.readings) == 3
    await cache.covering(at(B, 1), EVENING)
    assert len(database.readings) == 4


async def test_what_was_replaced_or_dropped_takes_no_room_any_more_and_nothing_is_counted_twice() -> None:
    database = Database(claims=tuple(map(claimed, range(1, 5))))
    cache = database.cache(claims_max=10)
    for version in range(1, 4):
        database.version = version
        for restaurant_id, span in ((A, EVENING), (A, NIGHT), (B, EVENING), (A, EVENING), (B, EVENING)):
            await cache.covering(at(restaurant_id, version), span)
        assert len(database.readings) == 3
        database.readings.clear()
    for number in (3, 1):
        await cache.covering(at(UUID(int=number), version), EVENING)
    assert len(database.readings) == 2


@pytest.mark.parametrize("claims_max", [0, 4])
async def test_a_diary_that_is_larger_than_all_there_is_room_for_is_not_kept(claims_max: int) -> None:
    database = Database(claims=tuple(map(claimed, range(1, 5))))
    cache = database.cache(claims_max)
    for _ in range(3):
        assert len((await cache.covering(at(A, 1), EVENING)).claims) == 4
    assert len(database.readings) == 3


async def test_one_that_is_too_large_takes_no_other_ones_room() -> None:
    database = Database()
    cache = database.cache(claims_max=4)
    await cache.covering(at(A, 1), EVENING)
    database.claims = tuple(map(claimed, range(1, 5)))
    await cache.covering(at(B, 1), EVENING)
    await cache.covering(at(A, 1), EVENING)
    assert len(database.readings) == 2


async def test_what_is_found_read_and_dropped_is_counted() -> None:
    reader = InMemoryMetricReader()
    cache = CachedDiaries(
        Database(), DiaryLimits(9, 60.0, 9), CacheMetrics(MeterProvider([reader]), "diaries")
    )
    for _ in range(3):
        await cache.covering(at(A, 1), EVENING)
    await cache.covering(at(B, 1), EVENING)
    cache.on_change(Announcement(B, 2, 1, 1))
    await cache.covering(at(B, 1), EVENING)
    cache.on_gap()
    data: Any = reader.get_metrics_data()
    assert {
        (metric.name.removeprefix("maitred.diaries."), *point.attributes.values()): point.value
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    } == {
        ("lookups", "miss"): 3,
        ("lookups", "hit"): 2,
        ("loads", "database"): 3,
        ("evictions", "outdated"): 1,
        ("evictions", "flushed"): 2,
    }


async def test_it_forgets_with_time_at_a_gap_without_its_channel_and_when_a_newer_version_is_announced() -> (
    None
):
    database = Database()
    cache = database.cache()

    def minute_passes() -> None:
        database.clock_s += 61

    for forget in (
        minute_passes,
        cache.on_gap,
        partial(cache.on_channel, None),
        lambda: cache.on_change(Announcement(A, 2, 1, 1)),
    ):
        before = len(database.readings)
        await cache.covering(at(A, 1), EVENING)
        await cache.covering(at(A, 1), EVENING)
        cache.on_change(Announcement(A, 1, 1, 1))
        cache.on_change(Announcement(B, 2, 1, 1))
        cache.on_channel("another database")
        await cache.covering(at(A, 1), EVENING)
        assert len(database.readings) <= before + 1
        forget()
        await cache.covering(at(A, 1), EVENING)
        assert len(database.readings) == max(before, 1) + 1


def test_a_hold_in_a_diary_keeps_others_out_until_the_instant_at_which_it_expires() -> None:
    sets = TableSets.of(row(4, 4), Combinations())
    end = DAY + timedelta(hours=1)
    diary = Diary(1, whole_days(EVENING), (claimed(1, end), claimed(2)), ())
    before = diary.live(sets, end - timedelta(microseconds=1))
    assert len(before) == 2
    assert diary.live(sets, DAY) is before
    after = diary.live(sets, end)
    assert [claim.table_id for claim in after] == [table_id(2)]
    assert len(diary.live(sets, DAY)) == 2


def test_those_who_wait_stand_in_the_order_of_their_distance_and_are_counted_in_all() -> None:
    def waits(number: int, hour: float, hours: float = 1) -> Waiting:
        start = DAY + timedelta(hours=hour)
        return Waiting(UUID(int=number), Party(2, start), Window(start, start + timedelta(hours=hours)))

    waiting = (waits(1, 19), waits(3, 18.5), waits(2, 18.5), waits(4, 17, 3), waits(5, 17), waits(6, 20))
    diary = Diary(1, whole_days(EVENING), (), waiting)
    stay = Window(DAY + timedelta(hours=18), DAY + timedelta(hours=20))

    def ids(now: datetime, but: int | None, limit: int) -> tuple[list[int], int]:
        found, count = diary.waiting_for(stay, now, None if but is None else UUID(int=but), limit)
        return [each.booking_id.int for each in found], count

    assert ids(DAY, None, 9) == ([2, 3, 4, 1], 4)
    assert ids(DAY, 3, 2) == ([2, 4], 3)
    # Those of 18:30 are over at 19:30.
    assert ids(DAY + timedelta(hours=19, minutes=30), None, 9) == ([4, 1], 2)


@pytest.mark.parametrize(
    ("hours", "days"),
    [((17, 23), (0, 1)), ((0, 24), (0, 1)), ((20, 26), (0, 2)), ((24, 24.5), (1, 2)), ((0, 0), (0, 1))],
)
def test_whole_days_are_those_that_a_span_touches(hours: tuple[float, float], days: tuple[int, int]) -> None:
    span = Window(*(DAY + timedelta(hours=hour) for hour in hours))
    assert whole_days(span) == Window(*(DAY + timedelta(days=day) for day in days))
