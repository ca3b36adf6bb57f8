"""A13: a booking gets the best tables in one call, or an answer that says what to do instead."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from maitred_client import (
    InvalidStateTransitionError,
    NoFeasiblePlanError,
    RequestIdReusedError,
    RetryClass,
    VersionMismatchError,
    new_request_id,
)
from maitred_client.messages import (
    AutoAssignOutcome,
    AutoAssignResponse,
    Booking,
    BookingAction,
    GetOperationRequest,
    HoldState,
    OperationState,
    UnblockTablesRequest,
)
from maitred_client.reasons import BookingNotFoundError, CutoffPassedError, RestaurantNotFoundError
from tests.builders.world import evening
from tests.builders.world_extras import UNKNOWN_ID, House, house, refused
from tests.conftest import Served
from tests.support.database import expire, row, rows

pytestmark = pytest.mark.shared_server

NAMESPACE = UUID("a65e93e2-3872-5c91-95df-1d3997928c8c")
COMPLETED = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME
ALREADY = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_ALREADY_ASSIGNED


def as_bytes(answer: AutoAssignResponse) -> bytes:
    return answer.SerializeToString(deterministic=True)


def derived_id(place: House, server: Served, booking: Booking) -> str:
    """What the contract says the id is."""
    name = f"{server.tenant_id}/{place.restaurant_id}/{booking.booking_id}/{booking.assignment_epoch}"
    return str(uuid5(NAMESPACE, name))


# Which tables


async def test_the_best_plan_is_assigned_and_told(place: House, server: Served) -> None:
    booking = await place.party(4)
    best = (await place.plan(booking)).plans[0]
    answer = await place.auto_assign(booking)
    assert answer.outcome == COMPLETED
    assert list(answer.assignment.table_ids) == list(best.table_ids)
    assert (answer.cost, answer.score) == (best.cost, best.score)
    assert [list(attempt.table_ids) for attempt in answer.attempts] == [list(best.table_ids)]
    assert (answer.attempts[0].reason, list(answer.next_steps)) == (0, [])
    assert answer.booking == await place.read(booking.booking_id)
    assert not answer.booking.needs_tables
    assert await rows(server.database_url, "SELECT FROM holds") == []


async def test_it_is_told_to_history_audit_and_events_as_any_assignment(place: House, server: Served) -> None:
    booking = await place.party()
    request = place.auto_assign_request(booking.booking_id)
    request.actor, request.reason = "night shift", "walked in"
    answer = await place.client.auto_assign(request)
    change = (await place.found(booking)).history[0]
    assert (change.actor, change.reason) == ("night shift", "walked in")
    entry = await row(server.database_url, "SELECT * FROM audit_log WHERE action = 'auto_assign'")
    assert (entry["actor"], entry["reason"]) == ("night shift", "walked in")
    details = json.loads(entry["details"])
    assert details["assignment_id"] == answer.assignment.assignment_id
    assert details["request_id"] == answer.request_id
    told = "SELECT event_type FROM capacity_outbox ORDER BY floor_version DESC, position LIMIT 2"
    assert [event["event_type"] for event in await rows(server.database_url, told)] == [
        "capacity.assignment.sync",
        "capacity.booking.transitioned",
    ]


async def test_a_large_party_gets_a_merge(place: House) -> None:
    answer = await place.auto_assign(await place.party(12))
    assert sorted(answer.assignment.table_ids) in (
        sorted(place.ids(["W1", "W2", "W3"])),
        sorted(place.ids(["W2", "W3", "W4"])),
    )
    assert answer.assignment.merge_group_id


async def test_a_party_that_nothing_seats_is_left_to_staff(place: House) -> None:
    error = await refused(place.auto_assign(await place.party(30)), NoFeasiblePlanError)
    assert (error.metadata["outcome"], error.metadata["next_steps"]) == ("needs_staff", "ASK_STAFF")
    assert error.retry is RetryClass.HUMAN
    told = {check.reason: check.metadata for check in error.failed_checks}
    assert told["CAPACITY_INSUFFICIENT"]["tables"] == "8"
    counted = {reason: int(each["tables"]) + int(each["combinations"]) for reason, each in told.items()}
    assert error.metadata["reasons"] == ",".join(f"{reason}={sets}" for reason, sets in counted.items())


async def test_a_full_house_is_told_with_what_takes_it(place: House) -> None:
    await place.seated("F6")
    await place.hold(await place.party(8), "L8")
    await place.block("W1", "W2", "W3", "W4", "P1", "P2")
    error = await refused(place.auto_assign(await place.party(6)), NoFeasiblePlanError)
    assert (error.metadata["outcome"], error.metadata["next_steps"]) == ("fully_taken", "OFFER_ALTERNATIVES")
    assert error.retry is RetryClass.AFTER_FIX
    named = {check.reason: list(check.table_ids) for check in error.failed_checks}
    assert named["TABLE_CONFLICT_ASSIGNED"] == place.ids(["F6"])
    assert named["TABLE_CONFLICT_HELD"] == place.ids(["L8"])


async def test_avoided_tables_are_left_out(place: House) -> None:
    booking = await place.party(6)
    assert list((await place.plan(booking)).plans[0].table_ids) == place.ids(["F6"])
    answer = await place.auto_assign(booking, avoid=["F6"])
    assert place.tables["F6"] not in answer.assignment.table_ids


async def test_where_only_avoided_tables_seat_the_party_nobody_is_told_that_none_does(place: House) -> None:
    booking = await place.party(6, zone="Hall")
    await place.block("F6")
    others = ("L8", "W1", "W2", "W3", "W4")
    for avoid, outcome in ((("F6", *others), "needs_staff"), (others, "fully_taken")):
        error = await refused(place.auto_assign(booking, avoid=avoid), NoFeasiblePlanError)
        assert error.metadata["outcome"] == outcome
        assert "without the tables to avoid" in error.message
        assert "TABLE_AVOIDED" in {check.reason for check in error.failed_checks}


async def test_own_holds_are_not_in_the_way_and_end(place: House) -> None:
    booking = await place.party(6)
    hold = await place.hold(booking, "F6")
    answer = await place.auto_assign(booking)
    assert list(answer.assignment.table_ids) == place.ids(["F6"])
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_RELEASED


async def test_an_expired_hold_keeps_nobody_out(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(6), "F6")
    await expire(server.database_url, hold.hold_id)
    answer = await place.auto_assign(await place.party(6))
    assert list(answer.assignment.table_ids) == place.ids(["F6"])
    assert (await row(server.database_url, "SELECT state FROM holds"))["state"] == "expired"


async def test_a_changed_booking_gets_tables_for_its_new_need_in_place_of_the_old(place: House) -> None:
    booking = await place.seated("W1")
    changed = await place.party(6, booking_id=booking.booking_id)
    answer = await place.auto_assign(changed)
    assert answer.outcome == COMPLETED
    assert list(answer.assignment.table_ids) == place.ids(["F6"])
    assert answer.assignment.party_size == 6
    await place.hold(await place.party(), "W1")


# When


async def test_after_the_cutoff_staff_assign(place: House) -> None:
    booking = await place.party()
    request = place.auto_assign_request(booking.booking_id)
    request.cutoff.FromTimedelta(timedelta(days=31))
    error = await refused(place.client.auto_assign(request), CutoffPassedError)
    assert error.metadata["cutoff_s"] == str(31 * 86_400)
    request.cutoff.FromTimedelta(timedelta(days=28))
    assert (await place.client.auto_assign(request)).outcome == COMPLETED


async def test_an_old_view_of_the_booking_is_refused(place: House) -> None:
    booking = await place.party()
    await place.party(3, booking_id=booking.booking_id)
    request = place.auto_assign_request(booking.booking_id)
    request.etag = booking.etag
    await refused(place.client.auto_assign(request), VersionMismatchError)


async def test_a_cancelled_booking_gets_no_tables(place: House) -> None:
    booking = await place.party()
    await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)
    await refused(place.auto_assign(booking), InvalidStateTransitionError)


@pytest.mark.parametrize("request_id", ["", UNKNOWN_ID, str(uuid5(NAMESPACE, "unknown"))])
async def test_what_is_not_there_is_not_found_under_any_kind_of_id(place: House, request_id: str) -> None:
    request = place.auto_assign_request(UNKNOWN_ID, request_id=request_id)
    await refused(place.client.auto_assign(request), BookingNotFoundError)
    request.restaurant_id = UNKNOWN_ID
    request.request_id = new_request_id() if request_id else ""
    await refused(place.client.auto_assign(request), RestaurantNotFoundError)


# One need, one answer


async def test_without_a_request_id_everybody_asks_under_the_same(place: House, server: Served) -> None:
    booking = await place.party()
    first = await place.auto_assign(booking)
    assert first.request_id == derived_id(place, server, booking)
    request = place.auto_assign_request(booking.booking_id, avoid=["F6"])
    request.actor, request.reason = "background", "sweep"
    request.cutoff.FromTimedelta(timedelta(days=31))
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(first)
    request.request_id = first.request_id
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(first)
    assert len(await rows(server.database_url, "SELECT FROM assignments")) == 1


async def test_the_derived_id_tells_what_became_of_the_call(place: House) -> None:
    answer = await place.auto_assign(await place.party())
    found = await place.client.get_operation(
        GetOperationRequest(method="AutoAssign", operation_request_id=answer.request_id)
    )
    told = AutoAssignResponse()
    assert found.response.Unpack(told)
    assert as_bytes(told) == as_bytes(answer)


async def test_a_refusal_under_the_derived_id_is_not_remembered(place: House) -> None:
    booking = await place.party(6)
    block = await place.block(*place.tables)
    await refused(place.auto_assign(booking), NoFeasiblePlanError)
    own = place.auto_assign_request(booking.booking_id, request_id=new_request_id())
    await refused(place.client.auto_assign(own), NoFeasiblePlanError)
    unblock = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    await place.client.unblock_tables(unblock)
    assert (await place.auto_assign(booking)).outcome == COMPLETED
    await refused(place.client.auto_assign(own), NoFeasiblePlanError)


async def test_an_id_of_ones_own_is_bound_to_its_payload(place: House) -> None:
    booking = await place.party()
    request = place.auto_assign_request(booking.booking_id, request_id=new_request_id())
    answer = await place.client.auto_assign(request)
    assert answer.request_id == request.request_id
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(answer)
    request.cutoff.FromTimedelta(timedelta(minutes=5))
    request.avoid_table_ids.append(place.tables["F6"])
    error = await refused(place.client.auto_assign(request), RequestIdReusedError)
    assert error.metadata["differing_fields"] == "avoid_table_ids,cutoff"


async def test_a_derived_id_is_bound_to_its_booking_alone(place: House) -> None:
    derived = (await place.auto_assign(await place.party())).request_id
    other = await place.party()
    error = await refused(
        place.client.auto_assign(place.auto_assign_request(other.booking_id, request_id=derived)),
        RequestIdReusedError,
    )
    assert error.metadata["differing_fields"] == "booking_id"


async def test_a_booking_that_has_its_tables_keeps_them(place: House) -> None:
    booking = await place.seated("W3")
    for request_id in ("", new_request_id()):
        request = place.auto_assign_request(booking.booking_id, request_id=request_id)
        request.avoid_table_ids.extend(place.tables.values())
        answer = await place.client.auto_assign(request)
        assert answer.outcome == ALREADY
        assert list(answer.assignment.table_ids) == place.ids(["W3"])
        assert answer.booking == booking
        assert (list(answer.attempts), list(answer.next_steps)) == ([], [])
    seated = await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    request = place.auto_assign_request(booking.booking_id, request_id=new_request_id())
    answer = await place.client.auto_assign(request)
    assert (answer.outcome, answer.booking) == (ALREADY, seated)
    await place.transition(booking, BookingAction.BOOKING_ACTION_COMPLETE)
    request = place.auto_assign_request(booking.booking_id, request_id=new_request_id())
    await refused(place.client.auto_assign(request), InvalidStateTransitionError)


async def _unassign(place: House, booking: Booking) -> object:
    return await place.unassign(booking)


async def _later(place: House, booking: Booking) -> object:
    return await place.party(6, booking_id=booking.booking_id, start=evening(20))


async def _moved(place: House, booking: Booking) -> object:
    return await place.reassign(booking, "W3", "W4")


async def _shrunk(place: House, booking: Booking) -> object:
    await place.reassign(booking, "W2", "W3", "W4")
    await place.auto_assign(booking)
    return await place.unassign(booking, "W4")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [(_unassign, COMPLETED), (_later, COMPLETED), (_moved, ALREADY), (_shrunk, ALREADY)],
)
async def test_a_new_need_is_not_answered_with_the_old_tables(
    place: House,
    server: Served,
    change: Callable[[House, Booking], Awaitable[object]],
    outcome: "AutoAssignOutcome.ValueType",
) -> None:
    booking = await place.party(8)
    first = await place.auto_assign(booking)
    await change(place, booking)
    booking = await place.read(booking.booking_id)
    again = await place.auto_assign(booking)
    assert again.outcome == outcome
    assert again.request_id == derived_id(place, server, booking) != first.request_id
    assert again.assignment.assignment_id != first.assignment.assignment_id
    assert again.booking == await place.read(booking.booking_id)


async def test_every_assignment_of_a_booking_is_told(place: House, server: Served) -> None:
    booking = await place.party(4)
    given = []
    for _ in range(2):
        given.append((await place.auto_assign(booking)).assignment.assignment_id)
        await _unassign(place, booking)
    told = (
        "SELECT dedupe_key FROM capacity_outbox"
        " WHERE event_type = 'capacity.auto_assign.outcome' ORDER BY floor_version"
    )
    assert [event["dedupe_key"] for event in await rows(server.database_url, told)] == given


@pytest.mark.parametrize("change", [_unassign, _later, _moved, _shrunk])
async def test_who_repeats_the_call_of_an_earlier_need_gets_its_recorded_answer(
    place: House, server: Served, change: Callable[[House, Booking], Awaitable[object]]
) -> None:
    """Sent with its derived id. Once the need has changed that id belongs to the answer alone."""
    booking = await place.party(8)
    request = place.auto_assign_request(booking.booking_id, request_id=derived_id(place, server, booking))
    first = await place.client.auto_assign(request)
    await change(place, booking)
    before = await place.read(booking.booking_id)
    assert before.assignment_epoch > booking.assignment_epoch
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(first)
    request.actor, request.reason = "background", "sweep"
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(first)
    assert await place.read(booking.booking_id) == before


async def test_an_id_that_a_later_need_would_have_stays_with_the_call_that_brought_it(
    place: House, server: Served
) -> None:
    booking = await place.party(8)
    later = Booking(booking_id=booking.booking_id, assignment_epoch=booking.assignment_epoch + 1)
    request = place.auto_assign_request(booking.booking_id, request_id=derived_id(place, server, later))
    first = await place.client.auto_assign(request)
    await place.unassign(booking)
    assert (await place.read(booking.booking_id)).assignment_epoch == later.assignment_epoch
    assert as_bytes(await place.client.auto_assign(request)) == as_bytes(first)


async def test_bookings_of_two_restaurants_with_one_id_are_two(place: House, server: Served) -> None:
    other = await house(place.client)
    booking_id = str(uuid4())
    here, there = await place.party(booking_id=booking_id), await other.party(booking_id=booking_id)
    first, second = await place.auto_assign(here), await other.auto_assign(there)
    assert first.request_id != second.request_id
    assert second.assignment.restaurant_id == other.restaurant_id


async def test_nothing_is_in_the_ledger_after_a_refused_derived_call(place: House, server: Served) -> None:
    booking = await place.party(30)
    await refused(place.auto_assign(booking), NoFeasiblePlanError)
    found = await place.client.get_operation(
        GetOperationRequest(method="AutoAssign", operation_request_id=derived_id(place, server, booking))
    )
    assert found.state == OperationState.OPERATION_STATE_UNKNOWN
