"""AutoAssign without gRPC, and what it counts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from server.cache.inventories import CachedInventories, CacheLimits
from server.clock import Deadline
from server.domain.restaurant import Caller
from server.orchestrator.auto_assign import AutoAssign, AutoAssignCommand
from server.orchestrator.idempotency import Once
from server.persistence.pool import Pool, PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.telemetry.metrics import AutoAssignMetrics, CacheMetrics
from tests.builders.world import World, small_world
from tests.conftest import Served

MARGIN_S = 0.6
CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Direct:
    """The use case on a pool of its own, as a background worker has it."""

    world: World
    use: AutoAssign
    pool: Pool
    caller: Caller
    counted: InMemoryMetricReader

    async def run(self, booking_id: str, seconds: float = 30.0) -> object:
        command = AutoAssignCommand(None, "worker", UUID(self.world.restaurant_id), UUID(booking_id))
        return await self.use(self.caller, command, Deadline.after(seconds))

    def outcomes(self) -> Mapping[str, int]:
        data = self.counted.get_metrics_data()
        assert data is not None
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
        assert metric.name == "maitred.auto_assign.outcomes"
        points: Any = metric.data.data_points
        return {point.attributes["outcome"]: point.value for point in points}


@asynccontextmanager
async def direct(server: Served) -> AsyncIterator[Direct]:
    reader = InMemoryMetricReader()
    pool = await open_pool(PoolSettings(server.database_url, size_max=CONNECTIONS))
    store = SqlStore(pool, StoreSettings())
    use = AutoAssign(
        Once(store),
        store.catalogue,
        CachedInventories(CacheLimits(10, 600.0), CacheMetrics()),
        uuid4,
        MARGIN_S,
        AutoAssignMetrics(MeterProvider([reader])),
    )
    try:
        async with server.client() as client:
            yield Direct(
                await small_world(client), use, pool, Caller(server.tenant_id, "worker", frozenset()), reader
            )
    finally:
        await pool.close()
