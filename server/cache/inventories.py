"""Prepared inventories in memory, by version: a version's content never changes, so an entry is never wrong.

The versions that a request needs come with the restaurant's row, which every request reads anyway. So what is used is
compared with the database on every use, and nothing rests on a message that might not come. Announcements only free
memory earlier and load what has changed before somebody asks for it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog
from aiocache import SimpleMemoryCache

from server.aside import aside
from server.domain.announcement import Announcement
from server.domain.policy import Combinations
from server.domain.restaurant import Restaurant
from server.lanes import Lanes
from server.orchestrator.ports import Inventory, PreparedInventory
from server.planner.catalog import TableSets
from server.telemetry.metrics import CacheMetrics

log = structlog.get_logger(__name__)

Key: TypeAlias = tuple[UUID, int, int]
"""Restaurant, inventory version, policy version."""


class InventoryReader(Protocol):
    """Reads the present inventory of a restaurant."""

    @property
    def has_connection(self) -> bool:
        """Whether it has the connection that it reads on; else it waits for one."""
        ...

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

    Concurrent misses of one version wait for one load; but who has a connection never waits for somebody who needs one,
    or all connections would be waiting. What is found is shared and must not be changed; all of it is frozen.
    """

    def __init__(
        self, limits: CacheLimits, metrics: CacheMetrics, documents: InventoryDocuments | None = None
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._documents = documents or NoDocuments()
        self._cache = SimpleMemoryCache(ttl=limits.ttl_s, timeout=0)
        # With the name that each has in the cache, the one used last at the end.
        self._names: OrderedDict[Key, str] = OrderedDict()
        self._versions: dict[UUID, set[Key]] = {}
        self._loads = Lanes(1)

    async def prepared(self, restaurant: Restaurant, reader: InventoryReader) -> PreparedInventory:
        return await self.at(_key_of(restaurant), reader)

    async def known(self, restaurant: Restaurant) -> Inventory | None:
        """The inventory at the restaurant's versions if it is here; nothing is loaded."""
        found = await self._find(_key_of(restaurant))
        return found.inventory if found else None

    async def at(self, key: Key, reader: InventoryReader) -> PreparedInventory:
        """The inventory of this version, or of a newer one if that is what there is by now."""
        found = await self._find(key)
        self._metrics.looked_up(hit=found is not None)
        if found is not None:
            return found
        async with self._loads.enter((key, reader.has_connection)):
            return await self._find(key) or await self._load(key, reader)

    def outdated(self, announcement: Announcement) -> bool:
        """Whether this restaurant is in use here, in other versions than those announced."""
        versions = (announcement.inventory_version, announcement.policy_version)
        kept = self._versions.get(announcement.restaurant_id, ())
        return bool(kept) and all(key[1:] < versions for key in kept)

    async def forget(self, restaurant_id: UUID) -> None:
        """Drops every version of a restaurant."""
        for key in tuple(self._versions.get(restaurant_id, ())):
            await self._drop(key, "outdated")

    async def flush(self) -> None:
        """Drops everything."""
        for key in tuple(self._names):
            await self._drop(key, "flushed")

    async def _find(self, key: Key) -> PreparedInventory | None:
        name = self._names.get(key)
        if name is None:
            return None
        found: PreparedInventory | None = await self._cache.get(name)
        if found is not None and key in self._names:
            self._names.move_to_end(key)
        return found

    async def _load(self, key: Key, reader: InventoryReader) -> PreparedInventory:
        """From where it is nearest. The database answers with its present version, which is kept under its own key."""
        inventory = await self._documents.get(key)
        self._metrics.loaded("database" if inventory is None else "shared")
        if inventory is None:
            inventory = await reader.inventory(key[0])
            key = (key[0], inventory.inventory_version, inventory.policy_version)
            await self._documents.put(key, inventory)
        # Somebody with a connection may have been faster.
        return await self._find(key) or await self._keep(key, await _prepared(inventory))

    async def _keep(self, key: Key, prepared: PreparedInventory) -> PreparedInventory:
        name = _name(key)
        await self._cache.set(name, prepared)
        self._names[key] = name
        self._names.move_to_end(key)
        self._versions.setdefault(key[0], set()).add(key)
        while len(self._names) > self._limits.entries_max:
            await self._drop(next(iter(self._names)), "room")
        return prepared

    async def _drop(self, key: Key, cause: str) -> None:
        name = self._names.pop(key, None)
        if name is None:
            return
        versions = self._versions[key[0]]
        versions.discard(key)
        if not versions:
            del self._versions[key[0]]
        self._metrics.evicted(cause)
        await self._cache.delete(name)


async def _prepared(inventory: Inventory) -> PreparedInventory:
    combinations = inventory.policy.combinations if inventory.policy else Combinations()
    return PreparedInventory(inventory, await aside(lambda: TableSets.of(inventory.floor, combinations)))


def _key_of(restaurant: Restaurant) -> Key:
    return restaurant.restaurant_id, restaurant.inventory_version, restaurant.policy_version


def _name(key: Key) -> str:
    restaurant_id, inventory_version, policy_version = key
    return f"{restaurant_id}:{inventory_version}:{policy_version}"
