"""A12: A booking's life: which step is allowed when, what it frees, and what its record says."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import (
    AsyncMaitredClient,
    InvalidStateTransitionError,
    MaitredError,
    TableConflictAssignedError,
    VersionMismatchError,
    instant,
)
from maitred_client.messages import (
    AssignmentState,
    Booking,
    BookingAction,
    BookingStatus,
    DispatchAutoAssignRequest,
    HoldState,
)
from tests.builders.world import evening
from tests.builders.world_extras import House, always_open_policy, house, refused
from tests.conftest import Served
from tests.support.database import rows

pytestmark = pytest.mark.shared_server

STATUSES = {name.removeprefix("BOOKING_STATUS_"): number for name, number in BookingStatus.items() if number}
ACTIONS = {name.removeprefix("BOOKING_ACTION_"): number for name, number in BookingAction.items() if number}
WORDS = {number: name for name, number in STATUSES.items()}

Step = Callable[[House, Booking], Awaitable[object]]


def step(action: str) -> Step:
    return lambda place, booking: place.transition(booking, ACTIONS[action])


STEPS: Mapping[str, Step] = {
    **{action: step(action) for action in ACTIONS},
    "assign": lambda place, booking: place.assign(booking, "W3"),
    "hold": lambda place, booking: place.hold(booking, "W3"),
    "reassign": lambda place, booking: place.reassign(booking, "W4"),
    "unassign": lambda place, booking: place.unassign(booking),
    "put": lambda place, booking: place.party(3, booking_id=booking.booking_id),
}

# How a booking gets into each status.
PATHS: Mapping[str, tuple[str, ...]] = {
    "PENDING": (),
    "PENDING_ALLOCATION": ("QUEUE",),
    "CONFIRMED": ("assign",),
    "CHECKED_IN": ("assign", "CHECK_IN"),
    "COMPLETED": ("assign", "CHECK_IN", "COMPLETE"),
    "CANCELLED": ("CANCEL",),
    "NO_SHOW": ("assign", "NO_SHOW"),
}

# The status after each step that is allowed; every other step is refused.
ALLOWED: Mapping[str, Mapping[str, str]] = {
    "PENDING": {
        "QUEUE": "PENDING_ALLOCATION",
        "CANCEL": "CANCELLED",
        "assign": "CONFIRMED",
        "hold": "PENDING",
        "put": "PENDING",
    },
    "PENDING_ALLOCATION": {
        "CANCEL": "CANCELLED",
        "assign": "CONFIRMED",
        "hold": "PENDING_ALLOCATION",
        "put": "PENDING_ALLOCATION",
    },
    "CONFIRMED": {
        "CHECK_IN": "CHECKED_IN",
        "CANCEL": "CANCELLED",
        "NO_SHOW": "NO_SHOW",
        "reassign": "CONFIRMED",
        "unassign": "PENDING",
        "put": "CONFIRMED",
    },
    "CHECKED_IN": {"COMPLETE": "COMPLETED", "NO_SHOW": "NO_SHOW", "reassign": "CHECKED_IN"},
    "COMPLETED": {},
    "CANCELLED": {},
    "NO_SHOW": {"UNDO_NO_SHOW": "CONFIRMED"},
}
# Steps that are refused for another reason than the status.
OTHER_REASONS: Mapping[tuple[str, str], str] = {
    ("CONFIRMED", "assign"): "BOOKING_ALREADY_ASSIGNED",
    ("CONFIRMED", "hold"): "BOOKING_ALREADY_ASSIGNED",
    **{
        (status, step): "ASSIGNMENT_NOT_FOUND"
        for status in ("PENDING", "PENDING_ALLOCATION", "CANCELLED", "NO_SHOW")
        for step in ("unassign", "reassign")
    },
}


async def booking_that_is(status: str, place: House) -> Booking:
    booking = await place.party(2)
    for name in PATHS[status]:
        await STEPS[name](place, booking)
    return await place.read(booking.booking_id)


def test_the_matrix_has_every_status_and_every_action() -> None:
    assert ALLOWED.keys() == PATHS.keys() == STATUSES.keys()
    assert STEPS.keys() == ACTIONS.keys() | {"assign", "hold", "reassign", "unassign", "put"}


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_allows_its_own_steps_and_no_others(status: str, place: House) -> None:
    for name, take in STEPS.items():
        before = await booking_that_is(status, place)
        assert WORDS[before.status] == status
        if name in ALLOWED[status]:
            await take(place, before)
            after = await place.read(before.booking_id)
            assert WORDS[after.status] == ALLOWED[status][name], name
            assert after.revision == before.revision + (0 if name == "hold" else 1), name
        else:
            reason = OTHER_REASONS.get((status, name), "INVALID_STATE_TRANSITION")
            error = await refused(take(place, before), MaitredError)
            assert error.reason == reason, name
            assert (await place.read(before.booking_id)) == before
        await vacated(place, before)


async def vacated(place: House, booking: Booking) -> None:
    """Frees the tables for the next booking of the test."""
    now = await place.read(booking.booking_id)
    if now.status == BookingStatus.BOOKING_STATUS_CHECKED_IN:
        await place.transition(now, BookingAction.BOOKING_ACTION_COMPLETE)
    elif "CANCEL" in ALLOWED[WORDS[now.status]]:
        await place.transition(now, BookingAction.BOOKING_ACTION_CANCEL)


async def test_a_refused_step_names_the_steps_that_are_allowed(place: House) -> None:
    booking = await place.seated("W1")
    error = await refused(
        place.transition(booking, BookingAction.BOOKING_ACTION_COMPLETE), InvalidStateTransitionError
    )
    assert error.metadata == {
        "booking_id": booking.booking_id,
        "current_status": "confirmed",
        "action": "complete",
        "allowed_actions": "check_in,cancel,no_show",
        "allowed_from": "",
    }


async def test_the_history_tells_every_change_newest_first(place: House) -> None:
    booking = await place.party(2)
    await place.party(3, booking_id=booking.booking_id)
    await place.assign(booking, "W1")
    request = place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_CHECK_IN)
    request.actor, request.reason = "Ada", "at the door"
    await place.client.transition_booking(request)
    history = (await place.found(booking)).history
    steps = [(WORDS.get(change.from_status, ""), WORDS[change.to_status]) for change in history]
    assert steps == [
        ("CONFIRMED", "CHECKED_IN"),
        ("PENDING", "CONFIRMED"),
        ("PENDING", "PENDING"),
        ("", "PENDING"),
    ]
    assert [change.revision for change in history] == [4, 3, 2, 1]
    assert (history[0].actor, history[0].reason) == ("Ada", "at the door")
    times = [instant(change.changed_at) for change in history]
    assert times == sorted(times, reverse=True)


async def test_times_of_arrival_and_departure_are_the_databases(place: House) -> None:
    booking = await place.seated("W1")
    seated = await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    assert abs(instant(seated.checked_in_at) - datetime.now(UTC)) < timedelta(seconds=30)
    assert not seated.HasField("checked_out_at")
    gone = await place.transition(booking, BookingAction.BOOKING_ACTION_COMPLETE)
    assert gone.checked_in_at == seated.checked_in_at
    assert instant(gone.checked_out_at) >= instant(gone.checked_in_at)


async def test_a_party_that_never_came_was_never_there(place: House) -> None:
    booking = await place.seated("W1")
    await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    absent = await place.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    assert not absent.HasField("checked_in_at")


# Epochs


@pytest.mark.parametrize(
    ("path", "epochs"),
    [
        (("assign", "CHECK_IN", "COMPLETE"), [1, 1, 1, 1]),
        (("QUEUE", "CANCEL"), [1, 1, 2]),
        (("assign", "unassign", "assign"), [1, 1, 2, 2]),
        (("assign", "NO_SHOW", "UNDO_NO_SHOW"), [1, 1, 2, 2]),
        (("put", "assign", "put"), [1, 2, 2, 2]),
    ],
)
async def test_the_epoch_rises_when_the_need_for_tables_is_a_new_one(
    path: tuple[str, ...], epochs: list[int], place: House
) -> None:
    booking = await place.party(2)
    seen = [booking.assignment_epoch]
    for name in path:
        await STEPS[name](place, booking)
        seen.append((await place.read(booking.booking_id)).assignment_epoch)
    assert seen == epochs


async def test_the_same_wish_again_changes_nothing(place: House) -> None:
    booking = await place.party(2, required=["window"], reference="R")
    again = await place.party(2, booking_id=booking.booking_id, required=["window"], reference="R")
    assert again == booking
    assert len((await place.found(booking)).history) == 1


CHANGED_NEEDS: Mapping[str, dict[str, object]] = {
    "size": {"size": 3},
    "start": {"start": evening(20)},
    "length of stay": {"stay": timedelta(hours=1)},
    "zone": {"zone": "Hall"},
    "required attributes": {"required": ["window"]},
}


@pytest.mark.parametrize("what", CHANGED_NEEDS)
async def test_what_touches_the_need_starts_a_new_epoch_and_ends_holds(what: str, place: House) -> None:
    booking = await place.party(2)
    hold = await place.hold(booking, "W1")
    changed = await place.party(booking_id=booking.booking_id, **CHANGED_NEEDS[what])  # type: ignore[arg-type]
    assert (changed.revision, changed.assignment_epoch) == (2, 2)
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_RELEASED


@pytest.mark.parametrize(
    "wanted", [{"reference": "R-2"}, {"preferred": ["window"]}, {"preferred_zones": ["Terrace"]}]
)
async def test_what_does_not_touch_the_need_keeps_tables_and_holds(
    wanted: dict[str, object], place: House
) -> None:
    booking = await place.party(2)
    hold = await place.hold(booking, "W1")
    changed = await place.party(2, booking_id=booking.booking_id, **wanted)  # type: ignore[arg-type]
    assert (changed.revision, changed.assignment_epoch) == (2, 1)
    await place.confirm(hold)
    assert not (await place.read(booking.booking_id)).needs_tables


# What ends frees


@pytest.fixture
async def open_now(client: AsyncMaitredClient) -> House:
    return await house(client, policy=always_open_policy())


def a_while_ago() -> datetime:
    return (datetime.now(UTC) - timedelta(minutes=30)).replace(microsecond=0)


async def test_a_party_that_leaves_gives_back_the_rest_of_its_window_on_each_table(open_now: House) -> None:
    place = open_now
    booking = await place.seated("W1", "W2", party=6, start=a_while_ago())
    waiting = {name: await place.party(start=a_while_ago() + timedelta(minutes=40)) for name in ("W1", "W2")}
    await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    for name, each in waiting.items():
        await refused(place.hold(each, name), TableConflictAssignedError)
    gone = await place.transition(booking, BookingAction.BOOKING_ACTION_COMPLETE)
    for name, each in waiting.items():
        await place.assign(each, name)
    done = await place.assignment(booking.booking_id)
    assert done.state == AssignmentState.ASSIGNMENT_STATE_COMPLETED
    assert done.window_end == gone.checked_out_at
    early = await place.party(start=a_while_ago())
    for name in waiting:
        await refused(place.hold(early, name), TableConflictAssignedError)


@pytest.mark.parametrize("action", ["CANCEL", "NO_SHOW"])
async def test_a_party_that_does_not_come_frees_its_tables_and_holds(
    action: str, place: House, server: Served
) -> None:
    booking = await place.seated("W1", "W2", party=6)
    await place.party(7, booking_id=booking.booking_id)
    hold = await place.hold(booking, "W3", "W4")
    await place.transition(booking, ACTIONS[action])
    assert (await place.hold_now(hold)).state == HoldState.HOLD_STATE_RELEASED
    assert await rows(server.database_url, "SELECT * FROM table_claims") == []
    states = await rows(server.database_url, "SELECT state FROM assignments")
    assert [state["state"] for state in states] == ["released"]


async def test_a_late_guest_gets_the_same_tables_back(place: House) -> None:
    booking = await place.seated("W1", "W2", party=6)
    await place.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    await place.transition(booking, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)
    assignment = await place.assignment(booking.booking_id)
    assert list(assignment.table_ids) == sorted(place.ids(["W1", "W2"]))
    assert not (await place.read(booking.booking_id)).needs_tables
    await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)


async def test_a_late_guest_whose_table_is_taken_is_told_by_what(place: House, server: Served) -> None:
    booking = await place.seated("W1", "W2", party=6)
    await place.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    await place.seated("W2")
    before = await rows(server.database_url, "SELECT floor_version FROM restaurants")
    error = await refused(
        place.transition(booking, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW), TableConflictAssignedError
    )
    assert [conflict.table_id for conflict in error.conflicts] == [place.tables["W2"]]
    assert WORDS[(await place.read(booking.booking_id)).status] == "NO_SHOW"
    assert await rows(server.database_url, "SELECT floor_version FROM restaurants") == before


# Versions


@pytest.mark.parametrize(
    "call",
    [
        "put_booking",
        "transition",
        "assign",
        "auto_assign",
        "dispatch",
        "unassign",
        "hold",
        "replace",
        "confirm",
    ],
)
async def test_a_change_that_was_decided_on_an_old_version_is_refused(call: str, place: House) -> None:
    booking = await place.party(2)
    id_, old = booking.booking_id, booking.etag
    hold = await place.hold(booking, "W1")
    await place.party(2, booking_id=id_, reference="changed meanwhile")
    put = place.booking_request(booking_id=id_)
    transition = place.transition_request(id_, BookingAction.BOOKING_ACTION_CANCEL)
    assign, unassign = place.assign_request(id_, ["W1"]), place.unassign_request(id_)
    held, confirm = place.hold_request(id_, ["W1"]), place.confirm_request(hold)
    replace, automatic = place.replace_request(hold.hold_id, ["W2"]), place.auto_assign_request(id_)
    dispatch = DispatchAutoAssignRequest(restaurant_id=place.restaurant_id, booking_id=id_)
    for request in (put, transition, assign, unassign, held, replace, confirm, automatic, dispatch):
        request.etag = old
    calls: Mapping[str, Awaitable[object]] = {
        "put_booking": place.client.put_booking(put),
        "transition": place.client.transition_booking(transition),
        "assign": place.client.assign_tables(assign),
        "auto_assign": place.client.auto_assign(automatic),
        "dispatch": place.client.dispatch_auto_assign(dispatch),
        "unassign": place.client.unassign_tables(unassign),
        "hold": place.client.hold_tables(held),
        "replace": place.client.replace_hold(replace),
        "confirm": place.client.confirm_hold(confirm),
    }
    for name, awaitable in calls.items():
        if name == call:
            error = await refused(awaitable, VersionMismatchError)
        else:
            awaitable.close()  # type: ignore[attr-defined]
    assert error.metadata == {"resource": "booking", "expected_etag": "b1", "current_etag": "b2"}
    assert (await place.read(id_)).etag == "b2"


async def test_a_booking_that_does_not_exist_has_no_version(place: House) -> None:
    request = place.booking_request()
    request.etag = "b1"
    error = await refused(place.client.put_booking(request), VersionMismatchError)
    assert error.metadata["current_etag"] == ""
    assert error.message.startswith("There is no booking by this id")
