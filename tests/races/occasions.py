"""One confirm that something kills: what was there before, what is there after, and what the repeated call does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from maitred_client import AsyncMaitredClient
from maitred_client.messages import ConfirmHoldRequest
from tests.builders.world import World, small_world
from tests.conftest import Served
from tests.races.attempts import ONCE_ONLY, until_answered
from tests.races.evidence import Dump, broken_invariants, difference, dump
from tests.races.faults import FaultPlan, Moment, Run
from tests.races.operations import OPERATIONS, day
from tests.support.database import connected

CONFIRM = OPERATIONS["confirm"]


@dataclass(frozen=True, slots=True)
class Occasion:
    """A hold of two tables, ready to be confirmed, in a restaurant and a tenant of its own."""

    server: Served
    world: World
    request: ConfirmHoldRequest
    before: Dump

    async def effect(self) -> dict[str, int]:
        """How many rows of which table there are more or less than before."""
        async with connected(self.server.database_url) as database:
            after = await dump(database, self.world.restaurant_id)
        return difference(self.before, after)

    async def require_one_effect(self, effect: dict[str, int]) -> None:
        """The repeated call answers, again and again the same, and everything happened once."""
        answer = await until_answered(self.world.client.confirm_hold, self.request)
        assert await self.effect() == effect
        assert len(answer.assignment.table_ids) == 2
        again = await self.world.client.confirm_hold(self.request)
        assert again.SerializeToString(deterministic=True) == answer.SerializeToString(deterministic=True)
        assert await self.effect() == effect
        async with connected(self.server.database_url) as database:
            assert await broken_invariants(database, self.world.restaurant_id) == {}


def require_whole_or_nothing(
    effect: dict[str, int], whole: dict[str, int], at_commit: bool, moment: Moment
) -> None:
    """Before COMMIT was sent there is nothing; after its answer there is everything; in between it is one of both."""
    if not at_commit or moment is Moment.BEFORE:
        assert effect == {}
    elif moment is Moment.DONE:
        assert effect == whole
    else:
        assert effect in ({}, whole)


@asynccontextmanager
async def occasion(server: Served) -> AsyncIterator[Occasion]:
    """A new tenant's restaurant with a hold that waits for its confirm."""
    async with (
        AsyncMaitredClient(
            server.address, tenant_id=server.tenant_id, actor="killed", retry=ONCE_ONLY
        ) as client,
        connected(server.database_url) as database,
    ):
        world = await small_world(client)
        request = await CONFIRM.prepare(world, day(0))
        assert isinstance(request, ConfirmHoldRequest)
        yield Occasion(server, world, request, await dump(database, world.restaurant_id))


async def undisturbed(
    ready: Occasion, client: AsyncMaitredClient, plan: FaultPlan
) -> tuple[list[str], dict[str, int]]:
    """The statements of a confirm through `client`, whose server's connections go by the plan, and its whole effect."""

    async def only_count(_: object, run: Run) -> object:
        return await run()

    plan.arm(1, only_count)
    await client.confirm_hold(ready.request)
    plan.disarm()
    return plan.statements, await ready.effect()
