"""Whoever works for the same restaurant or tenant, or loads the same thing, takes turns with the others who do."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Lanes:
    """At most `width` holders per key; waiters are served in order, and a key that nobody uses costs nothing."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._lanes: dict[Hashable, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def enter(self, key: Hashable) -> AsyncIterator[None]:
        lane, users = self._lanes.get(key, (None, 0))
        lane = lane or asyncio.Semaphore(self._width)
        self._lanes[key] = (lane, users + 1)
        try:
            async with lane:
                yield
        finally:
            _, users = self._lanes[key]
            if users == 1:
                del self._lanes[key]
            else:
                self._lanes[key] = (lane, users - 1)
