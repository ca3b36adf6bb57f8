"""Lists have each booking and each assignment once, in order, and as it is read by itself."""

from datetime import timedelta
from typing import Any

import pytest

from maitred_client.messages import (
    BookingAction,
    BookingStatus,
    ListAssignmentsRequest,
    ListBookingsRequest,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House
from tests.support.background import dispatched

pytestmark = pytest.mark.shared_server

DAY = timedelta(days=1)
NOT_CANCELLED = (
    BookingStatus.BOOKING_STATUS_PENDING,
    BookingStatus.BOOKING_STATUS_PENDING_ALLOCATION,
    BookingStatus.BOOKING_STATUS_CONFIRMED,
    BookingStatus.BOOKING_STATUS_COMPLETED,
)


def around_the_evening(place: House) -> dict[str, Any]:
    """What both lists are asked for, in pages of two."""
    window = {"window_start": stamp(evening() - DAY), "window_end": stamp(evening() + DAY)}
    return {"restaurant_id": place.restaurant_id, **window, "page_size": 2}


@pytest.fixture
async def ids(place: House) -> list[str]:
    """Bookings at one time: with a table, with two, with one that it has left, and two that wait for theirs."""
    left = await place.seated("W4")
    for action in (BookingAction.BOOKING_ACTION_CHECK_IN, BookingAction.BOOKING_ACTION_COMPLETE):
        await place.transition(left, action)
    bookings = [await place.seated("W1"), await place.seated("W2", "W3", party=6), left]
    waiting = [await dispatched(place, await place.party()) for _ in range(2)]
    return [booking.booking_id for booking in (*bookings, *waiting)]


async def test_bookings_are_listed_as_they_are_read(place: House, ids: list[str]) -> None:
    request = ListBookingsRequest(**around_the_evening(place))
    listed = [booking async for booking in place.client.iterate_bookings(request)]
    assert listed == [await place.read(booking_id) for booking_id in sorted(ids)]


async def test_what_is_there_all_the_time_is_listed_once_whatever_comes_and_goes(
    place: House, ids: list[str]
) -> None:
    request = ListBookingsRequest(**around_the_evening(place), statuses=NOT_CANCELLED)
    guest, listed = await place.party(), list[str]()
    while not listed or request.page_token:
        page = await place.client.list_bookings(request)
        listed += [booking.booking_id for booking in page.bookings]
        request.page_token = page.next_page_token
        await place.party(start=evening(11))
        await place.transition(guest, BookingAction.BOOKING_ACTION_CANCEL)
        guest = await place.party()
    assert [booking_id for booking_id in listed if booking_id in ids] == sorted(ids)


async def test_assignments_are_listed_as_they_are_read(place: House, ids: list[str]) -> None:
    request = ListAssignmentsRequest(**around_the_evening(place))
    listed = [assignment async for assignment in place.client.iterate_assignments(request)]
    read = [await place.assignment(booking_id) for booking_id in ids[:3]]
    assert listed == sorted(read, key=lambda assignment: assignment.assignment_id)
    assert [bool(assignment.merge_group_id) for assignment in read] == [False, True, False]
