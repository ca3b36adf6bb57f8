"""Follows what is announced: old versions go, and new ones of restaurants in use are loaded before somebody asks."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from server.cache.inventories import CachedInventories, InventoryReader
from server.domain.announcement import Announcement
from server.lifecycle import end_task

log = structlog.get_logger(__name__)


async def _nobody(_: UUID) -> None:
    """Nobody waits for it."""


class CacheFollower:
    """Implements `ChangeHearer`. One load at a time, so that it never crowds out the requests it works for.

    `on_loaded` is called when a restaurant's announced version is there. `start`, `stop`; stopping twice is harmless.
    """

    def __init__(
        self,
        inventories: CachedInventories,
        reader: InventoryReader,
        on_loaded: Callable[[UUID], Awaitable[None]] = _nobody,
    ) -> None:
        self._inventories = inventories
        self._reader = reader
        self._on_loaded = on_loaded
        self._wanted: dict[UUID, Announcement] = {}
        self._flush = False
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def on_change(self, announcement: Announcement) -> None:
        if self._inventories.outdated(announcement):
            self._wanted[announcement.restaurant_id] = announcement
            self._woken.set()

    def on_gap(self) -> None:
        """A restored database gives version numbers out again; what is kept from before must not be found by them."""
        self._flush = True
        self._wanted.clear()
        self._woken.set()

    def on_channel(self, database: str | None) -> None:
        """Entries are compared by version on every use, whether the channel is there or not; but while it is away, a
        standby that lacks the last changes may have taken over, and come as far again by others.
        """
        if database is None:
            self.on_gap()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="cache follower")

    async def stop(self) -> None:
        task, self._task = self._task, None
        await end_task(task)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._flush:
                self._flush = False
                await self._inventories.flush()
            while self._wanted and not self._flush:
                await self._follow(self._wanted.pop(next(iter(self._wanted))))

    async def _follow(self, announced: Announcement) -> None:
        restaurant_id = announced.restaurant_id
        key = (restaurant_id, announced.inventory_version, announced.policy_version)
        await self._inventories.forget(restaurant_id)
        try:
            await self._inventories.at(key, self._reader)
        except Exception as problem:  # noqa: BLE001  # whatever it is, nobody waits for it
            # Whoever needs it will load it, and be told what is wrong.
            log.warning("floor_not_loaded_ahead", restaurant_id=str(restaurant_id), problem=str(problem))
        else:
            await self._on_loaded(restaurant_id)
