"""An evening at a restaurant in which everything happens that events tell about."""

from contextlib import suppress

from maitred_client import AsyncMaitredClient, TableConflictHeldError
from maitred_client.messages import BlockCause, BookingAction, UnblockTablesRequest
from tests.builders.world import evening
from tests.builders.world_extras import House, house
from tests.support.database import expire

NAME, REFERENCE, NOTE, REASON = (
    "Chez Mary S.",
    "table for the Lovelaces",
    "wedding of Mary S.",
    "Mr Byron rang",
)


async def eventful_evening(client: AsyncMaitredClient, database_url: str) -> House:
    """Brings about events of every type, with personal data wherever a caller could put any.

    In the end one booking has two tables, one has one, and one had some and was cancelled.
    """
    place = await house(client, name=NAME)
    await _moved_and_cancelled(place)
    merged = await place.party(4, reference=REFERENCE, start=evening(12))
    await place.confirm(await place.hold(merged, "W2", "W3"))
    await place.seated("P2", start=evening(12))
    await place.auto_assign(await place.party(2, reference=REFERENCE, start=evening(14)))
    await place.release(await place.hold(await place.party(start=evening(21)), "W1"))
    await _blocked_for_a_while(place)
    late = await place.hold(await place.party(reference=REFERENCE), "P1")
    await expire(database_url, late.hold_id)
    await place.hold(await place.party(), "P1")
    with suppress(TableConflictHeldError):
        await place.hold(await place.party(reference=REFERENCE), "P1")
    return place


async def _moved_and_cancelled(place: House) -> None:
    booking = await place.party(4, reference=REFERENCE)
    hold = await place.extend(await place.hold(booking, "W1"), ttl_s=300)
    await place.confirm(hold)
    await place.reassign(booking, "W2", "W3")
    await place.unassign(booking, "W3")
    await place.unassign(booking)
    request = place.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_CANCEL)
    request.reason = REASON
    await place.client.transition_booking(request)


async def _blocked_for_a_while(place: House) -> None:
    request = place.block_request(["F6"])
    request.cause, request.note = BlockCause.BLOCK_CAUSE_PRIVATE_EVENT, NOTE
    block = (await place.client.block_tables(request)).block
    await place.client.unblock_tables(
        UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    )
