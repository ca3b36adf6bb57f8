"""What a call answers is made before it is written: what is read afterwards is the same, field by field."""

from datetime import UTC, datetime, timedelta

import pytest

from maitred_client.messages import (
    Assignment,
    Booking,
    BookingAction,
    ListAssignmentsRequest,
    ListBlocksRequest,
    ServicePolicy,
    TransitionBookingRequest,
)
from tests.builders.overrides import overriding
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.database import turn_back

pytestmark = pytest.mark.shared_server

APART = "COMBINATION_NOT_ADJACENT"
QUARTER = timedelta(minutes=15)


def two_periods(policy: ServicePolicy) -> None:
    """The later one begins in the middle of the evening. Tables are needed a little longer than parties sit."""
    policy.buffer_before.seconds = policy.buffer_after.seconds = 300
    (first,) = policy.periods
    late = policy.periods.add()
    late.CopyFrom(first)
    late.name, late.opens = "late", f"{evening(20):%H:%M}"
    first.closes, first.may_overrun = late.opens, True


async def stored(place: House, booking: Booking) -> Booking:
    """The booking, which is as it was answered."""
    assert (await place.found(booking)).booking == booking
    return booking


async def assignments(place: House) -> list[Assignment]:
    request = ListAssignmentsRequest(
        restaurant_id=place.restaurant_id,
        window_start=stamp(evening() - timedelta(days=60)),
        window_end=stamp(evening() + timedelta(days=60)),
    )
    return list((await place.client.list_assignments(request)).assignments)


async def test_a_booking_is_stored_as_it_was_answered_through_its_whole_life(
    place: House, server: Served
) -> None:
    async def changed(size: int, quarters: int, *attributes: str, reference: str, zone: str = "") -> Booking:
        return await place.party(
            size,
            booking_id=booking.booking_id,
            start=evening() + quarters * QUARTER,
            stay=(3 + quarters) * QUARTER,
            zone=zone,
            required=attributes[:1],
            preferred=attributes[1:],
            preferred_zones=["Hall", "Terrace"][: len(attributes)],
            reference=reference,
        )

    await place.change_policy(two_periods)
    booking = await stored(place, await place.party(5))
    await stored(place, await changed(4, 1, "window", "quiet", reference="R-1", zone="Hall"))
    await stored(place, await changed(4, 1, "window", "quiet", reference="R-2", zone="Hall"))
    await stored(place, await changed(2, 5, reference="R-2"))
    await stored(place, await place.transition(booking, BookingAction.BOOKING_ACTION_QUEUE))
    given = await place.assign(booking, "W1")
    assert await assignments(place) == [given]
    await stored(place, await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN))
    await turn_back(server.database_url, evening() + 6 * QUARTER - datetime.now(UTC))
    request = TransitionBookingRequest(
        restaurant_id=place.restaurant_id,
        booking_id=booking.booking_id,
        action=BookingAction.BOOKING_ACTION_COMPLETE,
        actor="Ada",
        reason="they had a train to catch",
    )
    done = (await place.client.transition_booking(request)).booking
    await stored(place, done)
    last = (await place.found(booking)).history[0]
    assert (last.revision, last.actor, last.reason) == (done.revision, "Ada", request.reason)
    assert (last.to_status, last.changed_at) == (done.status, done.updated_at)
    assert last.from_status != last.to_status
    assert await place.violations() == 0


async def test_holds_assignments_and_blocks_are_stored_as_they_were_answered(place: House) -> None:
    await place.change_policy(lambda policy: policy.forecast.add(party_size=2))
    booking = await place.party(8)
    for size in (5, 8):
        await place.party(size, booking_id=booking.booking_id)
    request = overriding(place.hold_request(booking.booking_id, ["W1", "W3"]), APART)
    hold = (await place.client.hold_tables(request)).hold
    assert await place.hold_now(hold) == hold
    longer = await place.extend(hold, ttl_s=600)
    assert await place.hold_now(hold) == longer != hold
    confirmed = await place.confirm(hold)
    assert await assignments(place) == [confirmed]
    assert (confirmed.hold_id, bool(confirmed.merge_group_id)) == (hold.hold_id, True)
    block = await place.block("P1", start=evening() + QUARTER)
    listed = ListBlocksRequest(
        restaurant_id=place.restaurant_id, window_start=block.window_start, window_end=block.window_end
    )
    assert list((await place.client.list_blocks(listed)).blocks) == [block]
    assert await place.violations() == 0
