"""P3, P7, A8: Which sets can be used: one set of rules at planning, validation, hold, confirm and assignment."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from maitred_client import (
    CombinationNotAdjacentError,
    InvalidArgumentFieldError,
    MaitredError,
    PolicyDriftError,
)
from maitred_client.messages import (
    AdjacencyMode,
    Booking,
    BookingStatus,
    CheckStatus,
    ErrorReason,
    Floor,
    PlanOutcome,
    PlanTablesRequest,
    PlanTablesResponse,
    ServicePolicy,
    ValidateSelectionResponse,
)
from tests.builders.world import evening
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import nothing_written

pytestmark = pytest.mark.shared_server

OK, ERROR = CheckStatus.CHECK_STATUS_OK, CheckStatus.CHECK_STATUS_ERROR
CONNECTED = AdjacencyMode.ADJACENCY_MODE_CONNECTED
PAIRWISE, HUB = AdjacencyMode.ADJACENCY_MODE_PAIRWISE, AdjacencyMode.ADJACENCY_MODE_HUB

# Every rule that validation reports, in order of precedence.
RULES = [
    "TABLE_OUT_OF_SERVICE",
    "ZONE_NOT_REQUESTED",
    "REQUIRED_ATTRIBUTE_UNMET",
    "COMBINATION_DISABLED",
    "COMBINATION_TOO_LARGE",
    "COMBINATION_CROSSES_ZONES",
    "COMBINATION_TABLE_NOT_MOVABLE",
    "COMBINATION_NOT_ADJACENT",
    "CAPACITY_INSUFFICIENT",
    "CAPACITY_BELOW_MIN_PARTY",
    "SLACK_BUDGET_EXCEEDED",
    "TABLE_BLOCKED",
    "TABLE_CONFLICT_ASSIGNED",
    "TABLE_CONFLICT_HELD",
]


def word(reason: "ErrorReason.ValueType") -> str:
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


def failed(validated: ValidateSelectionResponse) -> list[str]:
    return [word(check.reason) for check in validated.checks if check.status == ERROR]


# A8: validation by hand


async def test_validation_reports_every_rule_once_in_order(place: House) -> None:
    validated = await place.validate(await place.party(4), "W1")
    assert [word(check.reason) for check in validated.checks] == RULES
    assert validated.valid
    assert {check.status for check in validated.checks} == {OK}
    assert all(check.message.endswith(".") for check in validated.checks)
    assert all(not check.table_ids for check in validated.checks)


async def test_validation_reports_all_that_is_wrong_and_the_call_refuses_with_the_first(place: House) -> None:
    await place.out_of_service("W1")
    await place.block("P1")
    await place.hold(await place.party(), "F6")
    booking = await place.party(20, zone="Terrace", required=["window"])
    names = ("W1", "F6", "P1", "L8")
    validated = await place.validate(booking, *names)
    wrong = [rule for rule in RULES if rule not in NOT_WRONG_HERE]
    assert not validated.valid
    assert failed(validated) == wrong
    for call in (place.hold, place.assign):
        error = await refused(call(booking, *names), MaitredError)
        assert error.reason == wrong[0]
        assert [check.reason for check in error.failed_checks] == wrong


# Merging is on, and a party of 20 at 22 seats is neither too small for a table nor leaves too many of them empty.
NOT_WRONG_HERE = (
    "COMBINATION_DISABLED",
    "CAPACITY_INSUFFICIENT",
    "CAPACITY_BELOW_MIN_PARTY",
    "SLACK_BUDGET_EXCEEDED",
    "TABLE_CONFLICT_ASSIGNED",
)


async def test_a_failed_check_names_tables_and_values(place: House) -> None:
    booking = await place.party(2, required=["window", "quiet"])
    validated = await place.validate(booking, "W1", "F6")
    checks = {word(check.reason): check for check in validated.checks}
    lacking = checks["REQUIRED_ATTRIBUTE_UNMET"]
    assert list(lacking.table_ids) == sorted(place.ids(["W1", "F6"]))
    assert lacking.metadata["attributes"] == "quiet,window"
    fixed = checks["COMBINATION_TABLE_NOT_MOVABLE"]
    assert list(fixed.table_ids) == place.ids(["F6"])
    assert "F6" in fixed.message
    slack = checks["SLACK_BUDGET_EXCEEDED"]
    assert dict(slack.metadata) == {"slack": "8", "slack_max": "4"}


async def test_the_summary_shows_the_set_at_a_glance(place: House) -> None:
    booking = await place.party(9)
    summary = (await place.validate(booking, "W2", "W1")).summary
    names = {place.tables[name]: name for name in ("W1", "W2")}
    assert list(summary.table_names) == [names[table_id] for table_id in sorted(names)]
    assert (summary.table_count, summary.capacity, summary.party_size, summary.slack) == (2, 8, 9, -1)
    assert summary.zone_id == place.zones["Hall"]
    assert (summary.window_start, summary.window_end) == (booking.window_start, booking.window_end)
    assert (await place.validate(booking, "W1", "P1")).summary.zone_id == ""


async def test_validation_and_planning_change_nothing(place: House, server: Served) -> None:
    booking = await place.party(6)
    async with nothing_written(server.database_url, place.restaurant_id, str(server.tenant_id)):
        await place.validate(booking, "W1", "W2")
        await place.plan(booking)


# P3: what makes tables one merge

SHAPES: dict[str, tuple[Sequence[tuple[str, str]], set["AdjacencyMode.ValueType"]]] = {
    "a pair": ([("W1", "W2")], {CONNECTED, PAIRWISE, HUB}),
    "a row of three": ([("W1", "W2"), ("W2", "W3")], {CONNECTED, HUB}),
    "a triangle": ([("W1", "W2"), ("W2", "W3"), ("W1", "W3")], {CONNECTED, PAIRWISE, HUB}),
    "a row of four": ([("W1", "W2"), ("W2", "W3"), ("W3", "W4")], {CONNECTED}),
    "a star of four": ([("W1", "W2"), ("W1", "W3"), ("W1", "W4")], {CONNECTED, HUB}),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_adjacency_means_the_same_at_every_gate(shape: str, place: House) -> None:
    edges, accepted_by = SHAPES[shape]
    names = sorted({name for edge in edges for name in edge})

    def only_these(floor: Floor) -> None:
        del floor.adjacency[:]
        floor.adjacency.extend(place.edge(b, a) for a, b in edges)

    await place.change_floor(only_these)
    for mode in (CONNECTED, PAIRWISE, HUB):
        await set_mode(place, CONNECTED)
        booking = await place.party(4 * len(names))
        held = await place.hold(booking, *names)
        await set_mode(place, mode)
        accepted = mode in accepted_by
        assert planned(await place.plan(booking), place, names) == accepted, mode
        assert (await place.validate(booking, *names)).valid == accepted, mode
        assert (await place.explain(booking, *names)).possible == accepted, mode
        if accepted:
            await place.confirm((await place.replace(held, *names)).hold)
            await place.unassign(booking)
            await place.release(await place.hold(booking, *names))
        else:
            error = await refused(place.confirm(held), PolicyDriftError)
            assert error.metadata["reasons"] == "COMBINATION_NOT_ADJACENT"
            for gate in (place.hold, place.assign):
                await refused(gate(booking, *names), CombinationNotAdjacentError)
            await refused(place.replace(held, *names), CombinationNotAdjacentError)
            await place.release(held)


async def set_mode(place: House, mode: "AdjacencyMode.ValueType") -> None:
    def edit(policy: ServicePolicy) -> None:
        policy.combinations.adjacency_mode = mode
        policy.combinations.tables_max = 4

    await place.change_policy(edit)


def planned(plan: PlanTablesResponse, place: House, names: Sequence[str]) -> bool:
    wanted = sorted(place.ids(names))
    return any(list(found.table_ids) == wanted for found in plan.plans)


# P1 and P7: plans


async def test_what_is_planned_can_be_validated_held_and_confirmed(place: House) -> None:
    for size in (1, 2, 5, 7, 12):
        booking = await place.party(size)
        plan = await place.plan(booking)
        assert plan.outcome == PlanOutcome.PLAN_OUTCOME_FEASIBLE
        for found in plan.plans:
            assert found.capacity - size == found.slack
            assert found.merged == (len(found.table_ids) > 1)
            assert found.cost == pytest.approx(sum(term.cost for term in found.breakdown))
        best = plan.plans[0]
        request = place.hold_request(booking.booking_id, [])
        request.table_ids.extend(best.table_ids)
        request.context_version = best.context_version
        hold = (await place.client.hold_tables(request)).hold
        assert (await place.client.confirm_hold(place.confirm_request(hold))).booking.status == (
            BookingStatus.BOOKING_STATUS_CONFIRMED
        )
        await place.unassign(booking)


async def test_every_set_is_a_plan_or_counted_once_under_its_reason(place: House) -> None:
    await place.out_of_service("W4")
    await place.seated("F6")
    plan = await place.plan(await place.party(6))
    singles = sum(not found.merged for found in plan.plans)
    merges = sum(found.merged for found in plan.plans)
    assert plan.plans_found == len(plan.plans) == singles + merges
    assert plan.tables_considered == singles + sum(left_out.tables for left_out in plan.rejections) == 8
    assert plan.combinations_considered == merges + sum(r.combinations for r in plan.rejections)
    named = {word(left_out.reason): list(left_out.table_ids) for left_out in plan.rejections}
    assert len(named) == len(plan.rejections)
    assert named["TABLE_OUT_OF_SERVICE"] == place.ids(["W4"])
    assert named["TABLE_CONFLICT_ASSIGNED"] == place.ids(["F6"])
    assert named["CAPACITY_INSUFFICIENT"] == sorted(place.ids(["W1", "W2", "W3", "P1", "P2"]))


async def test_nothing_fits_is_an_answer(place: House) -> None:
    plan = await place.plan(await place.party(50))
    assert (plan.outcome, list(plan.plans)) == (PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF, [])
    for name in ("L8", "W1"):
        await place.block(name)
    taken = await place.plan(await place.party(8, required=["window"]))
    assert taken.outcome == PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF
    for name in ("W2", "W3", "W4", "P1", "P2"):
        await place.block(name)
    taken = await place.plan(await place.party(8))
    assert taken.outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN


async def plan_for(place: House, size: int) -> PlanTablesResponse:
    """What a party that has not booked yet could get."""
    wanted = place.booking_request(party=size, start=evening()).party
    request = PlanTablesRequest(restaurant_id=place.restaurant_id, party=wanted, plans_max=50)
    return await place.client.plan_tables(request)


async def test_a_stored_booking_and_the_same_wish_get_the_same_plans(place: House) -> None:
    wish = await plan_for(place, 5)
    booking: Booking = await place.party(5)
    assert await place.plan(booking) == wish


async def test_preferences_rank_and_what_is_unmet_is_told(place: House) -> None:
    plans = (await place.plan(await place.party(2, preferred=["window"]))).plans
    assert list(plans[0].table_ids) == place.ids(["W1"])
    assert not plans[0].unmet_preferred_attributes
    assert all(list(found.unmet_preferred_attributes) == ["window"] for found in plans[1:])


async def test_a_preferred_zone_ranks_first_and_every_set_elsewhere_says_so(place: House) -> None:
    booking = await place.party(4, preferred_zones=["Terrace", "Hall"])
    assert list(booking.party.preferred_zone_ids) == sorted(place.zones.values())
    assert not any(plan.zone_preference_unmet for plan in (await place.plan(booking)).plans)
    changed = await place.party(4, booking_id=booking.booking_id, preferred_zones=["Terrace"])
    assert list(changed.party.preferred_zone_ids) == [place.zones["Terrace"]]
    plans = (await place.plan(changed)).plans
    terrace = [plan.zone_id == place.zones["Terrace"] for plan in plans]
    assert terrace[:2] == [True, True]
    assert not any(terrace[2:])
    assert [plan.zone_preference_unmet for plan in plans] == [not each for each in terrace]
    assert {term.cost for plan in plans for term in plan.breakdown if term.name == "preferred_zone"} == {
        0,
        20,
    }
    # A wish is no condition: the sets that fit are the same.
    assert {tuple(plan.table_ids) for plan in plans} == {
        tuple(plan.table_ids) for plan in (await place.plan(await place.party(4))).plans
    }


async def test_a_preferred_zone_has_to_be_one_of_the_restaurant(place: House) -> None:
    nowhere = House(place.client, place.restaurant_id, place.zone_id, place.tables, {"Attic": str(uuid4())})
    error = await refused(nowhere.party(2, preferred_zones=["Attic"]), InvalidArgumentFieldError)
    assert [violation.field for violation in error.violations] == ["party.preferred_zone_ids"]


async def test_only_as_many_plans_as_asked_for(place: House) -> None:
    request = PlanTablesRequest(
        restaurant_id=place.restaurant_id, party=place.booking_request().party, plans_max=2
    )
    few = await place.client.plan_tables(request)
    every = await plan_for(place, 2)
    assert list(few.plans) == list(every.plans[:2])
    assert few.plans_found == every.plans_found > 2
