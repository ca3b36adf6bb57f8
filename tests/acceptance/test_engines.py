"""A restaurant's policy chooses what ranks the sets that fit; what fits is the same for all."""

import pytest

from maitred_client.messages import PlanEngine, PlanTablesResponse, PlanWeights, ServicePolicy
from tests.builders.world_extras import House

pytestmark = pytest.mark.shared_server

LEGACY, V2 = PlanEngine.PLAN_ENGINE_LEGACY, PlanEngine.PLAN_ENGINE_V2


async def choose(place: House, engine: "PlanEngine.ValueType") -> ServicePolicy:
    def edit(policy: ServicePolicy) -> None:
        policy.engine = engine

    return await place.change_policy(edit)


def without_ranks(answer: PlanTablesResponse) -> object:
    sets = {tuple(plan.table_ids): (plan.capacity, plan.slack, plan.merged) for plan in answer.plans}
    return answer.outcome, sets, answer.plans_found, list(answer.rejections), answer.combinations_considered


async def test_without_a_choice_v2_ranks_and_the_policy_says_so(place: House) -> None:
    assert (await place.policy()).engine == V2
    assert (await place.plan(await place.party(4))).engine == V2


async def test_the_legacy_engine_ranks_the_same_sets_by_its_own_score(place: House) -> None:
    booking = await place.party(5)
    before = await place.plan(booking)
    assert (await choose(place, LEGACY)).engine == LEGACY
    after = await place.plan(booking)
    assert after.engine == LEGACY
    assert without_ranks(after) == without_ranks(before)
    assert [term.name for term in after.plans[0].breakdown] == [
        "overage",
        "combination",
        "fragmentation",
        "scarcity",
        "lookahead",
    ]
    # The table of six leaves one seat empty and is the only one of its size.
    assert list(after.plans[0].table_names) == ["F6"]
    assert after.plans[0].cost == 5 + 22
    await choose(place, V2)
    again = await place.plan(booking)
    assert [(plan.table_ids, plan.cost) for plan in again.plans] == [
        (plan.table_ids, plan.cost) for plan in before.plans
    ]


async def test_the_weights_of_v2_don_t_move_the_legacy_score(place: House) -> None:
    await choose(place, LEGACY)
    booking = await place.party(5)
    before = await place.plan(booking)

    def edit(policy: ServicePolicy) -> None:
        policy.weights.CopyFrom(PlanWeights(spare_seat=1_000, merge=0, lookahead=0))

    await place.change_policy(edit)
    assert [plan.cost for plan in (await place.plan(booking)).plans] == [plan.cost for plan in before.plans]


@pytest.mark.parametrize("engine", [LEGACY, V2])
async def test_what_an_engine_ranks_first_can_be_held(place: House, engine: "PlanEngine.ValueType") -> None:
    await choose(place, engine)
    booking = await place.party(7)
    best = (await place.plan(booking)).plans[0]
    assignment = await place.confirm(await place.hold(booking, *best.table_names))
    assert assignment.table_ids == best.table_ids
