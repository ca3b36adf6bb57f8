"""The state as the read calls tell it, held against the model."""

from typing import Any

from maitred_client import MaitredClient
from maitred_client import messages as pb
from tests.model.verb import Arguments, at
from tests.model.views import (
    assignment_seen,
    assignment_told,
    block_seen,
    block_told,
    booking_seen,
    booking_told,
    change_seen,
    floor_read,
    hold_seen,
    hold_told,
    policy_read,
    restaurant_seen,
    restaurant_told,
    table_read,
)
from tests.model.words import Place

HALF_A_YEAR = 180 * 86_400
HOLD_STATES = [state for state in pb.HoldState.values() if state]

_SEEN: dict[type, Any] = {
    pb.Assignment: assignment_seen,
    pb.Block: block_seen,
    pb.Booking: booking_seen,
    pb.Floor: floor_read,
    pb.Hold: hold_seen,
    pb.Restaurant: restaurant_seen,
    pb.ServicePolicy: policy_read,
    pb.Table: table_read,
}


def agrees(told: Arguments, answer: Any) -> None:
    """The answer's fields are what the model says; an assignment that the model doesn't tell of is not there."""
    for name, expected in told.items():
        value = getattr(answer, name)
        seen = _SEEN[type(value)](value) if type(value) in _SEEN else value
        assert (list(seen) if isinstance(expected, list) else seen) == expected, name
    if hasattr(answer, "assignment"):
        assert answer.HasField("assignment") == ("assignment" in told)


def compare(client: MaitredClient, place: Place, now: int, *, whole: bool = False) -> None:
    """The restaurant is as the model has it; ids that calls did not tell are learned.

    Of policy and floor only the versions are compared, unless it is to be the whole.
    """
    restaurant_id = place.restaurant_id
    asked = client.get_restaurant(pb.GetRestaurantRequest(restaurant_id=restaurant_id))
    assert restaurant_seen(asked.restaurant) == restaurant_told(place)
    if whole and place.policy is not None:
        found = client.get_service_policy(pb.GetServicePolicyRequest(restaurant_id=restaurant_id)).policy
        assert policy_read(found) == place.policy
    if whole:
        floor = client.get_floor(pb.GetFloorRequest(restaurant_id=restaurant_id)).floor
        assert floor_read(floor) == place.floor
    _compare_bookings(client, place, now)
    _compare_assignments(client, place, now)
    holds = client.list_holds(pb.ListHoldsRequest(restaurant_id=restaurant_id, states=HOLD_STATES)).holds
    assert {hold.hold_id: hold_seen(hold) for hold in holds} == {
        hold.hold_id: hold_told(hold, now) for hold in place.holds.values()
    }
    blocks = client.list_blocks(pb.ListBlocksRequest(restaurant_id=restaurant_id, **_around(now))).blocks
    assert {block.block_id: block_seen(block) for block in blocks} == {
        block.block_id: block_told(block) for block in place.blocks.values() if not block.released
    }


def compare_history(client: MaitredClient, place: Place, booking_id: str) -> None:
    booking = place.bookings.get(booking_id)
    if booking is not None:
        request = pb.GetBookingRequest(restaurant_id=place.restaurant_id, booking_id=booking_id)
        history = client.get_booking(request).history
        assert [change_seen(change) for change in reversed(history)] == booking.history[-100:]


def _compare_bookings(client: MaitredClient, place: Place, now: int) -> None:
    request = pb.ListBookingsRequest(restaurant_id=place.restaurant_id, **_around(now))
    found = client.list_bookings(request).bookings
    assert {booking.booking_id: booking_seen(booking) for booking in found} == {
        booking.booking_id: booking_told(booking) for booking in place.bookings.values()
    }


def _compare_assignments(client: MaitredClient, place: Place, now: int) -> None:
    request = pb.ListAssignmentsRequest(restaurant_id=place.restaurant_id, **_around(now))
    found = {given.booking_id: given for given in client.list_assignments(request).assignments}
    given = {
        booking.booking_id: booking.assignment for booking in place.bookings.values() if booking.assignment
    }
    assert {booking_id: assignment_seen(message) for booking_id, message in found.items()} == {
        booking_id: assignment_told(assignment) for booking_id, assignment in given.items()
    }
    for booking_id, assignment in given.items():
        message = found[booking_id]
        for name in ("assignment_id", "merge_group_id"):
            setattr(assignment, name, getattr(assignment, name) or getattr(message, name))
            assert getattr(assignment, name) == getattr(message, name)


def _around(now: int) -> dict[str, Any]:
    return {"window_start": at(now - HALF_A_YEAR), "window_end": at(now + HALF_A_YEAR)}
