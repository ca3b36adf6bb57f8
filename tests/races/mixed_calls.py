"""Every kind of change over several restaurants, in a row and then all at once, and afterwards nothing is wrong.

`python -m tests.races.mixed_calls [--calls N] [--concurrent N] [--seed N]` starts a PostgreSQL and a server of its own
and prints how often each call came to what.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from uuid import uuid4

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from maitred_client import AsyncMaitredClient
from maitred_client.messages import (
    CheckInvariantsRequest,
    GetFloorRequest,
    PutBookingRequest,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    Restaurant,
    Table,
    TableState,
    UpdateTableRequest,
)
from server.bootstrap import serving
from server.config import load_settings
from tests.builders.world import TableSpec, World, all_day_policy, evening, small_world
from tests.races.crowd import Crowd, Sent, attempt
from tests.support.postgres import TestServer, postgres_forms, running_postgres

RESTAURANTS, TABLES, BOOKINGS, DAYS = 5, 20, 40, 10
CLIENTS = 4
TIMEOUT_S = 300.0
# How often a host changes the house itself, and how often a new party calls.
HOUSEWORK, NEW_PARTIES = 0.06, 0.15
BROKEN = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})


@dataclass(slots=True)
class Outcomes:
    """How often each call came to what, and everything that must not be."""

    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, calls: Iterable[Sent]) -> None:
        for sent in calls:
            error = sent.error
            self.counted[sent.method, (error.reason or error.code.name) if error else "OK"] += 1
            if error is not None and error.code in BROKEN:
                self.broken.append(f"{sent.method}: {error}")

    @property
    def calls(self) -> int:
        return sum(self.counted.values())


async def mixed_calls(
    clients: Sequence[AsyncMaitredClient],
    calls: int,
    concurrent: int,
    seed: int,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Outcomes:
    """`calls` one after another, then `concurrent` started together; `broken` says what CheckInvariants found too."""
    rng = random.Random(seed)
    crowds = [await new_crowd(clients[0], rng) for _ in range(RESTAURANTS)]
    for number in range(calls):
        await one_call(rng.choice(crowds), rng.choice(clients), rng)
        if number % 1_000 == 999:
            on_progress(f"{number + 1} of {calls} calls in a row")
    on_progress(f"{concurrent} calls at once")
    hosts = [random.Random(rng.random()) for _ in range(concurrent)]
    await asyncio.gather(*(one_call(host.choice(crowds), host.choice(clients), host) for host in hosts))
    outcomes = Outcomes()
    for crowd in crowds:
        outcomes.add(crowd.sent)
        request = CheckInvariantsRequest(restaurant_id=crowd.world.restaurant_id)
        report = await clients[0].check_invariants(request)
        outcomes.broken += [
            f"{check.check_id}: {check.violations}" for check in report.checks if check.violations
        ]
    return outcomes


async def new_crowd(client: AsyncMaitredClient, rng: random.Random) -> Crowd:
    """A restaurant of its own, with parties that wait for tables."""
    world = await small_world(client, tables=[TableSpec(f"T{number:02}") for number in range(TABLES)])
    parties = [_new_party(world, rng) for _ in range(BOOKINGS)]
    return Crowd(world, [(await client.put_booking(party)).booking.booking_id for party in parties])


async def one_call(crowd: Crowd, client: AsyncMaitredClient, rng: random.Random) -> None:
    """One call of a random kind. New parties keep coming, so that there is always something to do."""
    chance = rng.random()
    if chance < HOUSEWORK:
        method, request = await _housework(crowd.world, client, rng)
    elif chance < HOUSEWORK + NEW_PARTIES:
        method, request = "put_booking", _new_party(crowd.world, rng)
        crowd.booking_ids.append(request.booking_id)
        crowd.booking_ids.pop(0)
    else:
        await crowd.wander(client, rng, 1)
        return
    crowd.sent.append(Sent(method, request, *await attempt(getattr(client, method), request)))


def _new_party(world: World, rng: random.Random) -> PutBookingRequest:
    start = evening(17) + timedelta(days=rng.randrange(DAYS), minutes=15 * rng.randrange(20))
    return world.booking_request(party=rng.randint(1, 6), start=start)


async def _housework(world: World, client: AsyncMaitredClient, rng: random.Random) -> tuple[str, Message]:
    restaurant_id = world.restaurant_id
    kind = rng.randrange(4)
    if kind == 0:
        state = rng.choice([TableState.TABLE_STATE_IN_SERVICE] * 3 + [TableState.TABLE_STATE_OUT_OF_SERVICE])
        table = Table(
            table_id=rng.choice(sorted(world.tables.values())), state=state, capacity=rng.choice([4, 6])
        )
        mask = FieldMask(paths=["state", "capacity"])
        return "update_table", UpdateTableRequest(table=table, update_mask=mask, restaurant_id=restaurant_id)
    if kind == 1:
        floor = (await client.get_floor(GetFloorRequest(restaurant_id=restaurant_id))).floor
        floor.zones[0].name = rng.choice(["Hall", "Garden"])
        return "put_floor", PutFloorRequest(floor=floor, restaurant_id=restaurant_id)
    if kind == 2:
        policy = all_day_policy()
        policy.slack_max = rng.choice([4, 6, 20])
        return "put_service_policy", PutServicePolicyRequest(policy=policy, restaurant_id=restaurant_id)
    restaurant = Restaurant(
        name=rng.choice(["Small World", "Big World"]), time_zone="UTC", restaurant_id=restaurant_id
    )
    return "put_restaurant", PutRestaurantRequest(restaurant=restaurant)


async def _run(arguments: argparse.Namespace, url: str) -> Outcomes:
    tenant_id = uuid4()
    settings = load_settings(port=0, log_level="error")
    # All of them may wait: gRPC would end those past the bound, whatever they are.
    waiting_max = max(settings.calls_waiting_max, arguments.concurrent)
    settings = settings.model_copy(update={"calls_waiting_max": waiting_max})
    async with serving(settings, url) as running:
        clients = [
            AsyncMaitredClient(running.address, tenant_id=tenant_id, actor=f"host-{n}", timeout_s=TIMEOUT_S)
            for n in range(CLIENTS)
        ]
        try:
            return await mixed_calls(clients, arguments.calls, arguments.concurrent, arguments.seed, print)
        finally:
            for client in clients:
                await client.close()


async def _measured(arguments: argparse.Namespace, postgres: TestServer) -> Outcomes:
    async with postgres.fresh_database() as url:
        return await _run(arguments, url)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.races.mixed_calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="one after another")
    parser.add_argument("--concurrent", type=int, default=1_000, help="all at once afterwards")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments, began = parser.parse_args(), perf_counter()
    print(f"seed {arguments.seed}", flush=True)
    with running_postgres(postgres_forms()[0]) as postgres:
        outcomes = asyncio.run(_measured(arguments, postgres))
    for (method, outcome), times in sorted(outcomes.counted.items()):
        print(f"  {method:20} {outcome:28} {times:7}")
    print(f"{outcomes.calls} calls in {perf_counter() - began:.0f} s, seed {arguments.seed}")
    print("\n".join(outcomes.broken) or "invariants clean, no call failed for a fault of the service")
    return 1 if outcomes.broken else 0


if __name__ == "__main__":
    sys.exit(main())
