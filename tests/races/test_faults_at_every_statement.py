"""A6: Whatever fails between two statements, a change is there whole or not at all, and its request_id finds out."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from maitred_client import AsyncMaitredClient, DeadlineExceededError, MaitredError, StoreUnavailableError
from maitred_client.errors import TransportError
from server.bootstrap import serving
from server.config import load_settings
from tests.builders.world import World, small_world
from tests.races.attempts import ONCE_ONLY, TIMEOUT_S, until_answered
from tests.races.crowd import attempt
from tests.races.evidence import Dump, broken_invariants, difference, dump
from tests.races.faults import (
    STALL_S,
    FaultPlan,
    Strike,
    cut_after,
    cut_before,
    faulty_connection,
    refused_with,
    stall,
)
from tests.races.operations import OPERATIONS, Operation, day
from tests.support.database import Connection, connected
from tests.support.postgres import TestServer

# Serialization failure, deadlock, lock timeout.
RETRIED_STATES = ("40001", "40P01", "55P03")
PATIENCE_S = 0.15
# BEGIN, the request and the lock, reading, writing, COMMIT: no change takes fewer statements.
STATEMENTS_MIN = 5
ONE_IS_DEAD = "UPDATE capacity_outbox SET status = 'dead' WHERE restaurant_id = $1 AND floor_version = 1"


@dataclass(frozen=True, slots=True)
class Scene:
    """A world behind a server whose database connections fail by plan."""

    world: World
    plan: FaultPlan
    database: Connection

    async def dump(self) -> Dump:
        return await dump(self.database, self.world.restaurant_id)

    async def prepared(self, operation: Operation, number: int) -> Message:
        """The call's request on an occasion of its own. There is a dead event, for whoever redrives."""
        request = await operation.prepare(self.world, day(number))
        await self.database.execute(ONE_IS_DEAD, self.world.restaurant_id)
        return request

    async def struck(
        self, operation: Operation, request: Message, at: int, strike: Strike, timeout_s: float = TIMEOUT_S
    ) -> tuple[Message | None, MaitredError | None]:
        """One call, with this fault at this statement."""
        self.plan.arm(at, strike)
        answer, error = await attempt(
            lambda asked: operation.call(self.world)(asked, timeout_s=timeout_s), request
        )
        self.plan.strike = None
        return answer, error

    async def require_sound(self) -> None:
        """After all the faults everything in the restaurant still adds up."""
        assert await broken_invariants(self.database, self.world.restaurant_id) == {}

    async def effect(self, operation: Operation, request: Message) -> dict[str, int]:
        """How many rows of which table the undisturbed call adds or takes away."""
        before = await self.dump()
        await operation.call(self.world)(request)
        return difference(before, await self.dump())

    async def require_one_effect(
        self, operation: Operation, request: Message, before: Dump, effect: dict[str, int]
    ) -> Message:
        """The repeated call answers, always the same, and everything happened once."""
        answer: Message = await until_answered(operation.call(self.world), request)
        after = await self.dump()
        assert difference(before, after) == effect, self.plan.struck_at
        again = await operation.call(self.world)(request)
        assert again.SerializeToString(deterministic=True) == answer.SerializeToString(deterministic=True)
        assert await self.dump() == after
        return answer


@pytest.fixture(scope="module")
async def failing(postgres: TestServer) -> AsyncIterator[tuple[str, FaultPlan, Connection]]:
    """Where a server is whose database connections fail by plan, and a connection that does not. Every change travels
    alone; those that share a transaction have faults of their own, beside this file.
    """
    plan = FaultPlan()
    settings = load_settings(
        port=0, log_level="error", pool_size_min=1, pool_size_max=4, health_interval_s=60, group_members_max=1
    )
    async with (
        postgres.fresh_database() as url,
        serving(settings, url, faulty_connection(plan)) as running,
        connected(url) as database,
    ):
        yield running.address, plan, database


@pytest.fixture
async def scene(failing: tuple[str, FaultPlan, Connection]) -> AsyncIterator[Scene]:
    """A tenant of its own on that server."""
    address, plan, database = failing
    plan.disarm()
    async with AsyncMaitredClient(address, tenant_id=uuid4(), actor="faults", retry=ONCE_ONLY) as client:
        yield Scene(await small_world(client), plan, database)


def cuts(plan: FaultPlan, turn: int) -> Iterator[tuple[int, Strike]]:
    """Each statement once, before it is sent and after it is done by turns, and each COMMIT in both ways.

    Of any other statement nothing stays, whether it was still done or not.
    """
    ways = (cut_before, cut_after)
    for at in itertools.count(1):
        yield at, ways[(at + turn) % 2]
        if plan.struck_at.startswith("COMMIT"):
            yield at, ways[(at + turn + 1) % 2]


@pytest.mark.parametrize(("turn", "operation"), list(enumerate(OPERATIONS.values())), ids=OPERATIONS)
async def test_a_cut_connection_leaves_all_of_a_change_or_nothing(
    scene: Scene, turn: int, operation: Operation
) -> None:
    effect = await scene.effect(operation, await scene.prepared(operation, 0))
    for number, (at, strike) in enumerate(cuts(scene.plan, turn), start=1):
        request = await scene.prepared(operation, number)
        before = await scene.dump()
        answer, error = await scene.struck(operation, request, at, strike)
        if not scene.plan.struck:
            assert answer is not None
            break
        assert isinstance(error, StoreUnavailableError), (scene.plan.struck_at, error)
        after = await scene.dump()
        committed = strike is cut_after and scene.plan.struck_at.startswith("COMMIT")
        assert difference(before, after) == (effect if committed else {}), scene.plan.struck_at
        await scene.require_one_effect(operation, request, before, effect)
        assert not committed or await scene.dump() == after
    assert number > STATEMENTS_MIN + 1
    await scene.require_sound()


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
async def test_a_lost_race_is_run_again_without_the_caller_noticing(
    scene: Scene, operation: Operation
) -> None:
    effect = await scene.effect(operation, await scene.prepared(operation, 0))
    for at, sqlstate in zip(itertools.count(1), itertools.cycle(RETRIED_STATES), strict=False):
        request = await scene.prepared(operation, at)
        before = await scene.dump()
        answer, error = await scene.struck(operation, request, at, refused_with(sqlstate))
        assert error is None, (sqlstate, scene.plan.struck_at)
        assert answer is not None
        if not scene.plan.struck:
            break
        repeated = await scene.require_one_effect(operation, request, before, effect)
        assert repeated == answer
    assert at > STATEMENTS_MIN
    await scene.require_sound()


async def test_a_caller_who_stops_waiting_leaves_nothing_half_done(scene: Scene) -> None:
    """On a busy machine its time may be over before it comes to the statement: then there is another, with more."""
    operation = OPERATIONS["confirm"]
    effect = await scene.effect(operation, await scene.prepared(operation, 0))
    at, patience_s = 1, PATIENCE_S
    for number in itertools.count(1):
        request = await scene.prepared(operation, number)
        before = await scene.dump()
        answer, error = await scene.struck(operation, request, at, stall, patience_s)
        if answer is not None:
            break
        assert isinstance(error, DeadlineExceededError | TransportError)
        assert error.code.name == "DEADLINE_EXCEEDED"
        if scene.plan.struck:
            at, patience_s = at + 1, PATIENCE_S
        else:
            patience_s = min(2 * patience_s, STALL_S / 2)
        await asyncio.wait_for(
            scene.require_one_effect(operation, request, before, effect), timeout=TIMEOUT_S
        )
    assert not scene.plan.struck
    assert at > STATEMENTS_MIN
    await scene.require_sound()
