"""Real relays on a measured database, with handlers that do nothing but count, or wait."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from server.bench.ground import Ground, Stopwatch
from server.news import pool_settings
from server.outbox.backoff import Backoff
from server.outbox.delivery import DeadPolicy, Delivery, DeliveryRules
from server.outbox.events import OutboxEvent
from server.outbox.outage import Outage
from server.outbox.ports import Handler
from server.outbox.relay import Relay, RelaySettings
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import open_pool
from server.persistence.session import WorkerSession

QueueT = TypeVar("QueueT", bound=SqlEventQueue)


class Count:
    """Counts events, and says when there have been enough."""

    def __init__(self, enough: int) -> None:
        self._left = enough
        self.enough = asyncio.Event()

    def one(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.enough.set()


class NothingToDo:
    """A handler that only counts."""

    def __init__(self, count: Count) -> None:
        self._count = count

    async def __call__(self, event: OutboxEvent) -> None:
        self._count.one()


class Waits:
    """A handler that waits, as one does that calls somebody."""

    def __init__(self, count: Count, seconds: float) -> None:
        self._count = count
        self._seconds = seconds

    async def __call__(self, event: OutboxEvent) -> None:
        await asyncio.sleep(self._seconds)
        self._count.one()


@asynccontextmanager
async def queue_on(ground: Ground, kind: type[QueueT]) -> AsyncIterator[QueueT]:
    """A worker's queue with a session of its own, connected."""
    settings, wanted = ground.settings, pool_settings(ground.settings, ground.url)
    pool, session = await open_pool(wanted), WorkerSession(wanted, settings.event_timeout_s)
    try:
        queue = kind(pool, session, settings.lease_s, settings.event_timeout_s)
        await queue.claim(0, 1)
        yield queue
    finally:
        await session.close()
        await pool.close()


def relay_on(ground: Ground, queue: SqlEventQueue, handler: Handler, runs_max: int, events_max: int) -> Relay:
    """A relay as a worker has it, with another handler."""
    settings = ground.settings
    backoff = Backoff(settings.event_retry_s, settings.event_retry_s_max, random.random)
    rules = DeliveryRules(settings.event_attempts_max, settings.event_timeout_s, DeadPolicy.CONTINUE, backoff)
    return Relay(
        queue,
        Delivery(handler, rules, Outage(settings.event_outage_s_max, time.monotonic)),
        RelaySettings(runs_max, events_max, settings.relay_poll_s, settings.lease_s),
    )


async def seconds_to_drain(ground: Ground, events: int) -> float:
    """One worker, with a handler that does nothing, until every event is settled."""
    count = Count(events)
    settings = ground.settings
    async with queue_on(ground, SqlEventQueue) as queue:
        relay = relay_on(
            ground, queue, NothingToDo(count), settings.relay_restaurants_max, settings.relay_events_max
        )
        watch = Stopwatch()
        await relay.start()
        await count.enough.wait()
        await relay.stop()
        seconds = watch.seconds
    assert await ground.events.left() == 0, "a stopped relay has settled what was delivered"
    return seconds


async def seconds_with_waiting(
    ground: Ground, events: int, workers: int, restaurants_max: int, wait_s: float
) -> float:
    """So many workers, each with so many restaurants in hand and handlers that wait, until every event is settled."""
    count = Count(events)
    async with AsyncExitStack() as stack:
        queues = [await stack.enter_async_context(queue_on(ground, SqlEventQueue)) for _ in range(workers)]
        events_max = ground.settings.relay_events_max
        relays = [
            relay_on(ground, queue, Waits(count, wait_s), restaurants_max, events_max) for queue in queues
        ]
        watch = Stopwatch()
        for relay in relays:
            await relay.start()
        await count.enough.wait()
        for relay in relays:
            await relay.stop()
        seconds = watch.seconds
    assert await ground.events.left() == 0, "stopped relays have settled what was delivered"
    return seconds
