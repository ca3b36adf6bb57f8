"""An outbox with events in it, and a handler that remembers what it was given."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from server.outbox.backoff import Backoff
from server.outbox.delivery import DeadPolicy, Delivery, DeliveryRules
from server.outbox.events import OutboxEvent
from server.outbox.outage import Outage
from server.outbox.ports import Handler
from server.outbox.relay import Relay, RelaySettings
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.queries import load_queries
from server.persistence.session import WorkerSession
from tests.support.database import Connection, connected


class Received:
    """What was delivered, by restaurant and in the order of delivery."""

    def __init__(self) -> None:
        self.versions: dict[UUID, list[int]] = defaultdict(list)
        self.count = 0
        self._more = asyncio.Event()

    async def __call__(self, event: OutboxEvent) -> None:
        self.versions[event.restaurant_id].append(event.floor_version)
        self.count += 1
        self._more.set()

    async def until(self, count: int) -> None:
        """Waits until so many were delivered."""
        while self.count < count:
            self._more.clear()
            await self._more.wait()


async def put_events(url: str, *, restaurants: int = 1, versions: int = 1) -> list[UUID]:
    """New restaurants of a new tenant, each with one event per floor version."""
    tenant_id, ids = uuid4(), sorted(uuid4() for _ in range(restaurants))
    async with connected(url) as connection:
        async with connection.transaction():
            await connection.execute("INSERT INTO tenants (tenant_id) VALUES ($1)", tenant_id)
            await connection.execute(
                "INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone)"
                " SELECT id, $1, 'r', 'UTC' FROM unnest($2::uuid[]) AS t (id)",
                tenant_id,
                ids,
            )
        for restaurant_id in ids:
            await _add_events(connection, restaurant_id, versions)
    return ids


async def add_events(url: str, restaurant_id: UUID, versions: int = 1) -> None:
    """As many changes of a restaurant, committed together."""
    async with connected(url) as connection:
        await _add_events(connection, restaurant_id, versions)


async def _add_events(connection: Connection, restaurant_id: UUID, versions: int) -> None:
    async with connection.transaction():
        await connection.execute(
            "UPDATE restaurants SET floor_version = floor_version + $2 WHERE restaurant_id = $1",
            restaurant_id,
            versions,
        )
        await connection.execute(
            "INSERT INTO capacity_outbox (restaurant_id, tenant_id, floor_version, position, created_at, updated_at,"
            " next_attempt_at, event_type, dedupe_key, idempotency_key, payload)"
            " SELECT r.restaurant_id, r.tenant_id, r.floor_version - $2 + v, 1, now(), now(), now(),"
            " 'capacity.hold.created', r.restaurant_id::text || (r.floor_version - $2 + v)::text, '', '{}'"
            " FROM restaurants AS r, generate_series(1, $2) AS v WHERE r.restaurant_id = $1",
            restaurant_id,
            versions,
        )


def delivery(
    handler: Handler,
    *,
    attempts_max: int = 3,
    dead_policy: DeadPolicy = DeadPolicy.CONTINUE,
    timeout_s: float = 30.0,
    wait_s: float = 0.0,
    outage_s_max: float = 3_600.0,
) -> Delivery:
    rules = DeliveryRules(attempts_max, timeout_s, dead_policy, Backoff(wait_s, wait_s, lambda: 1.0))
    return Delivery(handler, rules, Outage(outage_s_max, time.monotonic))


@asynccontextmanager
async def queue_on(url: str, lease_s: float = 30.0, timeout_s: float = 30.0) -> AsyncIterator[SqlEventQueue]:
    """A worker of its own, with its session."""
    session = WorkerSession(PoolSettings(url), timeout_s)
    pool = await open_pool(PoolSettings(url, size_min=1, size_max=4))
    try:
        yield SqlEventQueue(pool, session, lease_s, timeout_s)
    finally:
        await session.close()
        await pool.close()


@asynccontextmanager
async def relay_on(
    url: str, work: Delivery, *, runs_max: int = 8, events_max: int = 10, poll_s: float = 0.05
) -> AsyncIterator[Relay]:
    """A relay that is not started."""
    async with queue_on(url) as queue:
        relay = Relay(queue, work, RelaySettings(runs_max, events_max, poll_s, 30.0))
        try:
            yield relay
        finally:
            await relay.stop()


async def statuses(url: str) -> list[str]:
    """The status of every event, in order."""
    async with connected(url) as connection:
        return await _statuses(connection)


async def until_delivered(url: str) -> None:
    """Until every event has arrived."""
    async with connected(url) as connection:
        while set(await _statuses(connection)) != {"done"}:  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.1)


async def _statuses(connection: Connection) -> list[str]:
    found = await connection.fetch(
        "SELECT status FROM capacity_outbox ORDER BY restaurant_id, floor_version, position"
    )
    return [row["status"] for row in found]


async def redrive(url: str, restaurant_id: UUID) -> int:
    """Redrives every dead event of a restaurant; how many there were."""
    async with connected(url) as connection:
        tenant_id = await connection.fetchval(
            "SELECT tenant_id FROM restaurants WHERE restaurant_id = $1", restaurant_id
        )
        redriven = await connection.fetch(
            load_queries("outbox")["redrive_events"], tenant_id, None, restaurant_id, None, 100
        )
        return len(redriven)
