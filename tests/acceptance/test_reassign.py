"""A11: a booking moves to other tables; the new ones are taken before the old ones are given up."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import (
    AssignmentNotFoundError,
    BookingAlreadyAssignedError,
    CapacityInsufficientError,
    CombinationNotAdjacentError,
    InvalidStateTransitionError,
    StaleContextError,
    TableBlockedError,
    TableConflictAssignedError,
    TableConflictHeldError,
    VersionMismatchError,
    WindowInPastError,
    instant,
)
from maitred_client.messages import (
    AssignmentState,
    BookingAction,
    BookingStatus,
    HoldState,
)
from tests.builders.world import evening
from tests.builders.world_extras import House, always_open_policy, house, refused
from tests.conftest import Served
from tests.support.database import row, rows, turn_back

pytestmark = pytest.mark.shared_server

CHECK_IN = BookingAction.BOOKING_ACTION_CHECK_IN
COMPLETE = BookingAction.BOOKING_ACTION_COMPLETE


async def test_a_confirmed_booking_moves_and_stays_confirmed(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    answer = await place.reassign(booking, "W4")
    moved, assignment = answer.booking, answer.assignment
    assert moved == await place.read(booking.booking_id)
    assert moved.status == BookingStatus.BOOKING_STATUS_CONFIRMED
    assert (moved.revision, moved.needs_tables) == (booking.revision + 1, False)
    assert list(assignment.table_ids) == place.ids(["W4"])
    assert assignment.state == AssignmentState.ASSIGNMENT_STATE_ACTIVE
    assert (assignment.window_start, assignment.window_end) == (booking.window_start, booking.window_end)
    assert await place.assignment(booking.booking_id) == assignment
    states = await rows(server.database_url, "SELECT state FROM assignments ORDER BY created_at")
    assert [state["state"] for state in states] == ["released", "active"]
    await place.hold(await place.party(), "W1")
    await refused(place.hold(await place.party(), "W4"), TableConflictAssignedError)


async def test_the_assignment_epoch_rises(place: House) -> None:
    booking = await place.seated("W1")
    answer = await place.reassign(booking, "W2")
    assert answer.booking.assignment_epoch == booking.assignment_epoch + 1
    assert answer.assignment.assignment_epoch == answer.booking.assignment_epoch
    again = await place.reassign(booking, "W1")
    assert again.booking.assignment_epoch == booking.assignment_epoch + 2
    assert not again.booking.needs_tables


@pytest.mark.parametrize(
    ("old", "new"),
    [("W1 W2", "W2 W3"), ("W1", "W1 W2"), ("W1 W2", "W1"), ("W1 W2", "W3 W4")],
)
async def test_old_and_new_tables_may_overlap(old: str, new: str, place: House, server: Served) -> None:
    booking = await place.seated(*old.split(), party=4)
    assignment = (await place.reassign(booking, *new.split())).assignment
    assert list(assignment.table_ids) == sorted(place.ids(new.split()))
    assert bool(assignment.merge_group_id) == (len(new.split()) > 1)
    claims = await rows(server.database_url, "SELECT table_id, assignment_id FROM table_claims ORDER BY 1")
    assert [(str(claim["table_id"]), str(claim["assignment_id"])) for claim in claims] == [
        (table_id, assignment.assignment_id) for table_id in sorted(place.ids(new.split()))
    ]


async def test_a_move_writes_events_history_and_audit(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    request = place.reassign_request(booking.booking_id, ["W2"])
    request.reason, request.actor = "a draught", "Ada"
    answer = await place.client.reassign_tables(request)
    told = await rows(
        server.database_url,
        "SELECT event_type, payload FROM capacity_outbox ORDER BY floor_version DESC, position LIMIT 2",
    )
    assert [event["event_type"] for event in told] == [
        "capacity.assignment.released",
        "capacity.assignment.sync",
    ]
    tables = [json.loads(event["payload"])["tableIds"] for event in told]
    assert tables == [place.ids(["W1"]), place.ids(["W2"])]
    change = (await place.found(booking)).history[0]
    assert (change.reason, change.from_status, change.to_status) == (
        "a draught",
        booking.status,
        booking.status,
    )
    entry = await row(server.database_url, "SELECT * FROM audit_log WHERE action = 'reassign'")
    assert (entry["reason"], str(entry["resource_id"])) == ("a draught", booking.booking_id)
    assert "Ada" in entry["actor"]
    assert json.loads(entry["details"])["assignment_id"] == answer.assignment.assignment_id


async def test_a_refused_move_leaves_the_booking_where_it_is(place: House, server: Served) -> None:
    booking = await place.seated("W1", "W2", party=6)
    await place.seated("F6")
    await place.hold(await place.party(), "W3")
    await place.block("P1")
    before = await rows(server.database_url, "SELECT floor_version FROM restaurants")
    await refused(place.reassign(booking, "F6"), TableConflictAssignedError)
    error = await refused(place.reassign(booking, "W2", "W3"), TableConflictHeldError)
    assert [conflict.table_id for conflict in error.conflicts] == [place.tables["W3"]]
    await refused(place.reassign(booking, "P1", "P2"), TableBlockedError)
    await refused(place.reassign(booking, "W4"), CapacityInsufficientError)
    await refused(place.reassign(booking, "W2", "W4"), CombinationNotAdjacentError)
    assert await place.read(booking.booking_id) == booking
    assert await rows(server.database_url, "SELECT floor_version FROM restaurants") == before
    await refused(place.hold(await place.party(), "W1"), TableConflictAssignedError)


async def test_a_move_to_exactly_the_present_tables_is_refused(place: House) -> None:
    booking = await place.seated("W1", "W2", party=6)
    error = await refused(place.reassign(booking, "W2", "W1"), BookingAlreadyAssignedError)
    assert error.metadata["booking_id"] == booking.booking_id
    assert await place.read(booking.booking_id) == booking


async def test_a_booking_without_tables_has_nothing_to_move_from(place: House) -> None:
    error = await refused(place.reassign(await place.party(), "W1"), AssignmentNotFoundError)
    assert error.metadata["restaurant_id"] == place.restaurant_id


async def test_a_party_that_has_left_is_not_moved(place: House) -> None:
    booking = await place.seated("W1")
    for action in (CHECK_IN, COMPLETE):
        await place.transition(booking, action)
    error = await refused(place.reassign(booking, "W2"), InvalidStateTransitionError)
    assert error.metadata["action"] == "reassign tables"


async def test_a_move_on_an_old_view_is_refused(place: House) -> None:
    booking = await place.seated("W1")
    request = place.reassign_request(booking.booking_id, ["W2"])
    request.etag = "b1"
    await refused(place.client.reassign_tables(request), VersionMismatchError)
    request = place.reassign_request(booking.booking_id, ["W2"])
    request.context_version = (await place.validate(booking, "W2")).context_version
    stranger = await place.hold(await place.party(), "W2")
    await refused(place.client.reassign_tables(request), StaleContextError)
    await place.release(stranger)
    request.request_id = ""
    assert (await place.client.reassign_tables(request)).booking.revision == booking.revision + 1


async def test_a_changed_booking_moves_for_its_new_time_even_on_its_own_table(
    place: House, server: Served
) -> None:
    booking = await place.seated("W1")
    changed = await place.party(3, booking_id=booking.booking_id, start=evening(20))
    hold = await place.hold(booking, "W1")
    answer = await place.reassign(changed, "W1")
    assert instant(answer.assignment.window_start) == evening(20)
    assert (answer.assignment.party_size, answer.booking.needs_tables) == (3, False)
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_RELEASED
    claim = await row(server.database_url, "SELECT lower(during) AS a, upper(during) AS b FROM table_claims")
    assert (claim["a"], claim["b"]) == (evening(20), evening(22))


# While the party sits there


async def test_a_seated_party_moves_and_stays_seated(place: House) -> None:
    booking = await place.transition(await place.seated("W1"), CHECK_IN)
    moved = (await place.reassign(booking, "W2")).booking
    assert moved.status == BookingStatus.BOOKING_STATUS_CHECKED_IN
    assert moved.checked_in_at == booking.checked_in_at
    gone = await place.transition(booking, COMPLETE)
    assert gone.checked_in_at == booking.checked_in_at
    for name in ("W1", "W2"):
        await place.hold(await place.party(), name)


async def test_a_party_that_moves_during_its_stay_needs_the_new_table_from_then_on(server: Served) -> None:
    """Whoever sat there before and has left is not in its way."""
    started = (datetime.now(UTC) - timedelta(minutes=30)).replace(microsecond=0)
    async with server.client() as client:
        place = await house(client, policy=always_open_policy())
        early = await place.seated("W2", start=started - timedelta(minutes=30))
        for action in (CHECK_IN, COMPLETE):
            await place.transition(early, action)
        booking = await place.transition(await place.seated("W1", start=started), CHECK_IN)
        request = place.reassign_request(booking.booking_id, ["W2"])
        request.context_version = (await place.validate(booking, "W2")).context_version
        assignment = (await place.client.reassign_tables(request)).assignment
        assert started < instant(assignment.window_start) <= datetime.now(UTC) + timedelta(seconds=30)
        assert assignment.window_end == booking.window_end
        later = await place.party(start=started + timedelta(minutes=45))
        await refused(place.hold(later, "W2"), TableConflictAssignedError)
        await place.hold(later, "W1")


async def test_a_booking_whose_window_is_over_is_not_moved(place: House, server: Served) -> None:
    booking = await place.seated("W1")
    await turn_back(server.database_url, timedelta(days=60))
    await refused(place.reassign(booking, "W2"), WindowInPastError)
