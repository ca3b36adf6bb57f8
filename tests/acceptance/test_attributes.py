"""P10: a required attribute filters, a preferred one only scores, and a plan lists what it does not meet."""

import pytest

from maitred_client import NoFeasiblePlanError, RequiredAttributeUnmetError
from maitred_client.messages import (
    AvailabilityQuestion,
    ErrorReason,
    Plan,
    PlanOutcome,
    SearchAvailabilityRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused

pytestmark = pytest.mark.shared_server

UNMET = ErrorReason.ERROR_REASON_REQUIRED_ATTRIBUTE_UNMET
# What each preferred attribute costs a set of which some table lacks it.
PRICE = 20


@pytest.fixture
async def place(place: House) -> House:
    """W1 and W2 stand at the window, W2 is quiet as well."""
    await place.update("W2", attributes=["quiet", "window"])
    return place


def missed(plan: Plan) -> float:
    return next(term.cost for term in plan.breakdown if term.name == "preferred_attributes")


async def available(place: House, *required: str) -> bool:
    question = AvailabilityQuestion(party_size=4, start=stamp(evening()), required_attributes=list(required))
    request = SearchAvailabilityRequest(restaurant_id=place.restaurant_id, questions=[question])
    return (await place.client.search_availability(request)).answers[0].available


async def test_what_lacks_a_required_attribute_is_no_plan_and_cannot_be_had(place: House) -> None:
    booking = await place.party(4, required=["window"])
    answer = await place.plan(booking)
    assert sorted(name for plan in answer.plans for name in plan.table_names) == ["W1", "W2"]
    (left_out,) = (each for each in answer.rejections if each.reason == UNMET)
    assert left_out.tables == len(place.tables) - 2
    await refused(place.hold(booking, "W3"), RequiredAttributeUnmetError)
    await refused(place.assign(booking, "W3"), RequiredAttributeUnmetError)
    await place.block("W1")
    assert await available(place, "window", "quiet")
    await place.block("W2")
    assert not await available(place, "window")
    assert (await place.plan(booking)).outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN
    await refused(place.auto_assign(booking), NoFeasiblePlanError)
    assert await available(place)


async def test_every_table_of_a_merge_has_to_have_what_is_required(place: House) -> None:
    (only,) = (await place.plan(await place.party(8, required=["window"]))).plans
    assert set(only.table_names) == {"W1", "W2"}
    assert (await place.plan(await place.party(8, required=["quiet"]))).plans_found == 0


async def test_a_preferred_attribute_costs_where_it_is_missing_and_is_listed(place: House) -> None:
    plans = (await place.plan(await place.party(4, preferred=["window", "quiet"]))).plans
    unmet = {plan.table_names[0]: list(plan.unmet_preferred_attributes) for plan in plans}
    assert unmet == {
        name: {"W1": ["quiet"], "W2": []}.get(name, ["quiet", "window"]) for name in place.tables if name != "L8"
    }  # fmt: skip
    assert all(missed(plan) == PRICE * len(plan.unmet_preferred_attributes) for plan in plans)
    ranked = list(unmet)
    # Each pair differs in nothing else: both in the middle of the row, both at its end.
    assert ranked.index("W2") < ranked.index("W3")
    assert ranked.index("W1") < ranked.index("W4")
    merged = (await place.plan(await place.party(8, preferred=["quiet"]))).plans
    assert all(list(plan.unmet_preferred_attributes) == ["quiet"] for plan in merged)


async def test_nobody_is_refused_for_a_wish(place: House) -> None:
    wishing, plain = await place.party(4, preferred=["window", "piano"]), await place.party(4)
    sets = [{tuple(plan.table_ids) for plan in (await place.plan(each)).plans} for each in (wishing, plain)]
    assert sets[0] == sets[1]
    await place.block("W1", "W2")
    answer = await place.auto_assign(wishing)
    assert not set(place.ids(["W1", "W2"])).intersection(answer.assignment.table_ids)
