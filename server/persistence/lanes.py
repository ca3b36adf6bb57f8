"""One busy restaurant must not take every connection: its writers queue here, before they take one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.orchestrator.ports import Named


class Lanes:
    """At most `width` holders per key; waiters are served in order, and a key that nobody uses costs nothing."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._lanes: dict[Named, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def enter(self, key: Named) -> AsyncIterator[None]:
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
