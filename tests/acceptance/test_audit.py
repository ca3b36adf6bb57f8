"""Who did what, when and why."""

from datetime import UTC, datetime, timedelta

from maitred_client import InvalidArgumentFieldError, InvalidWindowError, instant
from maitred_client.messages import (
    AuditEntry,
    BookingAction,
    ListAuditEntriesRequest,
    TransitionBookingRequest,
)
from tests.builders.world import stamp
from tests.builders.world_extras import House, refused


async def entries(place: House, **wanted: object) -> list[AuditEntry]:
    request = ListAuditEntriesRequest(restaurant_id=place.restaurant_id, **wanted)  # type: ignore[arg-type]
    return list((await place.client.list_audit_entries(request)).entries)


async def test_an_entry_says_who_when_and_why(place: House) -> None:
    booking = await place.party()
    hold = await place.hold(booking, "W1")
    await place.confirm(hold)
    before = datetime.now(UTC)
    await place.client.transition_booking(
        TransitionBookingRequest(
            restaurant_id=place.restaurant_id,
            booking_id=booking.booking_id,
            action=BookingAction.BOOKING_ACTION_CANCEL,
            actor="Ada",
            reason="the guest called",
        )
    )
    last, *_, held, _put = await entries(place, resource_id=booking.booking_id)
    assert (last.action, last.actor, last.reason) == ("cancelled", "Ada", "the guest called")
    assert (last.resource, last.resource_id) == ("booking", booking.booking_id)
    assert abs(instant(last.occurred_at) - before) < timedelta(seconds=30)
    assert (held.action, held.details["hold_id"]) == ("hold", hold.hold_id)
    assert held.floor_version < last.floor_version


async def test_entries_are_those_of_the_resource_and_the_window_newest_first(place: House) -> None:
    first, second = await place.party(), await place.party()
    await place.block("W1")
    everything = await entries(place)
    numbers = [entry.audit_id for entry in everything]
    assert numbers == sorted(numbers, reverse=True)
    assert everything[0].resource == "block"
    assert {entry.resource for entry in everything} == {"restaurant", "booking", "block"}
    assert [e.resource_id for e in await entries(place, resource_id=first.booking_id)] == [first.booking_id]
    put = (await entries(place, resource_id=second.booking_id))[0]
    assert (await entries(place, window_start=put.occurred_at))[-1] == put
    until = stamp(instant(put.occurred_at))
    assert put not in (earlier := await entries(place, window_end=until))
    assert earlier == [entry for entry in everything if entry.audit_id < put.audit_id]


async def test_pages_have_every_entry_once_even_while_new_ones_are_made(place: House) -> None:
    everything = await entries(place)
    assert len(everything) > 2
    request = ListAuditEntriesRequest(restaurant_id=place.restaurant_id, page_size=2)
    first = await place.client.list_audit_entries(request)
    await place.party()
    request.page_token = first.next_page_token
    rest = [entry async for entry in place.client.iterate_audit_entries(request)]
    assert [*first.entries, *rest] == everything


async def test_a_token_of_another_list_and_a_window_backwards_are_refused(place: House) -> None:
    await refused(entries(place, page_token="W10"), InvalidArgumentFieldError)
    now = datetime.now(UTC)
    backwards = entries(place, window_start=stamp(now), window_end=stamp(now - timedelta(hours=1)))
    await refused(backwards, InvalidWindowError)
