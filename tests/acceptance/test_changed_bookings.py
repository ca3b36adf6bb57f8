"""A11: A booking that changes what it needs, or gives up tables, keeps the rest safe until something new is settled."""

import pytest

from maitred_client import (
    CapacityInsufficientError,
    MaitredError,
    TableConflictAssignedError,
    TableConflictHeldError,
    instant,
)
from maitred_client.messages import BookingStatus, HoldState
from tests.builders.world import evening
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import row, rows

pytestmark = [pytest.mark.shared_server, pytest.mark.each_way_of_writing]

WORDS = {number: name.removeprefix("BOOKING_STATUS_") for name, number in BookingStatus.items()}


async def test_a_moved_booking_keeps_its_tables_until_it_has_new_ones(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    moved = await place.party(2, booking_id=booking.booking_id, start=evening(21))
    assert (WORDS[moved.status], moved.needs_tables) == ("CONFIRMED", True)
    assert (moved.revision, moved.assignment_epoch) == (3, 2)
    await refused(place.hold(await place.party(), "W1"), TableConflictAssignedError)

    await place.assign(booking, "W2")
    settled = await place.read(booking.booking_id)
    assert (WORDS[settled.status], settled.needs_tables, settled.assignment_epoch) == ("CONFIRMED", False, 2)
    await place.hold(await place.party(), "W1")
    states = await rows(server.database_url, "SELECT state FROM assignments ORDER BY created_at")
    assert [state["state"] for state in states] == ["released", "active"]
    told = "SELECT FROM capacity_outbox WHERE event_type = 'capacity.booking.transitioned'"
    assert len(await rows(server.database_url, told)) == 2


async def test_a_moved_booking_may_take_its_own_table_again(place: House, server: Served) -> None:
    """The old and the new stay overlap by an hour on the same table; nobody else is ever let in between."""
    booking = await place.seated("W1")
    await place.party(2, booking_id=booking.booking_id, start=evening(20))
    hold = await place.hold(booking, "W1")
    await refused(place.hold(await place.party(start=evening(21)), "W1"), TableConflictHeldError)
    await refused(place.hold(await place.party(start=evening(18)), "W1"), TableConflictAssignedError)
    assignment = await place.confirm(hold)
    assert instant(assignment.window_start) == evening(20)
    claim = await row(server.database_url, "SELECT lower(during) AS a, upper(during) AS b FROM table_claims")
    assert (claim["a"], claim["b"]) == (evening(20), evening(22))
    await place.hold(await place.party(start=evening(18)), "W1")


async def test_a_booking_that_is_changed_back_has_its_tables_assigned_anew(place: House) -> None:
    booking = await place.seated("W1")
    await place.party(3, booking_id=booking.booking_id)
    back = await place.party(2, booking_id=booking.booking_id)
    assert (back.party, back.needs_tables) == (booking.party, True)
    await place.reassign(booking, "W1")
    assert not (await place.read(booking.booking_id)).needs_tables


async def test_a_hold_for_the_new_time_survives_giving_up_the_old_tables(
    place: House, server: Served
) -> None:
    booking = await place.seated("W1")
    await place.party(2, booking_id=booking.booking_id, start=evening(20))
    hold = await place.hold(booking, "W1")
    await place.unassign(booking)
    await refused(place.hold(await place.party(start=evening(20)), "W1"), TableConflictHeldError)
    await place.hold(await place.party(start=evening(18)), "W1")
    await place.confirm(hold)
    assert not (await place.read(booking.booking_id)).needs_tables


async def test_a_moved_booking_may_hold_several_sets(place: House) -> None:
    booking = await place.seated("W1")
    await place.party(2, booking_id=booking.booking_id, start=evening(20))
    holds = [await place.hold(booking, table) for table in ("W1", "W2")]
    assert [(await place.hold_now(hold)).state for hold in holds] == [HoldState.HOLD_STATE_ACTIVE] * 2
    request = place.hold_request(booking.booking_id, ["W1"])
    assert list((await place.client.hold_tables(request)).superseded_hold_ids) == [holds[0].hold_id]
    assert (await place.hold_now(holds[1])).state == HoldState.HOLD_STATE_ACTIVE


async def test_a_hold_for_an_earlier_time_keeps_nobody_out_until_the_old_tables_begin(place: House) -> None:
    booking = await place.seated("W1", "W2", party=4, start=evening(21))
    await place.party(4, booking_id=booking.booking_id, start=evening(17))
    hold = await place.hold(booking, "W1", "W2")
    await place.unassign(booking, "W2")
    for table in ("W1", "W2"):
        await place.hold(await place.party(start=evening(19)), table)
    await place.confirm(hold)


async def test_a_new_need_alone_is_handed_over_and_by_a_policy_that_says_so(place: House) -> None:
    booking = await place.party(4)

    async def changed(size: int, reference: str) -> tuple[str, bool]:
        now = await place.party(size, booking_id=booking.booking_id, reference=reference)
        return WORDS[now.status], now.HasField("auto_assign_job")

    assert await changed(3, "R-1") == ("PENDING", False)
    await place.change_policy(lambda policy: setattr(policy, "auto_assign_bookings", True))
    assert await changed(3, "R-2") == ("PENDING", False)
    assert await changed(4, "R-2") == ("PENDING_ALLOCATION", True)


# Unassign


async def test_part_of_a_merge_may_go_when_the_rest_still_seats_the_party(
    place: House, server: Served
) -> None:
    booking = await place.seated("W1", "W2", party=4)
    request = place.unassign_request(booking.booking_id, ["W2"])
    request.actor = "Ada"
    left = await place.client.unassign_tables(request)
    assert (list(left.assignment.table_ids), left.assignment.actor) == (place.ids(["W1"]), "Ada")
    assert left.assignment.merge_group_id == ""
    assert (WORDS[left.booking.status], left.booking.needs_tables) == ("CONFIRMED", False)
    await place.hold(await place.party(), "W2")
    await refused(place.hold(await place.party(), "W1"), TableConflictAssignedError)
    groups = await rows(
        server.database_url,
        "SELECT FROM merge_groups JOIN assignments USING (restaurant_id, assignment_id) WHERE state = 'active'",
    )
    assert groups == []


async def test_part_of_a_merge_may_not_go_when_the_rest_is_too_small(place: House) -> None:
    booking = await place.seated("W1", "W2", party=6)
    error = await refused(place.unassign(booking, "W1"), CapacityInsufficientError)
    assert error.metadata == {"party_size": "6", "capacity": "4"}
    assert (await place.read(booking.booking_id)) == booking


async def test_the_middle_of_three_tables_cannot_be_taken_out(place: House) -> None:
    booking = await place.seated("W1", "W2", "W3", party=8)
    error = await refused(place.unassign(booking, "W2"), MaitredError)
    assert error.reason == "COMBINATION_NOT_ADJACENT"
    left = await place.unassign(booking, "W3")
    assert left.assignment.merge_group_id


async def test_without_any_table_a_booking_is_pending_again(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    answer = await place.unassign(booking)
    assert not answer.HasField("assignment")
    assert (WORDS[answer.booking.status], answer.booking.needs_tables) == ("PENDING", True)
    assert await rows(server.database_url, "SELECT * FROM table_claims") == []
    await place.assign(booking, "W1")
