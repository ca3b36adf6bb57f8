"""Prepared inventories in memory, by version: a version's content never changes, so an entry is never wrong."""

import asyncio
from collections import OrderedDict
from typing import TypeAlias
from uuid import UUID

from aiocache import SimpleMemoryCache

from server.domain.policy import Combinations
from server.domain.restaurant import Restaurant
from server.orchestrator.ports import PreparedInventory, Reader
from server.planner.catalog import TableSets

Key: TypeAlias = tuple[UUID, int, int]


class CachedInventories:
    """Implements `InventorySource`: reads and prepares each version once per process.

    Concurrent misses of one version wait for one reading. Holds at most `entries_max` inventories, the most
    recently used ones, each for at most `ttl_s` seconds after it was read.
    """

    def __init__(self, entries_max: int, ttl_s: float) -> None:
        self._entries_max = entries_max
        self._cache = SimpleMemoryCache(ttl=ttl_s)
        self._recency: OrderedDict[Key, None] = OrderedDict()
        self._reading: dict[Key, asyncio.Lock] = {}

    async def prepared(self, restaurant: Restaurant, reader: Reader) -> PreparedInventory:
        key = (restaurant.restaurant_id, restaurant.inventory_version, restaurant.policy_version)
        found = await self._find(key)
        if found is not None:
            return found
        lock = self._reading.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return await self._find(key) or await self._read(restaurant.restaurant_id, reader)
        finally:
            if not lock.locked():
                self._reading.pop(key, None)

    async def _find(self, key: Key) -> PreparedInventory | None:
        found: PreparedInventory | None = await self._cache.get(_name(key))
        if found is not None and key in self._recency:
            self._recency.move_to_end(key)
        return found

    async def _read(self, restaurant_id: UUID, reader: Reader) -> PreparedInventory:
        """Reads the present version, which may be newer than the one asked for; it is kept under its own."""
        inventory = await reader.inventory(restaurant_id)
        combinations = inventory.policy.combinations if inventory.policy else Combinations()
        sets = await asyncio.to_thread(TableSets.of, inventory.floor, combinations)
        prepared = PreparedInventory(inventory, sets)
        key = (restaurant_id, inventory.inventory_version, inventory.policy_version)
        await self._cache.set(_name(key), prepared)
        self._recency[key] = None
        self._recency.move_to_end(key)
        while len(self._recency) > self._entries_max:
            oldest, _ = self._recency.popitem(last=False)
            await self._cache.delete(_name(oldest))
        return prepared


def _name(key: Key) -> str:
    restaurant_id, inventory_version, policy_version = key
    return f"{restaurant_id}:{inventory_version}:{policy_version}"
