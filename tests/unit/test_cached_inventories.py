"""The cache of prepared inventories: never another version, never too many, one load for all who wait."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from server.cache.follower import CacheFollower
from server.cache.inventories import CachedInventories, CacheLimits, InventoryDocuments, Key, NoDocuments
from server.domain.announcement import Announcement
from server.domain.floor import Floor
from server.domain.restaurant import Restaurant
from server.orchestrator.ports import Inventory
from server.telemetry.metrics import CacheMetrics

PATIENCE_S = 30.0
A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def at(restaurant_id: UUID, inventory_version: int = 1) -> Restaurant:
    return Restaurant(restaurant_id, UUID(int=9), "Chez", "UTC", 1, 1, inventory_version, 1)


@dataclass(slots=True)
class Database:
    """Answers with the version that it has, as often as it is asked; a gate keeps answers back."""

    versions: dict[UUID, int] = field(default_factory=dict)
    loads: list[UUID] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    failing: int = 0
    has_connection: bool = False

    async def inventory(self, restaurant_id: UUID) -> Inventory:
        self.loads.append(restaurant_id)
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise ConnectionError("away")
        return Inventory(self.versions.get(restaurant_id, 1), 1, Floor(), None)


class Counted:
    """A cache whose measurements can be read."""

    def __init__(self, entries_max: int = 10, documents: InventoryDocuments | None = None) -> None:
        self._reader = InMemoryMetricReader()
        metrics = CacheMetrics(MeterProvider([self._reader]))
        self.cache = CachedInventories(CacheLimits(entries_max, 60.0), metrics, documents)

    def counts(self) -> dict[str, int]:
        data: Any = self._reader.get_metrics_data()
        return {
            " ".join([metric.name.removeprefix("maitred.cache."), *point.attributes.values()]): point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


async def ask(cache: CachedInventories, database: Database, restaurants: Iterable[Restaurant]) -> list[int]:
    """The inventory versions that come back, one question after the other."""
    found = [await cache.prepared(restaurant, database) for restaurant in restaurants]
    return [each.inventory.inventory_version for each in found]


@asynccontextmanager
async def following(
    counted: Counted, database: Database
) -> AsyncIterator[tuple[CacheFollower, asyncio.Queue[UUID]]]:
    """What hears of changes, and the restaurants that it has loaded ahead. Stopping it twice is harmless."""
    loaded: asyncio.Queue[UUID] = asyncio.Queue()
    follower = CacheFollower(counted.cache, database, loaded.put)
    await follower.start()
    try:
        yield follower, loaded
    finally:
        await follower.stop()
        await follower.stop()


async def test_twenty_who_miss_at_once_make_one_load() -> None:
    counted, database = Counted(), Database(gate=asyncio.Event())
    assert database.gate is not None
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(counted.cache.prepared(at(A), database)) for _ in range(20)]
        await database.asked.wait()
        database.gate.set()
    assert database.loads == [A]
    assert len({id(task.result()) for task in asked}) == 1
    assert counted.counts() == {"lookups miss": 20, "loads database": 1}


async def test_restaurants_are_loaded_side_by_side() -> None:
    counted, database = Counted(), Database(gate=asyncio.Event())
    assert database.gate is not None
    asked = [asyncio.create_task(counted.cache.prepared(at(each), database)) for each in (A, B)]
    async with asyncio.timeout(PATIENCE_S):
        while database.loads != [A, B]:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    database.gate.set()
    await asyncio.gather(*asked)


async def test_who_has_a_connection_waits_for_nobody_who_needs_one() -> None:
    counted, waiting, connected = Counted(), Database(gate=asyncio.Event()), Database(has_connection=True)
    assert waiting.gate is not None
    first = asyncio.create_task(counted.cache.prepared(at(A), waiting))
    await waiting.asked.wait()
    async with asyncio.timeout(PATIENCE_S):
        found = await counted.cache.prepared(at(A), connected)
    waiting.gate.set()
    assert await first is found
    assert counted.counts() == {"lookups miss": 2, "loads database": 2}


async def test_when_a_load_fails_those_who_wait_try_one_after_the_other() -> None:
    counted, database = Counted(), Database(gate=asyncio.Event(), failing=2)
    assert database.gate is not None
    asked = [asyncio.create_task(counted.cache.prepared(at(A), database)) for _ in range(5)]
    await database.asked.wait()
    database.gate.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert Counter(type(result).__name__ for result in results) == {
        "ConnectionError": 2,
        "PreparedInventory": 3,
    }
    assert database.loads == [A] * 3


async def test_another_version_is_another_entry() -> None:
    counted, database = Counted(), Database()
    assert await ask(counted.cache, database, [at(A, 1)]) == [1]
    database.versions[A] = 2
    assert await ask(counted.cache, database, [at(A, 2), at(A, 1), at(A, 2)]) == [2, 1, 2]
    assert database.loads == [A, A]


async def test_what_is_newer_than_asked_for_is_kept_as_what_it_is() -> None:
    counted, database = Counted(), Database({A: 5})
    assert await counted.cache.known(at(A, 5)) is None
    assert await ask(counted.cache, database, [at(A, 4), at(A, 5)]) == [5, 5]
    assert database.loads == [A]
    known = await counted.cache.known(at(A, 5))
    assert known is not None
    assert known.inventory_version == 5


async def test_the_least_recently_used_gives_way() -> None:
    counted, database = Counted(entries_max=2), Database()
    await ask(counted.cache, database, [at(A), at(B), at(A), at(C), at(A)])
    assert database.loads == [A, B, C]
    await ask(counted.cache, database, [at(B)])
    assert database.loads == [A, B, C, B]
    assert counted.counts() == {
        "lookups hit": 2,
        "lookups miss": 4,
        "loads database": 4,
        "evictions room": 2,
    }


async def test_one_restaurant_can_be_forgotten() -> None:
    counted, database = Counted(), Database()
    await ask(counted.cache, database, [at(A), at(B)])
    await counted.cache.forget(A)
    await ask(counted.cache, database, [at(A), at(B)])
    assert database.loads == [A, B, A]


async def test_what_gave_way_is_neither_kept_nor_counts_as_in_use() -> None:
    counted, database = Counted(entries_max=1), Database()
    gone = weakref.ref((await counted.cache.prepared(at(A), database)).checks)
    assert counted.cache.outdated(Announcement(A, 2, 2, 1))
    await ask(counted.cache, database, [at(B)])
    gc.collect()
    assert gone() is None
    assert not counted.cache.outdated(Announcement(A, 2, 2, 1))


class Documents(NoDocuments):
    """What another process has put there."""

    async def get(self, key: Key) -> Inventory | None:
        return Inventory(key[1], key[2], Floor(), None)


async def test_what_another_process_has_read_is_not_read_again() -> None:
    counted, database = Counted(documents=Documents()), Database()
    assert await ask(counted.cache, database, [at(A, 3)]) == [3]
    assert database.loads == []
    assert counted.counts() == {"lookups miss": 1, "loads shared": 1}


async def test_what_is_old_is_loaded_again() -> None:
    cache, database = CachedInventories(CacheLimits(10, 1e-9), CacheMetrics()), Database()
    async with asyncio.timeout(PATIENCE_S):
        while database.loads != [A, A]:
            await ask(cache, database, [at(A)])
            await asyncio.sleep(0)


async def test_a_gap_flushes_everything() -> None:
    counted, database = Counted(), Database()
    await ask(counted.cache, database, [at(A), at(B)])
    await counted.cache.flush()
    assert counted.counts()["evictions flushed"] == 2
    await ask(counted.cache, database, [at(A), at(B)])
    assert database.loads == [A, B, A, B]


@pytest.mark.parametrize("gap", [CacheFollower.on_gap, lambda follower: follower.on_channel(None)])
async def test_after_a_gap_nothing_is_kept_and_nothing_that_was_announced_before_is_loaded(
    gap: Callable[[CacheFollower], None],
) -> None:
    counted, database = Counted(), Database()
    async with following(counted, database) as (follower, loaded):
        for announced, flushed in (((), 2), ((Announcement(A, 7, 2, 1),), 4)):
            await ask(counted.cache, database, [at(A), at(B)])
            for announcement in announced:
                follower.on_change(announcement)
            gap(follower)
            async with asyncio.timeout(PATIENCE_S):
                while counted.counts().get("evictions flushed") != flushed:  # noqa: ASYNC110 it tells nobody
                    await asyncio.sleep(0)
        await ask(counted.cache, database, [at(A), at(B)])
        assert database.loads == [A, B] * 3
        follower.on_change(Announcement(B, 8, 2, 1))
        assert await loaded.get() == B
        assert loaded.empty()


async def test_what_is_announced_is_loaded_ahead_where_the_restaurant_is_in_use() -> None:
    counted, database = Counted(), Database()
    async with following(counted, database) as (follower, loaded):
        await ask(counted.cache, database, [at(A)])
        database.versions = {A: 2, B: 2}
        for restaurant_id in (B, A):
            follower.on_change(Announcement(restaurant_id, 7, 2, 1))
        assert await loaded.get() == A
        follower.on_change(Announcement(A, 8, 2, 1))
        assert database.loads == [A, A]
        assert await ask(counted.cache, database, [at(A, 2)]) == [2]
        assert database.loads == [A, A]
        assert counted.counts()["evictions outdated"] == 1


async def test_an_old_announcement_does_not_drop_what_is_newer() -> None:
    counted, database = Counted(), Database()
    await ask(counted.cache, database, [at(A, 1)])
    database.versions[A] = 3
    await ask(counted.cache, database, [at(A, 3)])
    assert not counted.cache.outdated(Announcement(A, 5, 2, 1))
    assert not counted.cache.outdated(Announcement(A, 6, 3, 1))
    assert counted.cache.outdated(Announcement(A, 7, 3, 2))


async def test_a_load_ahead_that_fails_leaves_it_to_who_needs_it() -> None:
    counted, database = Counted(), Database()
    async with following(counted, database) as (follower, loaded):
        await ask(counted.cache, database, [at(A), at(B)])
        database.failing = 1
        for restaurant_id in (A, B):
            database.versions[restaurant_id] = 2
            follower.on_change(Announcement(restaurant_id, 7, 2, 1))
        assert await loaded.get() == B
        assert await ask(counted.cache, database, [at(A, 2)]) == [2]


@pytest.mark.parametrize("versions", [(0, 1), (2, 0)])
async def test_versions_that_the_announcement_mixes_are_loaded_as_the_database_has_them(
    versions: tuple[int, int],
) -> None:
    counted, database = Counted(), Database({A: 4})
    key: Key = (A, *versions)
    assert (await counted.cache.at(key, database)).inventory.inventory_version == 4
