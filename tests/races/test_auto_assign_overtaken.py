"""A10: Between planning and locking somebody is faster, or policy, floor or booking change: it is planned again."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from maitred_client import NoFeasiblePlanError
from maitred_client.messages import AutoAssignOutcome, AutoAssignResponse, ErrorReason, Floor, ServicePolicy
from server.domain.derived_request import auto_assign_request_id
from tests.builders.world import evening
from tests.builders.world_extras import House, refused
from tests.races.behind_faults import LOCK, Interrupted, first

PATIENCE_S = 60.0

Change = Callable[[House], Awaitable[object]]


async def _held(place: House) -> object:
    return await place.hold(await place.party(6), "F6")


async def _assigned(place: House) -> object:
    return await place.seated("F6", party=6)


async def _blocked(place: House) -> object:
    return await place.block("F6")


async def _smaller(place: House) -> object:
    return await place.update("F6", capacity=4)


async def _carried_out(place: House) -> object:
    def without(floor: Floor) -> None:
        kept = [table for table in floor.tables if table.table_id != place.tables["F6"]]
        del floor.tables[:]
        floor.tables.extend(kept)

    return await place.change_floor(without)


async def _stricter(place: House) -> object:
    def edit(policy: ServicePolicy) -> None:
        policy.slack_max = 3

    return await place.change_policy(edit)


def tried(place: House, answer: AutoAssignResponse) -> list[tuple[Sequence[str], str]]:
    names = {table_id: name for name, table_id in place.tables.items()}
    return [
        (
            sorted(names[table_id] for table_id in attempt.table_ids),
            ErrorReason.Name(attempt.reason).removeprefix("ERROR_REASON_"),
        )
        for attempt in answer.attempts
    ]


@pytest.mark.parametrize(
    ("change", "reason", "keeps"),
    [
        (_held, "TABLE_CONFLICT_HELD", False),
        (_assigned, "TABLE_CONFLICT_ASSIGNED", False),
        (_blocked, "TABLE_BLOCKED", False),
        (_smaller, "POLICY_DRIFT", False),
        (_carried_out, "POLICY_DRIFT", False),
        (_stricter, "STALE_CONTEXT", True),
    ],
)
async def test_what_was_planned_is_planned_once_more(
    scene: Interrupted, change: Change, reason: str, keeps: bool
) -> None:
    place = scene.place
    booking = await place.party(6)
    scene.plan.arm_for(LOCK, first(lambda: change(place)))
    answer = await place.auto_assign(booking)
    assert scene.plan.struck
    given_up, taken = tried(place, answer)
    assert given_up == (["F6"], reason)
    assert (taken[0] == ["F6"]) is keeps
    assert taken[1] == "UNSPECIFIED"
    assert list(answer.assignment.table_ids) == list(answer.attempts[-1].table_ids)
    assert answer.outcome == AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME


async def test_what_is_to_be_avoided_is_avoided_in_the_second_plan_too(scene: Interrupted) -> None:
    place = scene.place
    booking = await place.party(6)
    names = {table_id: name for name, table_id in place.tables.items()}
    second = {names[each] for each in (await place.plan(booking, avoid=["F6"])).plans[0].table_ids}
    scene.plan.arm_for(LOCK, first(lambda: place.block("F6")))
    given_up, taken = tried(place, await place.auto_assign(booking, avoid=second))
    assert given_up == (["F6"], "TABLE_BLOCKED")
    assert second.isdisjoint(taken[0])


async def test_what_does_not_touch_the_plan_does_not_matter(scene: Interrupted) -> None:
    place = scene.place
    booking = await place.party(6)
    scene.plan.arm_for(LOCK, first(lambda: place.block("W1")))
    assert tried(place, await place.auto_assign(booking)) == [(["F6"], "UNSPECIFIED")]


async def test_when_the_last_table_goes_meanwhile_nothing_fits(scene: Interrupted) -> None:
    place = scene.place
    booking = await place.party(6)
    scene.plan.arm_for(LOCK, first(lambda: place.block(*place.tables)))
    before = await scene.dump()
    error = await refused(place.auto_assign(booking), NoFeasiblePlanError)
    assert error.metadata["outcome"] == "fully_taken"
    assert (await scene.effect(before)).keys() == {
        "restaurants", "blocks", "table_claims", "audit_log", "capacity_outbox", "idempotency_ledger",
    }  # fmt: skip


async def test_a_booking_that_gets_tables_meanwhile_keeps_those(scene: Interrupted) -> None:
    place = scene.place
    booking = await place.party(6)
    scene.plan.arm_for(LOCK, first(lambda: place.assign(booking, "W1", "W2")))
    answer = await place.auto_assign(booking)
    assert answer.outcome == AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_ALREADY_ASSIGNED
    assert sorted(answer.assignment.table_ids) == sorted(place.ids(["W1", "W2"]))
    assert answer.booking == await place.read(booking.booking_id)


@pytest.mark.parametrize("words", [LOCK, "FROM bookings"])
async def test_a_booking_that_changes_meanwhile_gets_tables_for_what_it_wants_now(
    scene: Interrupted, words: str
) -> None:
    """Under the derived id of its new need: the old need is not on record as answered."""
    place = scene.place
    booking = await place.party(6)

    async def change() -> None:
        await place.party(2, booking_id=booking.booking_id, start=evening(20))

    scene.plan.arm_for(words, first(change))
    answer = await place.auto_assign(booking)
    changed = await place.read(booking.booking_id)
    assert scene.plan.struck
    assert (answer.booking, answer.assignment.party_size) == (changed, 2)
    assert changed.assignment_epoch == booking.assignment_epoch + 1
    assert await place.auto_assign(changed) == answer


async def test_who_sends_the_derived_id_of_a_need_that_changes_meanwhile_is_answered_for_the_new_one(
    scene: Interrupted,
) -> None:
    """The id is then one like any other, and stays with the call that brought it."""
    place = scene.place
    booking = await place.party(6)
    derived = auto_assign_request_id(
        scene.server.tenant_id, UUID(place.restaurant_id), UUID(booking.booking_id), booking.assignment_epoch
    )
    request = place.auto_assign_request(booking.booking_id, request_id=str(derived))
    scene.plan.arm_for(LOCK, first(lambda: place.party(2, booking_id=booking.booking_id, start=evening(20))))
    answer = await place.client.auto_assign(request, timeout_s=PATIENCE_S)
    assert (answer.assignment.party_size, answer.request_id) == (2, request.request_id)
    assert await place.client.auto_assign(request) == answer
    again = await place.auto_assign(booking)
    assert (again.outcome, again.assignment) == (
        AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_ALREADY_ASSIGNED,
        answer.assignment,
    )
