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
    Zone,
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


async def _undo_no_show(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", "T2", party=6, start=start)
    await world.transition(booking, BookingAction.BOOKING_ACTION_NO_SHOW)
    return world.transition_request(booking.booking_id, BookingAction.BOOKING_ACTION_UNDO_NO_SHOW)


async def _change(world: World, start: datetime) -> Message:
    booking = await world.seated("T1", start=start)
    await world.booking(booking_id=booking.booking_id, start=start + LATER)
    await world.hold(booking, "T2")
    return world.booking_request(booking_id=booking.booking_id, party=3, start=start)


async def _block(world: World, start: datetime) -> Message:
    return world.block_request(["T1", "T5"], start=start)


async def _unblock(world: World, start: datetime) -> Message:
    block = await world.block("T1", "T5", start=start)
    return UnblockTablesRequest(
        request_id=new_request_id(), restaurant_id=world.restaurant_id, block_id=block.block_id
    )


# Of inventory, each day's request differs from that of the day before.


async def _rename(world: World, start: datetime) -> Message:
    restaurant = Restaurant(restaurant_id=world.restaurant_id, name=f"{start:%d %B}", time_zone="Europe/Rome")
    return PutRestaurantRequest(request_id=new_request_id(), restaurant=restaurant)


async def _policy(world: World, start: datetime) -> Message:
    policy = all_day_policy()
    policy.slack_max = 30 + start.toordinal() % 2
    return PutServicePolicyRequest(
        request_id=new_request_id(), restaurant_id=world.restaurant_id, policy=policy
    )


async def _floor(world: World, start: datetime) -> Message:
    await world.client.put_floor(_two_tables(world))
    return _two_tables(world)


def _two_tables(world: World) -> PutFloorRequest:
    zone, ids = Zone(zone_id=str(uuid4()), name="Terrace"), (str(uuid4()), str(uuid4()))
    tables = [Table(table_id=each, zone_id=zone.zone_id, name=each[:8], capacity=2) for each in ids]
    touching = Adjacency(table_a=ids[0], table_b=ids[1])
    floor = Floor(zones=[zone], tables=tables, adjacency=[touching])
    return PutFloorRequest(request_id=new_request_id(), restaurant_id=world.restaurant_id, floor=floor)


async def _table(world: World, start: datetime) -> Message:
    return UpdateTableRequest(
        request_id=new_request_id(),
        restaurant_id=world.restaurant_id,
        table=Table(table_id=world.tables["T1"], capacity=20 + start.toordinal() % 2),
        update_mask=FieldMask(paths=["capacity"]),
    )


async def _redrive(world: World, start: datetime) -> Message:
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
    "undo a no-show": Operation("transition_booking", _undo_no_show),
    "change": Operation("put_booking", _change),
    "block": Operation("block_tables", _block),
    "unblock": Operation("unblock_tables", _unblock),
    "rename a restaurant": Operation("put_restaurant", _rename),
    "put a policy": Operation("put_service_policy", _policy),
    "put a floor": Operation("put_floor", _floor),
    "update a table": Operation("update_table", _table),
    "redrive events": Operation("redrive_outbox_events", _redrive),
}
