"""P1: the same inputs in any order give the same ranked list, and each plan says what it is worth and why."""

import itertools
from collections.abc import Sequence
from uuid import UUID

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import Floor, Plan, PlanTablesRequest, PlanTablesResponse
from tests.builders.world import STAY, evening, stamp
from tests.builders.world_extras import House, house

pytestmark = pytest.mark.shared_server

SLOTS = STAY.total_seconds() / 300
TERMS = [
    "spare_seats",
    "merge",
    "unusable_gaps",
    "open_gaps",
    "merge_partners",
    "fragmentation",
    "scarcity",
    "preferred_attributes",
    "preferred_zone",
    "lookahead",
]
AVOIDED, WISHES, NEIGHBOURS = ("P1", "W4"), ("quiet", "window"), (("W1", 16), ("F6", 21), ("W2", 17))
WAITING = [str(UUID(int=number << 64 | 4 << 76 | 8 << 60)) for number in (1, 2, 3)]


async def furnished(client: AsyncMaitredClient, like: House | None = None) -> House:
    """A house, or one with the same tables as another, of which everything is told the other way round."""
    place = await house(client)
    if like is None:
        return place
    floor = await like.floor()
    twin = House(client, place.restaurant_id, like.zone_id, like.tables, like.zones)
    await twin.put_floor(
        Floor(zones=reversed(floor.zones), tables=reversed(floor.tables), adjacency=reversed(floor.adjacency))
    )
    return twin


async def asked(place: House, *, step: int) -> PlanTablesResponse:
    """Everything that matters is told in order, or with the step -1 backwards."""
    for name, hour in NEIGHBOURS[::step]:
        await place.block(name, start=evening(hour), end=evening(hour + 1))
    for booking_id in WAITING[::step]:
        await place.party(6, booking_id=booking_id, start=evening(20))
    request = PlanTablesRequest(
        restaurant_id=place.restaurant_id, avoid_table_ids=place.ids(AVOIDED)[::step], plans_max=50
    )
    request.party.party_size = 5
    request.party.start.CopyFrom(stamp(evening()))
    request.party.preferred_attributes.extend(WISHES[::step])
    request.party.preferred_zone_ids.extend(sorted(place.zones.values())[::step])
    answer = await place.client.plan_tables(request)
    # How often the floor was put is no input.
    answer.ClearField("inventory_version")
    return answer


async def test_the_same_inputs_in_any_order_give_the_same_ranked_list(client: AsyncMaitredClient) -> None:
    place = await furnished(client)
    answer = await asked(place, step=1)
    assert len(answer.plans) > 3
    assert await asked(await furnished(client, like=place), step=-1) == answer


def tables(place: House, plan: Plan) -> set[str]:
    assert list(plan.table_ids) == sorted(plan.table_ids)
    assert [place.tables[name] for name in plan.table_names] == list(plan.table_ids)
    return set(plan.table_names)


def pairs(place: House, edges: Sequence[tuple[str, str]]) -> set[tuple[str, ...]]:
    return {tuple(sorted(place.ids(edge))) for edge in edges}


async def test_each_plan_has_its_capacity_slack_adjacency_and_merge(place: House) -> None:
    plans = {frozenset(tables(place, plan)): plan for plan in (await place.plan(await place.party(8))).plans}
    expected: dict[frozenset[str], tuple[int, Sequence[tuple[str, str]]]] = {
        frozenset({"L8"}): (8, ()),
        frozenset({"P1", "P2"}): (8, [("P1", "P2")]),
        **{frozenset(edge): (8, [edge]) for edge in itertools.pairwise(("W1", "W2", "W3", "W4"))},
    }
    assert plans.keys() == expected.keys()
    for names, (capacity, edges) in expected.items():
        plan = plans[names]
        assert (plan.capacity, plan.slack, plan.merged) == (capacity, capacity - 8, len(names) > 1)
        assert {(edge.table_a, edge.table_b) for edge in plan.adjacency} == pairs(place, edges)
        assert plan.zone_id == place.zones["Terrace" if "P1" in names else "Hall"]
    (three, _) = (await place.plan(await place.party(11))).plans
    assert {(edge.table_a, edge.table_b) for edge in three.adjacency} == pairs(
        place, list(itertools.pairwise(sorted(three.table_names)))
    )


async def test_plans_are_ranked_by_a_cost_that_its_terms_explain(place: House) -> None:
    await place.block("W2", start=evening(16), end=evening(18))
    for size in (1, 4, 7, 11):
        plans = (await place.plan(await place.party(size, preferred=["window"]))).plans
        assert len(plans) > 1
        for plan in plans:
            assert [term.name for term in plan.breakdown] == TERMS
            assert plan.cost == pytest.approx(sum(term.cost for term in plan.breakdown))
            assert plan.score == pytest.approx(100 * 30 / (30 + max(0, plan.cost) / SLOTS))
        assert [plan.cost for plan in plans] == sorted(plan.cost for plan in plans)
        assert [plan.score for plan in plans] == sorted((plan.score for plan in plans), reverse=True)


async def test_what_cannot_be_merged_is_told_by_the_rule_that_forbids_it(place: House) -> None:
    """Tables that touch are one merge; what else somebody may think of pushing together has its reason."""
    booking = await place.party(8)
    merges = {frozenset(plan.table_names) for plan in (await place.plan(booking)).plans if plan.merged}
    for pair in itertools.combinations(place.tables, 2):
        if not {"F6", "L8"}.intersection(pair):
            assert (await place.validate(booking, *pair)).valid == (frozenset(pair) in merges), pair
