"""Spreads the changes of watched floors: read once per restaurant and process, handed to all who watch."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import structlog

from server.domain.announcement import Announcement
from server.lifecycle import end_task
from server.orchestrator.floor_log import FloorChange, FloorLog, FloorPlace
from server.telemetry.metrics import WatchMetrics

log = structlog.get_logger(__name__)

READS_AT_ONCE_MAX = 4


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """`queue_max` changes wait per watcher before it is told to resume; `batch_max` are read at once.

    `poll_s` is the longest that a change stays unnoticed when nothing is announced.
    """

    queue_max: int = 256
    batch_max: int = 200
    poll_s: float = 1.0


class EndCause(StrEnum):
    """Why a watch ends before the caller ends it."""

    SLOW = "slow"
    DRAINING = "draining"
    COMPACTED = "compacted"


@dataclass(eq=False, slots=True)
class Subscription:
    """What one watcher still has to be told. It gets every change after `from_version`, in order, until it ends."""

    from_version: int
    queue_max: int
    ended: EndCause | None = None
    _waiting: deque[FloorChange] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, change: FloorChange) -> None:
        """A watcher that does not keep up is told so instead of being served from memory without end."""
        if self.ended is not None:
            return
        if len(self._waiting) >= self.queue_max:
            self.end(EndCause.SLOW)
            return
        self._waiting.append(change)
        self._woken.set()

    def end(self, cause: EndCause) -> None:
        """What has not been handed over by now never will be: the watcher resumes elsewhere."""
        self.ended = self.ended or cause
        self._waiting.clear()
        self._woken.set()

    async def next(self, timeout_s: float) -> FloorChange | EndCause | None:
        """The next change, why there is none any more, or None when nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return None
        if self.ended is not None:
            return self.ended
        change = self._waiting.popleft()
        if not self._waiting:
            self._woken.clear()
        return change


@dataclass(eq=False, slots=True)
class _Channel:
    """A watched restaurant. Everything up to `place` has been handed to its subscriptions.

    `behind` says that more may have been committed since the last reading began.
    """

    tenant_id: UUID
    place: FloorPlace
    behind: bool = False
    subscriptions: set[Subscription] = field(default_factory=set)
    reading: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        return self.place.floor_version


class FloorFeed:
    """Implements `ChangeHearer`. `start`, `stop`; stopping twice is harmless, and ends every subscription.

    Announcements say when to read; where none comes, looking at all watched restaurants every `poll_s` finds out.
    """

    def __init__(self, floor_log: FloorLog, settings: FeedSettings, metrics: WatchMetrics) -> None:
        self._log = floor_log
        self._settings = settings
        self._metrics = metrics
        self._channels: dict[UUID, _Channel] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE_MAX)
        self._look_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def batch_max(self) -> int:
        return self._settings.batch_max

    @contextmanager
    def subscribe(self, tenant_id: UUID, restaurant_id: UUID, newest: FloorPlace) -> Iterator[Subscription]:
        """Follows a restaurant that had come to this place a moment ago.

        The subscription may begin earlier or later than that; `from_version` says where.
        """
        channel = self._channels.get(restaurant_id)
        if channel is None:
            channel = self._channels[restaurant_id] = _Channel(tenant_id, newest)
        subscription = Subscription(channel.version, self._settings.queue_max)
        if self._stopped:
            subscription.end(EndCause.DRAINING)
        channel.subscriptions.add(subscription)
        if len(channel.subscriptions) == 1:
            # What was announced since the version was read was announced to nobody.
            self._wake(restaurant_id, channel, channel.version + 1)
        self._metrics.joined()
        try:
            yield subscription
        finally:
            self._leave(restaurant_id, channel, subscription)

    def _leave(self, restaurant_id: UUID, channel: _Channel, subscription: Subscription) -> None:
        self._metrics.left()
        if subscription.ended is not None:
            self._metrics.sent_back(subscription.ended.value)
        channel.subscriptions.discard(subscription)
        if not channel.subscriptions and self._channels.get(restaurant_id) is channel:
            del self._channels[restaurant_id]

    def on_change(self, announcement: Announcement) -> None:
        channel = self._channels.get(announcement.restaurant_id)
        if channel is not None:
            self._wake(announcement.restaurant_id, channel, announcement.floor_version)

    def on_gap(self) -> None:
        self._look_now.set()

    def on_channel(self, database: str | None) -> None:
        """Looking goes on in any case."""

    async def start(self) -> None:
        self._task = asyncio.create_task(self._look_again_and_again(), name="floor feed")

    async def stop(self) -> None:
        self._stopped = True
        task, self._task = self._task, None
        for channel in self._channels.values():
            for subscription in channel.subscriptions:
                subscription.end(EndCause.DRAINING)
        readers = [channel.reading for channel in self._channels.values()]
        await asyncio.gather(*map(end_task, (task, *readers)))

    def _wake(self, restaurant_id: UUID, channel: _Channel, version: int) -> None:
        """Reads on when there is something new; a reading that is under way is followed by another."""
        if version <= channel.version or self._stopped:
            return
        channel.behind = True
        if channel.reading is None:
            channel.reading = asyncio.create_task(self._read(restaurant_id, channel))

    async def _read(self, restaurant_id: UUID, channel: _Channel) -> None:
        try:
            async with self._reads:
                while channel.behind and channel.subscriptions:
                    channel.behind = False
                    await self._read_on(restaurant_id, channel)
        except Exception as problem:  # noqa: BLE001  # the next look tries again
            log.warning("floor_not_read", restaurant_id=str(restaurant_id), problem=str(problem))
        finally:
            channel.reading = None

    async def _read_on(self, restaurant_id: UUID, channel: _Channel) -> None:
        found = await self._log.changes(
            channel.tenant_id, restaurant_id, channel.version, self._settings.batch_max
        )
        if found is None:
            return
        gone = not found.changes and channel.version < found.floor_version
        if gone or not found.follow(channel.place):
            self._close(restaurant_id, channel, EndCause.COMPACTED)
            return
        for change in found.changes:
            if change.floor_version != channel.version + 1:
                self._close(restaurant_id, channel, EndCause.COMPACTED)
                return
            channel.place = change.place
            for subscription in channel.subscriptions:
                subscription.put(change)
        channel.behind = channel.behind or channel.version < found.floor_version

    def _close(self, restaurant_id: UUID, channel: _Channel, cause: EndCause) -> None:
        """Whoever watches next gets a channel of its own."""
        channel.behind = False
        if self._channels.get(restaurant_id) is channel:
            del self._channels[restaurant_id]
        for subscription in channel.subscriptions:
            subscription.end(cause)

    async def _look_again_and_again(self) -> None:
        while True:
            self._look_now.clear()
            try:
                await self._look()
            except Exception as problem:  # noqa: BLE001  # the next look tries again
                log.warning("floors_not_looked_at", problem=str(problem))
            try:
                async with asyncio.timeout(self._settings.poll_s):
                    await self._look_now.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        if not self._channels:
            return
        told = {restaurant_id: channel.version for restaurant_id, channel in self._channels.items()}
        versions = await self._log.floor_versions(tuple(told))
        for restaurant_id, version in versions.items():
            channel = self._channels.get(restaurant_id)
            if channel is None:
                continue
            if version < told[restaurant_id]:
                # Earlier than what was told already: another history has begun.
                self._close(restaurant_id, channel, EndCause.COMPACTED)
            else:
                self._wake(restaurant_id, channel, version)
