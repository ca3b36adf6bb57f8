"""The changes that faults are tried on, each with the world it starts from and what it must have done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from google.protobuf.message import Message

from maitred_client import new_request_id
from maitred_client.messages import BookingAction, DispatchAutoAssignRequest
from tests.builders.world import World, evening

Prepare: TypeAlias = Callable[[World, datetime], Awaitable[Message]]
LATER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Operation:
    """`prepare` makes what the call needs, for parties at one start, and answers the request."""

    method: str
    prepare: Prepare

    def call(self, world: World) -> Callable[..., Awaitable[Any]]:
        rpc: Callable[..., Awaitable[Any]] = getattr(world.client, self.method)
        return rpc


def day(number: int) -> datetime:
    """The evening that many days after the first: occasions on different days don't meet."""
    return evening() + timedelta(days=number)


async def _hold(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    await world.hold(booking, "T1", "T2")
    return world.hold_request(booking.booking_id, ["T2", "T3"])


async def _confirm(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    await world.hold(booking, "T3", "T4")
    return world.confirm_request(await world.hold(booking, "T1", "T2"))


async def _confirm_moved(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.booking(booking_id=booking.booking_id, start=start + LATER)
    return world.confirm_request(await world.hold(booking, "T1"))


async def _assign(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    await world.hold(booking, "T3", "T4")
    return world.assign_request(booking.booking_id, ["T2", "T3"])


async def _auto_assign(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    await world.hold(booking, "T3", "T4")
    return world.auto_assign_request(booking.booking_id, request_id=new_request_id())


async def _dispatch(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    return DispatchAutoAssignRequest(
        request_id=new_request_id(), restaurant_id=world.restaurant_id, booking_id=booking.booking_id
    )


async def _unassign(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.booking(booking_id=booking.booking_id, start=start + LATER)
    await world.hold(booking, "T1")
    return world.unassign_request(booking.booking_id)


async def _extend(world: World, start: datetime) -> Message:
    hold = await world.hold(await world.booking(party=6, start=start), "T1", "T2", ttl_s=60)
    return world.extend_request(hold.hold_id, ttl_s=900)


async def _replace(world: World, start: datetime) -> Message:
    booking = await world.booking(party=6, start=start)
    hold = await world.hold(booking, "T1", "T2")
    await world.hold(booking, "T3", "T4")
    return world.replace_request(hold.hold_id, ["T2", "T3"])


async def _reassign(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", "T2", party=6, start=start)
    return world.reassign_request(booking.booking_id, ["T2", "T3"])


async def _reassign_moved(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.booking(booking_id=booking.booking_id, start=start + LATER)
    await world.hold(booking, "T1")
    return world.reassign_request(booking.booking_id, ["T1"])


async def _release(world: World, start: datetime) -> Message:
    hold = await world.hold(await world.booking(party=6, start=start), "T1", "T2")
    return world.release_request(hold.hold_id)


async def _cancel(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", "T2", party=6, start=start)
    return world.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_CANCEL)


async def _complete(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.transition(booking, BookingAction.BOOKING_ACTION_CHECK_IN)
    return world.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_COMPLETE)


async def _change(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.booking(booking_id=booking.booking_id, start=start + LATER)
    await world.hold(booking, "T2")
    return world.booking_request(booking_id=booking.booking_id, party=3, start=start)


async def _block(world: World, start: datetime) -> Message:
    return world.block_request(["T1", "T5"], start=start)


OPERATIONS: Mapping[str, Operation] = {
    "hold": Operation("hold_tables", _hold),
    "confirm": Operation("confirm_hold", _confirm),
    "confirm for a changed booking": Operation("confirm_hold", _confirm_moved),
    "assign": Operation("assign_tables", _assign),
    "auto-assign": Operation("auto_assign", _auto_assign),
    "dispatch": Operation("dispatch_auto_assign", _dispatch),
    "unassign": Operation("unassign_tables", _unassign),
    "extend": Operation("extend_hold", _extend),
    "replace": Operation("replace_hold", _replace),
    "reassign": Operation("reassign_tables", _reassign),
    "reassign a changed booking": Operation("reassign_tables", _reassign_moved),
    "release": Operation("release_hold", _release),
    "cancel": Operation("transition_booking", _cancel),
    "complete": Operation("transition_booking", _complete),
    "change": Operation("put_booking", _change),
    "block": Operation("block_tables", _block),
}
