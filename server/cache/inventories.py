"""Prepared inventories in memory, by version: a version's content never changes, so an entry is never wrong.

The versions that a request needs come with the restaurant's row, which every request reads anyway. So what is used is
compared with the database on every use, and nothing rests on a message that might not come. Announcements only free
memory earlier and load what has changed before somebody asks for it.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog

from server.cache.flight import SingleFlight
from server.domain.announcement import Announcement
from server.domain.policy import Combinations
from server.domain.restaurant import Restaurant
from server.orchestrator.ports import Inventory, PreparedInventory
from server.planner.catalog import TableSets
from server.telemetry.metrics import CacheMetrics

log = structlog.get_logger(__name__)

Key: TypeAlias = tuple[UUID, int, int]
"""Restaurant, inventory version, policy version."""


class InventoryReader(Protocol):
    """Reads the present inventory of a restaurant."""

    async def inventory(self, restaurant_id: UUID) -> Inventory: ...


class InventoryDocuments(Protocol):
    """Inventories outside of this process. Never raises: what is not to be had is None."""

    async def get(self, key: Key) -> Inventory | None: ...

    async def put(self, key: Key, inventory: Inventory) -> None: ...


class NoDocuments:
    """What there is without a shared cache."""

    async def get(self, key: Key) -> Inventory | None:
        return None

    async def put(self, key: Key, inventory: Inventory) -> None:
        return None


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """At most `entries_max` inventories are kept, the most recently used ones, each for `ttl_s` seconds at most."""

    entries_max: int
    ttl_s: float


class CachedInventories:
    """Implements `InventorySource`: reads and prepares each version once per process.

    Concurrent misses of one version wait for one load. What is found is shared and must not be changed; all of it is
    frozen.
    """

    def __init__(
        self, limits: CacheLimits, metrics: CacheMetrics, documents: InventoryDocuments | None = None
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._documents = documents or NoDocuments()
        # The one used last at the end.
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._versions: dict[UUID, set[Key]] = {}
        self._flight = SingleFlight()

    async def prepared(self, restaurant: Restaurant, reader: InventoryReader) -> PreparedInventory:
        key = (restaurant.restaurant_id, restaurant.inventory_version, restaurant.policy_version)
        return await self.at(key, reader)

    async def at(self, key: Key, reader: InventoryReader) -> PreparedInventory:
        """The inventory of this version, or of a newer one if that is what there is by now."""
        found = self._find(key)
        self._metrics.looked_up(hit=found is not None)
        if found is not None:
            return found
        async with self._flight.turn(key):
            return self._find(key) or await self._load(key, reader)

    def outdated(self, announcement: Announcement) -> bool:
        """Whether this restaurant is in use here, in other versions than those announced."""
        versions = (announcement.inventory_version, announcement.policy_version)
        kept = self._versions.get(announcement.restaurant_id, ())
        return bool(kept) and all(key[1:] < versions for key in kept)

    def forget(self, restaurant_id: UUID, but: Key | None = None) -> None:
        """Drops every version of a restaurant, or every one but this."""
        for key in tuple(self._versions.get(restaurant_id, ())):
            if key != but:
                self._drop(key, "outdated")

    def flush(self) -> None:
        """Drops everything."""
        for key in tuple(self._kept):
            self._drop(key, "flushed")

    def _find(self, key: Key) -> PreparedInventory | None:
        kept = self._kept.get(key)
        if kept is None or kept.prepared is None:
            return None
        self._kept.move_to_end(key)
        return kept.prepared

    async def _load(self, key: Key, reader: InventoryReader) -> PreparedInventory:
        """From where it is nearest. The database answers with its present version, which is kept under its own key."""
        inventory = await self._documents.get(key)
        self._metrics.loaded("database" if inventory is None else "shared")
        if inventory is None:
            inventory = await reader.inventory(key[0])
            key = (key[0], inventory.inventory_version, inventory.policy_version)
            await self._documents.put(key, inventory)
        combinations = inventory.policy.combinations if inventory.policy else Combinations()
        sets = await asyncio.to_thread(TableSets.of, inventory.floor, combinations)
        return self._keep(key, PreparedInventory(inventory, sets))

    def _keep(self, key: Key, prepared: PreparedInventory) -> PreparedInventory:
        old = self._kept.pop(key, None)
        if old is not None:
            old.end.cancel()
        self._kept[key] = _Kept.for_seconds(self._limits.ttl_s, prepared)
        self._versions.setdefault(key[0], set()).add(key)
        while len(self._kept) > self._limits.entries_max:
            self._drop(next(iter(self._kept)), "room")
        return prepared

    def _drop(self, key: Key, cause: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        kept.end.cancel()
        versions = self._versions[key[0]]
        versions.discard(key)
        if not versions:
            del self._versions[key[0]]
        self._metrics.evicted(cause)


@dataclass(slots=True, eq=False)
class _Kept:
    """What is kept of a version: nothing any more when its time is over, until it is loaded anew or has to go."""

    prepared: PreparedInventory | None
    end: asyncio.TimerHandle = field(init=False)

    @classmethod
    def for_seconds(cls, seconds: float, prepared: PreparedInventory) -> "_Kept":
        kept = cls(prepared)
        kept.end = asyncio.get_running_loop().call_later(seconds, kept.forget)
        return kept

    def forget(self) -> None:
        self.prepared = None
