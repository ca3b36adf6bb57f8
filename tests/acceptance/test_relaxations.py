"""P5: When nothing regular is free: what gives way, in which order, and that what is offered can be held."""

import pytest

from maitred_client import (
    InvalidArgumentFieldError,
    MaitredError,
    NoFeasiblePlanError,
    OverrideNotPermittedError,
    SlackBudgetExceededError,
)
from maitred_client.messages import (
    AvailabilityQuestion,
    Booking,
    HoldTablesRequest,
    Plan,
    PlanOutcome,
    PlanTablesRequest,
    PlanTablesResponse,
    RelaxationPolicy,
    SearchAvailabilityRequest,
)
from tests.builders.overrides import host, overriding, reasons, words
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, house_policy, refused
from tests.conftest import Served

pytestmark = pytest.mark.shared_server

MIN_PARTY, SLACK, LARGE = "CAPACITY_BELOW_MIN_PARTY", "SLACK_BUDGET_EXCEEDED", "COMBINATION_TOO_LARGE"
ALL_BUT_THE_LARGEST = ("W1", "W2", "W3", "W4", "F6", "P1", "P2")


async def take(place: House, *names: str) -> None:
    """Nobody else can have these tables now."""
    await place.block(*names)


async def relaxing(place: House, *rules: str) -> None:
    wanted = RelaxationPolicy(reasons=reasons(*rules))
    await place.change_policy(lambda policy: policy.relaxations.CopyFrom(wanted))


async def plan(place: House, booking: Booking, *, overflow: bool = False) -> PlanTablesResponse:
    return await place.client.plan_tables(
        PlanTablesRequest(
            restaurant_id=place.restaurant_id, booking_id=booking.booking_id, plans_max=50, overflow=overflow
        )
    )


def as_planned(place: House, booking: Booking, offered: Plan) -> HoldTablesRequest:
    """Holds a plan just as it came."""
    request = place.hold_request(booking.booking_id, offered.table_names)
    request.context_version = offered.context_version
    request.overrides.extend(offered.relaxed)
    return request


async def test_a_table_kept_for_larger_parties_is_offered_when_nothing_else_is_free(
    place: House, server: Served
) -> None:
    booking = await place.party(4)
    regular = await plan(place, booking)
    assert regular.outcome == PlanOutcome.PLAN_OUTCOME_FEASIBLE
    assert not any(each.relaxed or "L8" in each.table_names for each in regular.plans)
    await take(place, *ALL_BUT_THE_LARGEST)
    answer = await plan(place, booking)
    assert (answer.outcome, answer.plans_found) == (PlanOutcome.PLAN_OUTCOME_RELAXED, 1)
    (offered,) = answer.plans
    assert (list(offered.table_names), words(offered.relaxed)) == (["L8"], [MIN_PARTY])
    assert not offered.needs_permission
    counted = {words([each.reason])[0]: each.tables + each.combinations for each in answer.rejections}
    assert counted[MIN_PARTY] == 1
    assert sum(counted.values()) == answer.tables_considered + answer.combinations_considered
    async with host(server) as client:
        held = (await client.hold_tables(as_planned(place, booking, offered))).hold
        assert list(
            (await client.confirm_hold(place.confirm_request(held))).assignment.table_ids
        ) == place.ids(["L8"])


async def test_a_policy_says_what_it_relaxes_and_in_which_order(place: House) -> None:
    assert words((await place.policy()).relaxations.reasons) == [MIN_PARTY]
    await relaxing(place, LARGE, MIN_PARTY, SLACK)
    assert words((await place.policy()).relaxations.reasons) == [LARGE, MIN_PARTY, SLACK]
    await relaxing(place)
    stored = await place.policy()
    assert stored.HasField("relaxations")
    assert not stored.relaxations.reasons


async def test_a_policy_that_relaxes_nothing_offers_nothing_irregular(place: House) -> None:
    booking = await place.party(4)
    await relaxing(place)
    await take(place, *ALL_BUT_THE_LARGEST)
    answer = await plan(place, booking)
    assert (answer.outcome, list(answer.plans)) == (PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN, [])


@pytest.mark.parametrize("rule", ["COMBINATION_NOT_ADJACENT", "CAPACITY_INSUFFICIENT", "TABLE_BLOCKED"])
async def test_only_three_rules_can_be_relaxed(place: House, rule: str) -> None:
    policy = house_policy()
    policy.relaxations.reasons.extend(reasons(MIN_PARTY, rule))
    error = await refused(place.put_policy(policy), InvalidArgumentFieldError)
    assert error.metadata["field"] == "policy.relaxations.reasons[1]"
    assert all(f"ERROR_REASON_{accepted}" in error.message for accepted in (rule, MIN_PARTY, SLACK, LARGE))


async def test_more_empty_seats_than_the_policy_allows_take_overflow_and_a_permission(
    place: House, server: Served
) -> None:
    single = await place.party(1)
    await take(place, "W1", "W2", "W3", "W4", "P1", "P2")
    # Five seats would stay empty at F6, seven at L8; the policy allows four.
    assert (await plan(place, single)).outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN
    await refused(place.hold(single, "F6"), SlackBudgetExceededError)
    answer = await plan(place, single, overflow=True)
    assert answer.outcome == PlanOutcome.PLAN_OUTCOME_RELAXED
    assert [(list(each.table_names), words(each.relaxed)) for each in answer.plans] == [(["F6"], [SLACK])]
    assert answer.plans[0].needs_permission
    async with host(server) as client:
        await refused(
            client.hold_tables(as_planned(place, single, answer.plans[0])),
            OverrideNotPermittedError,
        )
    request = as_planned(place, single, answer.plans[0])
    request.request_id = ""
    await place.client.hold_tables(request)


async def test_the_slack_budget_is_the_same_at_every_gate_and_to_the_seat(place: House) -> None:
    """The policy leaves four seats empty: two may sit at the table of six, one alone may not."""
    two, single = await place.party(2), await place.party(1)
    assert ["F6"] in [list(each.table_names) for each in (await plan(place, two)).plans]
    assert (await place.validate(two, "F6")).valid
    await place.release(await place.hold(two, "F6"))
    answer = await plan(place, single)
    assert ["F6"] not in [list(each.table_names) for each in answer.plans]
    (left_out,) = (each for each in answer.rejections if words([each.reason]) == [SLACK])
    assert place.tables["F6"] in left_out.table_ids
    seated = await place.seated("W1", party=1, start=evening(14))
    held = await place.hold(single, "W1")
    for call in (
        place.hold(single, "F6"),
        place.replace(held, "F6"),
        place.assign(single, "F6"),
        place.reassign(seated, "F6"),
    ):
        await refused(call, SlackBudgetExceededError)


async def test_nothing_is_relaxed_while_something_regular_is_free_whatever_is_asked_for(place: House) -> None:
    single = await place.party(1)
    await relaxing(place, SLACK, MIN_PARTY, LARGE)
    regular = await plan(place, single, overflow=True)
    assert regular.outcome == PlanOutcome.PLAN_OUTCOME_FEASIBLE
    assert {len(each.table_names) for each in regular.plans} == {1}
    assert not any(each.relaxed or {"F6", "L8"}.intersection(each.table_names) for each in regular.plans)
    await take(place, "W1", "W2", "W3", "P1", "P2")
    (last,) = (await plan(place, single, overflow=True)).plans
    assert (list(last.table_names), list(last.relaxed)) == (["W4"], [])


async def test_a_policy_that_relaxes_the_slack_budget_needs_neither(place: House, server: Served) -> None:
    single = await place.party(1)
    await relaxing(place, SLACK)
    await take(place, "W1", "W2", "W3", "W4", "P1", "P2")
    (offered,) = (await plan(place, single)).plans
    assert (list(offered.table_names), offered.needs_permission) == (["F6"], False)
    async with host(server) as client:
        await client.hold_tables(as_planned(place, single, offered))


async def test_one_rule_gives_way_before_two_do(place: House) -> None:
    single = await place.party(1)
    await relaxing(place, MIN_PARTY, SLACK)
    await take(place, "W1", "W2", "W3", "W4", "P1", "P2")
    assert [list(each.table_names) for each in (await plan(place, single)).plans] == [["F6"]]
    await take(place, "F6")
    (offered,) = (await plan(place, single)).plans
    assert (list(offered.table_names), words(offered.relaxed)) == (["L8"], [MIN_PARTY, SLACK])
    await place.client.hold_tables(as_planned(place, single, offered))


async def test_a_merge_of_more_tables_than_usual_seats_a_large_party(place: House) -> None:
    large = await place.party(14)
    assert not (await plan(place, large)).plans
    await relaxing(place, LARGE)
    (offered,) = (await plan(place, large)).plans
    assert (list(offered.table_names), words(offered.relaxed)) == (
        sorted_by_id(place, "W1", "W2", "W3", "W4"),
        [LARGE],
    )
    held = (await place.client.hold_tables(as_planned(place, large, offered))).hold
    assert (await place.confirm(held)).merge_group_id


def sorted_by_id(place: House, *names: str) -> list[str]:
    return sorted(names, key=lambda name: place.tables[name])


async def test_a_search_and_a_hold_without_overrides_relax_nothing(place: House) -> None:
    booking = await place.party(4)
    await take(place, *ALL_BUT_THE_LARGEST)
    assert (await plan(place, booking)).plans
    answers = await place.client.search_availability(
        SearchAvailabilityRequest(
            restaurant_id=place.restaurant_id,
            questions=[AvailabilityQuestion(party_size=4, start=stamp(evening()))],
        )
    )
    assert not answers.answers[0].available
    checked = await place.validate(booking, "L8")
    assert not checked.valid


async def test_a_plan_is_not_holdable_by_less_than_it_relaxes(place: House) -> None:
    """Each rule that a plan names is needed: leaving any of them out is refused."""
    single = await place.party(1)
    await relaxing(place, MIN_PARTY, SLACK)
    await take(place, *ALL_BUT_THE_LARGEST)
    (offered,) = (await plan(place, single)).plans
    for missing in words(offered.relaxed):
        rest = [rule for rule in words(offered.relaxed) if rule != missing]
        request = overriding(place.hold_request(single.booking_id, ["L8"]), *rest)
        assert (await refused(place.client.hold_tables(request), MaitredError)).reason == missing


async def test_automatic_assignment_relaxes_what_the_policy_lists_and_nothing_else(place: House) -> None:
    await take(place, *ALL_BUT_THE_LARGEST)
    await relaxing(place)
    booking = await place.party(4)
    error = await refused(place.auto_assign(booking), NoFeasiblePlanError)
    assert error.metadata["outcome"] == "fully_taken"
    await relaxing(place, MIN_PARTY)
    answer = await place.auto_assign(booking)
    assert list(answer.assignment.table_ids) == place.ids(["L8"])
    assert words(answer.assignment.overrides) == [MIN_PARTY]
