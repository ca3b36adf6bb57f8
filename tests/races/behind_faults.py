"""A world behind a server in whose transactions something happens at a chosen statement."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from maitred_client import AsyncMaitredClient
from server.bootstrap import serving
from server.config import load_settings
from server.persistence.pool import DriverConnection
from tests.builders.world_extras import House, house
from tests.conftest import Served
from tests.races.attempts import ONCE_ONLY, TIMEOUT_S
from tests.races.evidence import Dump, broken_invariants, difference, dump
from tests.races.faults import FaultPlan, Run, Strike, faulty_connection
from tests.support.database import connected

LOCK = "FOR NO KEY UPDATE"
COMMIT = "COMMIT"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """`place` is asked through a server whose connections go by the plan."""

    server: Served
    place: House
    plan: FaultPlan

    async def dump(self) -> Dump:
        async with connected(self.server.database_url) as database:
            return await dump(database, self.place.restaurant_id)

    async def effect(self, before: Dump) -> dict[str, int]:
        return difference(before, await self.dump())

    async def require_sound(self) -> None:
        async with connected(self.server.database_url) as database:
            assert await broken_invariants(database, self.place.restaurant_id) == {}


@asynccontextmanager
async def interrupted(url: str, **settings: object) -> AsyncIterator[Interrupted]:
    plan, tenant_id = FaultPlan(), uuid4()
    chosen = load_settings(port=0, log_level="error", health_interval_s=60, **settings)
    async with (
        serving(chosen, url, faulty_connection(plan)) as running,
        AsyncMaitredClient(
            running.address, tenant_id=tenant_id, actor="faults", timeout_s=TIMEOUT_S, retry=ONCE_ONLY
        ) as client,
    ):
        yield Interrupted(Served(running.address, url, tenant_id), await house(client), plan)


def first(meanwhile: Callable[[], Awaitable[object]]) -> Strike:
    """Before the statement is sent somebody else does something, and is done with it."""

    async def strike(_: DriverConnection, run: Run) -> Any:
        await meanwhile()
        return await run()

    return strike
