"""How early a party can be checked in, and what a no-show that comes after all gets back."""

from datetime import UTC, datetime, timedelta

import pytest

from maitred_client import (
    AsyncMaitredClient,
    InvalidStateTransitionError,
    TableConflictAssignedError,
    instant,
)
from maitred_client.messages import BookingAction, BookingStatus
from tests.builders.world import STAY, evening
from tests.builders.world_extras import House, always_open_policy, house, refused
from tests.conftest import Served
from tests.support.database import connected

pytestmark = pytest.mark.shared_server

CHECK_IN, COMPLETE = BookingAction.BOOKING_ACTION_CHECK_IN, BookingAction.BOOKING_ACTION_COMPLETE
NO_SHOW, UNDO = BookingAction.BOOKING_ACTION_NO_SHOW, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW
LEAD = timedelta(hours=2)


@pytest.fixture
async def open_now(client: AsyncMaitredClient) -> House:
    return await house(client, policy=always_open_policy())


def in_minutes(minutes: int) -> datetime:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).replace(microsecond=0)


async def with_lead(place: House, lead: timedelta) -> House:
    changed = await place.change_policy(lambda policy: policy.check_in_lead.FromTimedelta(lead))
    assert changed.check_in_lead.ToTimedelta() == lead
    return place


async def test_too_early_is_refused_with_the_time_from_which_on_it_is_allowed(place: House) -> None:
    await with_lead(place, LEAD)
    booking = await place.seated("W1")
    error = await refused(place.transition(booking, CHECK_IN), InvalidStateTransitionError)
    assert error.metadata == {
        "booking_id": booking.booking_id,
        "current_status": "confirmed",
        "action": "check_in",
        "allowed_actions": "cancel,no_show",
        "allowed_from": (evening() - LEAD).isoformat(),
    }
    assert (await place.read(booking.booking_id)) == booking


async def test_within_the_lead_and_late_a_party_checks_in(open_now: House) -> None:
    place = await with_lead(open_now, LEAD)
    soon, late = (
        await place.seated("W1", start=in_minutes(90)),
        await place.seated("W2", start=in_minutes(-60)),
    )
    for booking in (soon, late):
        await place.transition(booking, CHECK_IN)
        left = await place.transition(booking, COMPLETE)
        assert left.status == BookingStatus.BOOKING_STATUS_COMPLETED


async def test_without_a_lead_a_party_checks_in_at_any_time(place: House) -> None:
    assert not (await place.policy()).HasField("check_in_lead")
    booking = await place.seated("W1")
    assert (await place.transition(booking, CHECK_IN)).status == BookingStatus.BOOKING_STATUS_CHECKED_IN


async def test_a_lead_of_nothing_means_from_the_start_on(open_now: House) -> None:
    place = await with_lead(open_now, timedelta())
    await refused(
        place.transition(await place.seated("W1", start=in_minutes(30)), CHECK_IN),
        InvalidStateTransitionError,
    )
    await place.transition(await place.seated("W2", start=in_minutes(-1)), CHECK_IN)


async def test_a_party_that_came_by_a_clock_that_was_set_back_since_can_leave(
    open_now: House, server: Served
) -> None:
    booking = await open_now.seated("W1", start=in_minutes(-60))
    await open_now.transition(booking, CHECK_IN)
    async with connected(server.database_url) as database:
        await database.execute(
            "UPDATE bookings SET checked_in_at = now() + interval '1 hour' WHERE booking_id = $1::text::uuid",
            booking.booking_id,
        )
    left = await open_now.transition(booking, COMPLETE)
    assert left.checked_out_at == left.checked_in_at
    assert instant(left.updated_at) < instant(left.checked_in_at)
    await open_now.seated("W1", start=in_minutes(1))


async def test_a_party_moved_during_its_stay_comes_back_to_where_somebody_has_left(open_now: House) -> None:
    place, began = open_now, in_minutes(-30)
    left = await place.seated("W2", start=began)
    await place.transition(left, CHECK_IN)
    await place.transition(left, COMPLETE)
    booking = await place.seated("W1", start=began)
    moved = (await place.reassign(booking, "W2")).assignment
    assert instant(moved.window_start) > began
    await place.transition(booking, NO_SHOW)
    await place.transition(booking, UNDO)
    again = await place.assignment(booking.booking_id)
    assert list(again.table_ids) == place.ids(["W2"])
    assert instant(again.window_start) > instant(moved.window_start)
    assert instant(again.window_end) == began + STAY


async def test_a_walk_in_gets_the_table_that_was_just_left_from_the_next_second_on(open_now: House) -> None:
    place = open_now
    left = await place.seated("W1", start=in_minutes(-30))
    await place.transition(left, CHECK_IN)
    left_at = instant((await place.transition(left, COMPLETE)).checked_out_at)
    start = left_at.replace(microsecond=0)
    overlaps = await place.party(2, start=start - timedelta(seconds=1))
    await refused(place.assign(overlaps, "W1"), TableConflictAssignedError)
    walk_in = await place.seated("W1", start=start + timedelta(seconds=1))
    assert (await place.transition(walk_in, CHECK_IN)).status == BookingStatus.BOOKING_STATUS_CHECKED_IN


async def test_a_no_show_does_not_come_back_to_where_somebody_sits(open_now: House) -> None:
    place = open_now
    booking = await place.seated("W1", start=in_minutes(-30))
    await place.transition(booking, NO_SHOW)
    await place.seated("W1", start=in_minutes(60))
    await refused(place.transition(booking, UNDO), TableConflictAssignedError)


async def test_who_comes_after_all_gets_back_what_was_given_last_though_the_clock_was_set_back_before(
    place: House, server: Served
) -> None:
    booking = await place.seated("W1")
    async with connected(server.database_url) as database:
        await database.execute(
            "UPDATE assignments SET created_at = now() + interval '1 hour' WHERE booking_id = $1::text::uuid",
            booking.booking_id,
        )
    await place.reassign(booking, "W2")
    await place.transition(booking, NO_SHOW)
    await place.transition(booking, UNDO)
    again = await place.assignment(booking.booking_id)
    assert list(again.table_ids) == place.ids(["W2"])
