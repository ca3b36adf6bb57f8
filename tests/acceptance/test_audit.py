"""V7: Who did what, when and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message

from maitred_client import InvalidArgumentFieldError, InvalidWindowError, instant, to_dict
from maitred_client.messages import (
    AuditEntry,
    Booking,
    BookingAction,
    ListAuditEntriesRequest,
    PutRestaurantRequest,
    ReplaceHoldRequest,
    Restaurant,
    TransitionBookingRequest,
    UnblockTablesRequest,
)
from tests.builders.overrides import overriding
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.background import request_for
from tests.support.database import row

pytestmark = pytest.mark.shared_server

APART = "COMBINATION_NOT_ADJACENT"


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


async def _assigned(place: House, booking: Booking) -> Message:
    return place.assign_request(booking.booking_id, ["W1", "W2"])


async def _confirmed(place: House, booking: Booking) -> Message:
    return place.confirm_request(await place.hold(booking, "W1", "W2"))


async def _auto_assigned(place: House, booking: Booking) -> Message:
    return place.auto_assign_request(booking.booking_id)


async def _overridden(place: House, booking: Booking) -> Message:
    return overriding(place.assign_request(booking.booking_id, ["W1", "W3"]), APART)


async def _overridden_at_the_hold(place: House, booking: Booking) -> Message:
    request = overriding(place.hold_request(booking.booking_id, ["W1", "W3"]), APART)
    return place.confirm_request((await place.client.hold_tables(request)).hold)


async def _held_with_an_override(place: House, booking: Booking) -> Message:
    return overriding(place.hold_request(booking.booking_id, ["W1", "W3"]), APART)


async def _replaced_with_an_override(place: House, booking: Booking) -> Message:
    hold = await place.hold(booking, "L8")
    replacement = ReplaceHoldRequest(
        restaurant_id=place.restaurant_id, hold_id=hold.hold_id, table_ids=place.ids(["W1", "W3"])
    )
    return overriding(replacement, APART)


async def _moved(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    return place.reassign_request(booking.booking_id, ["W3", "W4"])


async def _unassigned(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    return place.unassign_request(booking.booking_id)


async def _one_table_less(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2", "W3")
    return place.unassign_request(booking.booking_id, ["W3"])


async def _moved_with_an_override(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    return overriding(place.reassign_request(booking.booking_id, ["W1", "W3"]), APART)


async def _called_off(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    return place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_CANCEL)


async def _not_come(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    return place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_NO_SHOW)


async def _come_after_all(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    await place.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    return place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)


async def _gone_home(place: House, booking: Booking) -> Message:
    await place.assign(booking, "W1", "W2")
    await place.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    return place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_COMPLETE)


# What gives, keeps or takes tables: the call, how it is prepared, its word in the log, and what it overrode.
GIVING_AND_TAKING = {
    "assign": ("assign_tables", _assigned, "assign", None),
    "confirm": ("confirm_hold", _confirmed, "assign", None),
    "auto-assign": ("auto_assign", _auto_assigned, "auto_assign", None),
    "assign with an override": ("assign_tables", _overridden, "assign", [APART]),
    "confirm what was held with an override": ("confirm_hold", _overridden_at_the_hold, "assign", [APART]),
    "hold with an override": ("hold_tables", _held_with_an_override, "hold", [APART]),
    "replace a hold with an override": ("replace_hold", _replaced_with_an_override, "replace", [APART]),
    "reassign": ("reassign_tables", _moved, "reassign", None),
    "reassign with an override": ("reassign_tables", _moved_with_an_override, "reassign", [APART]),
    "unassign": ("unassign_tables", _unassigned, "unassign", None),
    "unassign one of several": ("unassign_tables", _one_table_less, "unassign", None),
    "cancel": ("transition_booking", _called_off, "cancelled", None),
    "no-show": ("transition_booking", _not_come, "no_show", None),
    "undo a no-show": ("transition_booking", _come_after_all, "undo_no_show", None),
    "complete": ("transition_booking", _gone_home, "completed", None),
}


async def test_whatever_gives_or_takes_tables_says_who_when_and_why(place: House, server: Served) -> None:
    for number, (name, (method, prepare, action, overridden)) in enumerate(GIVING_AND_TAKING.items()):
        booking = await place.party(8, start=evening() + timedelta(days=number))
        request: Any = await prepare(place, booking)
        request.actor, request.reason = "Ada", f"a draught, {name}"
        before = await now(server)
        await getattr(place.client, method)(request)
        after = await now(server)
        entry = (await entries(place, resource_id=booking.booking_id))[0]
        assert (entry.action, entry.actor, entry.reason) == (action, "Ada", request.reason), name
        assert before <= instant(entry.occurred_at) <= after
        assert to_dict(entry)["details"].get("overridden") == overridden, name


async def test_taking_some_tables_away_names_those_that_stay(place: House) -> None:
    booking = await place.party(8)
    await place.assign(booking, "W1", "W2", "W3")
    rest = (await place.unassign(booking, "W3")).assignment
    await place.unassign(booking)
    of_all, of_some = [
        to_dict(entry)["details"] for entry in (await entries(place, resource_id=booking.booking_id))[:2]
    ]
    assert of_some["table_ids"] == sorted(place.ids(["W1", "W2", "W3"]))
    assert of_some["kept_table_ids"] == sorted(place.ids(["W1", "W2"])) == of_all["table_ids"]
    assert of_some["kept_assignment_id"] == rest.assignment_id == of_all["assignment_id"]
    assert "kept_table_ids" not in of_all


async def test_each_time_that_a_booking_is_left_to_the_worker_is_in_the_log(place: House) -> None:
    booking = await place.party()
    for word in ("pending_allocation", "queue"):
        request = request_for(booking)
        await place.client.dispatch_auto_assign(request)
        entry = (await entries(place, resource_id=booking.booking_id))[0]
        assert (entry.action, entry.actor, entry.reason) == (word, request.actor, request.reason)


async def test_every_other_change_has_its_word_and_says_what_it_was_about(place: House) -> None:
    before = len(await entries(place))
    booking = await place.party()
    await place.party(3, booking_id=booking.booking_id)
    await place.release(await place.extend(await place.hold(booking, "W1")))
    await place.transition(booking, BookingAction.BOOKING_ACTION_QUEUE)
    block = await place.block("W2")
    unblock = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    await place.client.unblock_tables(unblock)
    await place.out_of_service("W3")
    await place.change_floor(lambda floor: floor.adjacency.pop())
    await place.change_policy(lambda policy: policy.forecast.add(party_size=2))
    restaurant = Restaurant(restaurant_id=place.restaurant_id, name="Next door", time_zone="UTC")
    await place.client.put_restaurant(PutRestaurantRequest(restaurant=restaurant))
    told = [(entry.action, entry.resource_id) for entry in await entries(place)][:-before]
    assert told == [
        *((word, place.restaurant_id) for word in ("change", "put_policy", "put_floor", "update_table")),
        *((word, block.block_id) for word in ("unblock", "block")),
        *((word, booking.booking_id) for word in ("pending_allocation", "release", "extend", "hold")),
        *((word, booking.booking_id) for word in ("change", "create")),
    ]
    of = {booking.booking_id: "booking", block.block_id: "block", place.restaurant_id: "restaurant"}
    for entry in (await entries(place))[:-before]:
        assert (entry.resource, entry.actor, entry.reason) == (of[entry.resource_id], "tests", "")


async def now(server: Served) -> datetime:
    """By the database's clock."""
    told: datetime = (await row(server.database_url, "SELECT clock_timestamp() AS now"))["now"]
    return told


async def test_entries_are_those_of_the_resource_and_the_window_newest_first(place: House) -> None:
    first, second = await place.party(), await place.party()
    block = place.block_request(["W1"])
    block.note = "a draught"
    await place.client.block_tables(block)
    everything = await entries(place)
    numbers = [entry.audit_id for entry in everything]
    assert numbers == sorted(numbers, reverse=True)
    assert (everything[0].resource, everything[0].reason) == ("block", "a draught")
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
