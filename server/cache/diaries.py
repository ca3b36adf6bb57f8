"""Diaries in memory, by version of the floor: whatever is claimed or wanted, every change of it makes a new version.

The version comes with the restaurant's row, which every request reads anyway, so what is used is compared with the
database on every use. Holds that expire change nothing that was read; what is live is decided anew for each request.
What upkeep deletes without a new version is long over and in nobody's way.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from server.domain.announcement import Announcement
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.lanes import Lanes
from server.orchestrator.diary import Diary, whole_days
from server.telemetry.metrics import CacheMetrics


class DiaryReader(Protocol):
    """Reads a restaurant's diary of a span as it is now."""

    async def diary(self, restaurant_id: UUID, span: Window) -> Diary: ...


@dataclass(frozen=True, slots=True)
class DiaryLimits:
    """At most `claims_max` claims and waiting bookings are kept in all, each diary for `ttl_s` seconds at most.

    And those of at most `restaurants_max` restaurants: a diary keeps the floor that it was last used with.
    """

    claims_max: int
    ttl_s: float
    restaurants_max: int


@dataclass(slots=True)
class _Shelf:
    """A restaurant's diaries of one version, the one used last in front."""

    floor_version: int
    until_s: float
    diaries: list[Diary] = field(default_factory=list)

    @property
    def size(self) -> int:
        # A diary of an empty day takes room, too.
        return sum(1 + diary.size for diary in self.diaries)


class CachedDiaries:
    """Implements `DiarySource` and `ChangeHearer`. Diaries of one version stand together and go together.

    Concurrent misses of the same days wait for one reading.
    """

    def __init__(
        self,
        reader: DiaryReader,
        limits: DiaryLimits,
        metrics: CacheMetrics,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._metrics = metrics
        self._clock_s = clock_s
        self._shelves: OrderedDict[UUID, _Shelf] = OrderedDict()
        self._size = 0
        self._loads = Lanes(1)

    async def covering(self, restaurant: Restaurant, span: Window) -> Diary:
        """See the port. What is read is read in whole days."""
        found = self._find(restaurant, span)
        self._metrics.looked_up(hit=found is not None)
        if found is not None:
            return found
        days = whole_days(span)
        async with self._loads.enter((restaurant.restaurant_id, restaurant.floor_version, days)):
            return self._find(restaurant, span) or await self._read(restaurant.restaurant_id, days)

    def on_change(self, announcement: Announcement) -> None:
        shelf = self._shelves.get(announcement.restaurant_id)
        if shelf is not None and shelf.floor_version < announcement.floor_version:
            self._drop(announcement.restaurant_id, "outdated")

    def on_gap(self) -> None:
        """A restored database gives version numbers out again; what is kept from before must not be found by them."""
        for restaurant_id in tuple(self._shelves):
            self._drop(restaurant_id, "flushed")

    def on_channel(self, database: str | None) -> None:
        """Versions are compared on every use, whether the channel is there or not; but while it is away, a standby that
        lacks the last changes may have taken over, and come as far again by others.
        """
        if database is None:
            self.on_gap()

    def _find(self, restaurant: Restaurant, span: Window) -> Diary | None:
        shelf = self._shelves.get(restaurant.restaurant_id)
        if shelf is None or shelf.floor_version != restaurant.floor_version:
            return None
        if shelf.until_s < self._clock_s():
            self._drop(restaurant.restaurant_id, "outdated")
            return None
        self._shelves.move_to_end(restaurant.restaurant_id)
        return next((diary for diary in shelf.diaries if diary.covers(span)), None)

    async def _read(self, restaurant_id: UUID, days: Window) -> Diary:
        diary = await self._reader.diary(restaurant_id, days)
        self._metrics.loaded("database")
        if diary.size < self._limits.claims_max:
            self._keep(restaurant_id, diary)
        return diary

    def _keep(self, restaurant_id: UUID, diary: Diary) -> None:
        shelf = self._shelves.get(restaurant_id)
        if shelf is not None and shelf.floor_version != diary.floor_version:
            # Either may be the newer one, and the next request will tell.
            self._drop(restaurant_id, "outdated")
            shelf = None
        if shelf is None:
            shelf = _Shelf(diary.floor_version, self._clock_s() + self._limits.ttl_s)
            self._shelves[restaurant_id] = shelf
        before = shelf.size
        shelf.diaries = [diary, *(each for each in shelf.diaries if not diary.covers(each.span))]
        self._size += shelf.size - before
        self._shelves.move_to_end(restaurant_id)
        while self._size > self._limits.claims_max or len(self._shelves) > self._limits.restaurants_max:
            self._drop(next(iter(self._shelves)), "room")

    def _drop(self, restaurant_id: UUID, cause: str) -> None:
        self._size -= self._shelves.pop(restaurant_id).size
        self._metrics.evicted(cause)
