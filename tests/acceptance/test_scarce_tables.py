"""P9: a rare table is kept for the party that needs it, and what a restaurant expects decides which gap is left."""

import itertools
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import AsyncMaitredClient
from maitred_client.messages import (
    ExpectedParties,
    PlanEngine,
    PlanTablesRequest,
    PutServicePolicyRequest,
    ServicePolicy,
    TurnTime,
)
from tests.builders.world import TableSpec, World, all_day_policy, evening, small_world

pytestmark = pytest.mark.shared_server

# A pair that seats four when it is pushed together, a table that stays alone, and the only one for eight.
RARE = (TableSpec("A2", 2), TableSpec("B2", 2), TableSpec("S2", 2, movable=False), TableSpec("E8", 8))
NEEDS = {2: {"S2"}, 4: {"A2", "B2"}, 8: {"E8"}}


async def test_in_whatever_order_parties_come_each_leaves_the_others_what_they_need(
    client: AsyncMaitredClient,
) -> None:
    """A party of two that took the pair or the eight-top would leave one of the others without a table."""
    world = await small_world(client, tables=RARE, adjacent=[("A2", "B2")])
    for number, order in enumerate(itertools.permutations(NEEDS)):
        for size in order:
            booking = await world.booking(party=size, start=evening() + timedelta(days=number))
            assigned = (await world.auto_assign(booking)).assignment
            assert set(assigned.table_ids) == set(world.ids(NEEDS[size])), (order, size)


async def best(world: World, size: int, policy: ServicePolicy) -> list[str]:
    await world.client.put_service_policy(
        PutServicePolicyRequest(restaurant_id=world.restaurant_id, policy=policy)
    )
    wish = world.booking_request(party=size).party
    answer = await world.client.plan_tables(
        PlanTablesRequest(restaurant_id=world.restaurant_id, party=wish, plans_max=1)
    )
    return list(answer.plans[0].table_names)


async def test_the_legacy_engine_keeps_the_only_table_of_its_size_even_at_the_price_of_two_seats(
    client: AsyncMaitredClient,
) -> None:
    tables = [TableSpec("X4", 4, movable=False), *(TableSpec(name, 6, movable=False) for name in "YZ")]
    world = await small_world(client, tables=tables)
    policy = all_day_policy()
    assert await best(world, 4, policy) == ["X4"]
    policy.engine = PlanEngine.PLAN_ENGINE_LEGACY
    assert (await best(world, 4, policy))[0] in "YZ"


async def test_a_short_gap_is_left_only_where_somebody_short_is_expected(
    client: AsyncMaitredClient,
) -> None:
    """Before a party on A4 an hour and a half would be left, in which two can dine and four cannot."""
    tables = [TableSpec(name, 4, movable=False) for name in ("A4", "B4")]
    world = await small_world(client, tables=tables)
    await world.block("A4", start=evening(10), end=evening(17, 30))
    policy = all_day_policy()
    del policy.periods[0].turn_times[:]
    policy.periods[0].turn_times.extend(
        TurnTime(party_size_max=size, duration=Duration(seconds=hours * 3_600))
        for size, hours in ((2, 1), (4, 2))
    )
    for expected, first in ((2, "A4"), (4, "B4")):
        del policy.forecast[:]
        policy.forecast.append(ExpectedParties(party_size=expected, parties=100))
        assert await best(world, 4, policy) == [first]
