"""Rules of the allocator before this service that only a running server and its database can show."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import asyncpg
import pytest

from maitred_client import (
    HoldAlreadyReleasedError,
    MaitredError,
    PolicyDriftError,
    RequestIdReusedError,
)
from maitred_client.messages import BookingAction, BookingStatus, ListBookingsRequest
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, house, refused
from tests.conftest import Served
from tests.support.database import connected, rows

UNDO, NO_SHOW = BookingAction.BOOKING_ACTION_UNDO_NO_SHOW, BookingAction.BOOKING_ACTION_NO_SHOW
CHECK_IN, CANCEL = BookingAction.BOOKING_ACTION_CHECK_IN, BookingAction.BOOKING_ACTION_CANCEL
Show = Callable[[House, Served], Awaitable[None]]

pytestmark = pytest.mark.shared_server


async def a_confirm_sent_twice_is_one(place: House, server: Served) -> None:
    request = place.confirm_request(await place.hold(await place.party(), "W1"))
    first, again = await place.client.confirm_hold(request), await place.client.confirm_hold(request)
    assert again == first
    assert len(await rows(server.database_url, "SELECT * FROM assignments")) == 1


async def a_held_table_that_moved_to_another_zone_is_drift(place: House, _: Served) -> None:
    hold = await place.hold(await place.party(zone="Hall"), "W4")
    await place.change_floor(lambda floor: place.without_edge(floor, "W3", "W4"))
    await place.update("W4", zone_id=place.zones["Terrace"])
    error = await refused(place.confirm(hold), PolicyDriftError)
    assert error.metadata["reasons"] == "ZONE_NOT_REQUESTED"


async def a_booking_cancelled_meanwhile_is_not_confirmed(place: House, server: Served) -> None:
    booking = await place.party()
    hold = await place.hold(booking, "W1")
    await place.transition(booking, CANCEL)
    await refused(place.confirm(hold), HoldAlreadyReleasedError)
    assert (await place.read(booking.booking_id)).status == BookingStatus.BOOKING_STATUS_CANCELLED
    assert await rows(server.database_url, "SELECT * FROM assignments") == []


async def a_table_serves_one_party_after_another(place: House, _: Served) -> None:
    await place.assign(await place.party(start=evening(12), stay=timedelta(hours=1)), "W1")
    await place.assign(await place.party(start=evening(14), stay=timedelta(hours=1)), "W1")


async def a_cancelled_booking_is_in_nobodys_way(place: House, _: Served) -> None:
    await place.transition(await place.seated("W1"), CANCEL)
    await place.seated("W1")


async def a_request_id_is_not_used_for_other_tables(place: House, _: Served) -> None:
    booking = await place.party()
    request = place.assign_request(booking.booking_id, ["W1"])
    await place.client.assign_tables(request)
    other = place.assign_request(booking.booking_id, ["W2"], request_id=request.request_id)
    error = await refused(place.client.assign_tables(other), RequestIdReusedError)
    assert error.metadata["differing_fields"] == "table_ids"


async def the_database_confirms_nobody_without_tables(place: House, server: Served) -> None:
    booking = await place.party()
    async with connected(server.database_url) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "UPDATE bookings SET status = 'confirmed' WHERE booking_id = $1", booking.booking_id
            )


async def a_booking_sent_twice_is_one(place: House, _: Served) -> None:
    request = place.booking_request()
    first, again = await place.client.put_booking(request), await place.client.put_booking(request)
    assert again == first
    day = ListBookingsRequest(
        restaurant_id=place.restaurant_id, window_start=stamp(evening(0)), window_end=stamp(evening(23))
    )
    assert len((await place.client.list_bookings(day)).bookings) == 1


async def ones_own_hold_is_not_in_the_way(place: House, _: Served) -> None:
    booking = await place.party()
    await place.hold(booking, "W1")
    await place.hold(booking, "W1")


async def an_expired_hold_blocks_nobody_swept_or_not(place: House, server: Served) -> None:
    hold = await place.hold(await place.party(), "W1")
    async with connected(server.database_url) as connection:
        for table in ("holds", "table_claims"):
            past = ", created_at = now() - interval '1 hour'" if table == "holds" else ""
            await connection.execute(
                f"UPDATE {table} SET expires_at = now() - interval '1 s'{past} WHERE hold_id = $1",
                hold.hold_id,
            )
    await place.hold(await place.party(), "W1")


async def a_short_hold_can_be_for_a_distant_booking(place: House, _: Served) -> None:
    later = await place.party(start=evening() + timedelta(days=300))
    assert (await place.hold(later, "W1", ttl_s=180)).table_ids == place.ids(["W1"])


async def of_two_who_hold_at_once_one_holds(place: House, server: Served) -> None:
    bookings = [await place.party(4) for _ in range(2)]
    tried = await asyncio.gather(*(place.hold(booking, "W1") for booking in bookings), return_exceptions=True)
    assert sum(isinstance(outcome, MaitredError) for outcome in tried) == 1
    assert len(await rows(server.database_url, "SELECT * FROM holds")) == 1


async def a_no_show_leaves_no_times(place: House, _: Served) -> None:
    booking = await place.seated("W1")
    await place.transition(booking, CHECK_IN)
    gone = await place.transition(booking, NO_SHOW)
    assert gone.status == BookingStatus.BOOKING_STATUS_NO_SHOW
    assert not gone.HasField("checked_in_at")
    assert not gone.HasField("checked_out_at")


async def a_no_show_that_comes_is_confirmed_again(place: House, _: Served) -> None:
    booking = await place.seated("W1")
    await place.transition(booking, NO_SHOW)
    assert (await place.transition(booking, UNDO)).status == BookingStatus.BOOKING_STATUS_CONFIRMED


async def a_weight_is_one_restaurants_own(place: House, _: Served) -> None:
    other = await house(place.client)
    before = (await other.policy()).weights.scarcity
    await place.change_policy(lambda policy: setattr(policy.weights, "scarcity", before + 10))
    weights = [(await each.policy()).weights.scarcity for each in (place, other)]
    assert weights == [before + 10, before]


async def no_event_tells_who_somebody_is(place: House, server: Served) -> None:
    request = place.booking_request(party=2)
    request.reference = "Alice Example"
    booking = (await place.client.put_booking(request)).booking
    hold = place.hold_request(booking.booking_id, ["W1"])
    hold.actor = "Reach out via alice@example.com"
    await place.client.hold_tables(hold)
    told = await rows(server.database_url, "SELECT payload::text AS text FROM capacity_outbox")
    assert not any("Alice" in event["text"] or "alice@" in event["text"] for event in told)
    assert any("Reach out via [redacted-email]" in event["text"] for event in told)


CALLS: Mapping[str, Show] = {
    "cnf-002": a_confirm_sent_twice_is_one,
    "cnf-005": a_held_table_that_moved_to_another_zone_is_drift,
    "cnf-008": a_booking_cancelled_meanwhile_is_not_confirmed,
    "dbi-002": a_table_serves_one_party_after_another,
    "dbi-004": a_cancelled_booking_is_in_nobodys_way,
    "dbi-005": a_request_id_is_not_used_for_other_tables,
    "dbi-010": the_database_confirms_nobody_without_tables,
    "err-010": a_booking_sent_twice_is_one,
    "hld-002": ones_own_hold_is_not_in_the_way,
    "hld-003": an_expired_hold_blocks_nobody_swept_or_not,
    "hld-004": a_short_hold_can_be_for_a_distant_booking,
    "man-014": of_two_who_hold_at_once_one_holds,
    "stm-011": a_no_show_leaves_no_times,
    "str-001": a_weight_is_one_restaurants_own,
    "tel-002": no_event_tells_who_somebody_is,
    "stm-012": a_no_show_that_comes_is_confirmed_again,
}


@pytest.mark.parametrize("case_id", CALLS)
async def test_the_rule_is_kept(case_id: str, place: House, server: Served) -> None:
    await CALLS[case_id](place, server)
