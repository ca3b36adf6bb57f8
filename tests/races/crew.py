"""Use cases on a store of the test's own: what is called in one turn of the loop waits for a group at one moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from maitred_client import AsyncMaitredClient
from server.cache.inventories import CachedInventories, CacheLimits
from server.clock import Deadline
from server.domain.announcement import Announcement
from server.domain.claims import Hold
from server.domain.restaurant import Caller
from server.errors import Reason, ServiceError
from server.orchestrator.assign_tables import AssignTables, AssignTablesCommand
from server.orchestrator.assigning import Assigned
from server.orchestrator.confirm_hold import ConfirmHold, ConfirmHoldCommand
from server.orchestrator.extend_hold import ExtendHold, ExtendHoldCommand
from server.orchestrator.hold_tables import Held, HoldLimits, HoldTables, HoldTablesCommand
from server.orchestrator.idempotency import Once
from server.orchestrator.release_hold import ReleaseHold, ReleaseHoldCommand
from server.orchestrator.replace_hold import Replaced, ReplaceHold, ReplaceHoldCommand
from server.orchestrator.unassign_tables import Unassigned, UnassignTables, UnassignTablesCommand
from server.persistence.group import GroupLimits
from server.persistence.pool import DriverConnection, PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.telemetry.metrics import CacheMetrics
from tests.builders.world import World, small_world
from tests.races.faults import FaultPlan, Run, faulty_connection

TIMEOUT_S = 30.0
# Words of the statement that opens a group, and of none.
OPENING = "pg_try_advisory_xact_lock"
NOWHERE = "no statement has these words"
LIMITS = HoldLimits(180.0, 60.0, 900.0, 1_800.0)


@dataclass(slots=True)
class Crew:
    """`plan` sees every statement; `announced` is what other processes would be told."""

    tenant_id: UUID
    store: SqlStore
    plan: FaultPlan
    announced: list[Announcement]
    inventories: CachedInventories
    once: Once

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant_id, "crew", frozenset())

    @property
    def transactions(self) -> int:
        """How many have begun since the plan was armed."""
        return sum(statement.startswith("BEGIN") for statement in self.plan.statements)

    async def hold(
        self,
        world: World,
        booking_id: str,
        *names: str,
        request_id: UUID | None = None,
        ttl_s: float | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Held:
        command = HoldTablesCommand(
            request_id or uuid4(), "", UUID(world.restaurant_id), UUID(booking_id), _ids(world, names), ttl_s
        )
        use = HoldTables(self.once, self.inventories, uuid4, LIMITS)
        return await use(self.caller, command, Deadline.after(timeout_s))

    async def confirm(
        self, world: World, hold_id: str, booking_id: str, *, request_id: UUID | None = None
    ) -> Assigned:
        restaurant_id = UUID(world.restaurant_id)
        command = ConfirmHoldCommand(
            request_id or uuid4(), "", restaurant_id, UUID(hold_id), UUID(booking_id)
        )
        use = ConfirmHold(self.once, self.inventories, uuid4)
        return await use(self.caller, command, Deadline.after(TIMEOUT_S))

    async def extend(self, world: World, hold_id: str) -> Hold:
        command = ExtendHoldCommand(uuid4(), "", UUID(world.restaurant_id), UUID(hold_id))
        return await ExtendHold(self.once, LIMITS)(self.caller, command, Deadline.after(TIMEOUT_S))

    async def release(self, world: World, hold_id: str, *, request_id: UUID | None = None) -> Hold:
        command = ReleaseHoldCommand(request_id or uuid4(), "", UUID(world.restaurant_id), UUID(hold_id))
        return await ReleaseHold(self.once)(self.caller, command, Deadline.after(TIMEOUT_S))

    async def replace(self, world: World, hold_id: str, *names: str) -> Replaced:
        command = ReplaceHoldCommand(
            uuid4(), "", UUID(world.restaurant_id), UUID(hold_id), _ids(world, names)
        )
        use = ReplaceHold(self.once, self.inventories, uuid4, LIMITS)
        return await use(self.caller, command, Deadline.after(TIMEOUT_S))

    async def unassign(self, world: World, booking_id: str, *names: str) -> Unassigned:
        command = UnassignTablesCommand(
            uuid4(), "", UUID(world.restaurant_id), UUID(booking_id), _ids(world, names)
        )
        use = UnassignTables(self.once, self.inventories, uuid4)
        return await use(self.caller, command, Deadline.after(TIMEOUT_S))

    async def assign(
        self, world: World, booking_id: str, *names: str, request_id: UUID | None = None
    ) -> Assigned:
        command = AssignTablesCommand(
            request_id or uuid4(), "", UUID(world.restaurant_id), UUID(booking_id), _ids(world, names)
        )
        use = AssignTables(self.once, self.inventories, uuid4)
        return await use(self.caller, command, Deadline.after(TIMEOUT_S))

    async def queued(self, number: int) -> None:
        """Returns when so many wait for a group."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                if self.store.members_queued == number:
                    return
                await asyncio.sleep(0)


@asynccontextmanager
async def crew_on(url: str, tenant_id: UUID, connections: int = 6, **limits: Any) -> AsyncIterator[Crew]:
    """A crew with nothing cached. `limits` are those of groups."""
    plan, announced = FaultPlan(), list[Announcement]()
    settings = PoolSettings(url, size_min=1, size_max=connections)
    pool = await open_pool(settings, faulty_connection(plan))
    store = SqlStore(pool, StoreSettings(groups=GroupLimits(**limits)), announced.append)
    inventories = CachedInventories(CacheLimits(100, 600.0), CacheMetrics())
    try:
        yield Crew(tenant_id, store, plan, announced, inventories, Once(store))
    finally:
        await pool.close()


def _ids(world: World, names: Iterable[str]) -> tuple[UUID, ...]:
    return tuple(UUID(table_id) for table_id in world.ids(names))


@dataclass(slots=True)
class Pause:
    """A strike: the statement is not sent before `go_on` is set."""

    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: DriverConnection, run: Run) -> Any:
        self._reached.set()
        await self.go_on.wait()
        return await run()

    async def reached(self) -> None:
        """Returns when the statement is about to be sent."""
        await asyncio.wait_for(self._reached.wait(), TIMEOUT_S)


async def just_count(_: DriverConnection, run: Run) -> Any:
    """A strike that changes nothing, so that the plan keeps the statements."""
    return await run()


async def outcomes(*calls: Coroutine[Any, Any, Any] | Awaitable[Any]) -> list[Any]:
    """What each call, all made at one moment, came to: its answer, or the reason why it was refused."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    return [reason_of(each) if isinstance(each, BaseException) else each for each in found]


def reason_of(error: BaseException) -> Reason:
    """Anything but a typed refusal is raised."""
    if isinstance(error, ServiceError):
        return error.reason
    raise error


async def worlds_of(client: AsyncMaitredClient, number: int) -> list[World]:
    return [await small_world(client) for _ in range(number)]
