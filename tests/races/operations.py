"""The changes that faults are tried on, each with the world it starts from and what it must have done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from maitred_client import new_request_id
from maitred_client.messages import (
    Adjacency,
    BookingAction,
    DispatchAutoAssignRequest,
    Floor,
    PutFloorRequest,
    PutRestaurantRequest,
    PutServicePolicyRequest,
    RedriveOutboxEventsRequest,
    Restaurant,
    Table,
    UnblockTablesRequest,
    UpdateTableRequest,
)
from tests.builders.world import World, all_day_policy, evening

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


async def _undo_no_show(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", "T2", party=6, start=start)
    await world.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    return world.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)


async def _unblock(world: World, start: datetime) -> Message:
    block = await world.block("T1", "T5", start=start)
    return UnblockTablesRequest(
        request_id=new_request_id(), restaurant_id=world.restaurant_id, block_id=block.block_id
    )


# What changes the house itself is another change on each day.


def _days(start: datetime) -> int:
    return (start - evening()).days


async def _rename(world: World, start: datetime) -> Message:
    restaurant = Restaurant(
        restaurant_id=world.restaurant_id, name=f"The House of {start:%d %B %Y}", time_zone="Europe/Rome"
    )
    return PutRestaurantRequest(request_id=new_request_id(), restaurant=restaurant)


async def _put_policy(world: World, start: datetime) -> Message:
    policy = all_day_policy()
    policy.slack_max = _days(start) % 10
    return PutServicePolicyRequest(
        request_id=new_request_id(), restaurant_id=world.restaurant_id, policy=policy
    )


async def _put_floor(world: World, start: datetime) -> Message:
    """A zone has another name, and another table stands beside T1 than before."""
    floor = await world.floor()
    await world.client.put_floor(_with_another_guest(world, floor))
    floor.zones[0].name = f"Hall of {start:%d %B %Y}"
    return _with_another_guest(world, floor)


def _with_another_guest(world: World, before: Floor) -> PutFloorRequest:
    own, t1 = set(world.tables.values()), world.tables["T1"]
    floor = Floor(
        zones=before.zones,
        tables=[table for table in before.tables if table.table_id in own],
        adjacency=[edge for edge in before.adjacency if {edge.table_a, edge.table_b} <= own],
    )
    guest = Table(table_id=str(uuid4()), zone_id=world.zone_id, name="Guest", capacity=2, movable=True)
    floor.tables.append(guest)
    floor.adjacency.append(Adjacency(table_a=guest.table_id, table_b=t1))
    return PutFloorRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id, floor=floor)


async def _update_table(world: World, start: datetime) -> Message:
    return UpdateTableRequest(
        request_id=new_request_id(),
        restaurant_id=world.restaurant_id,
        table=Table(table_id=world.tables["T5"], capacity=11 + _days(start)),
        update_mask=FieldMask(paths=["capacity"]),
    )


async def _redrive(world: World, _: datetime) -> Message:
    return RedriveOutboxEventsRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id)


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
    "undo a no-show": Operation("transition_booking", _undo_no_show),
    "unblock": Operation("unblock_tables", _unblock),
    "rename a restaurant": Operation("put_restaurant", _rename),
    "put a policy": Operation("put_service_policy", _put_policy),
    "put a floor": Operation("put_floor", _put_floor),
    "update a table": Operation("update_table", _update_table),
    "redrive events": Operation("redrive_outbox_events", _redrive),
}
