"""A good request for every method of the contract, and a small world in which they all are about something real."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from maitred.v1 import assignment_pb2, booking_pb2, inventory_pb2
from maitred.v1 import assignment_service_pb2 as assignments
from maitred.v1 import booking_service_pb2 as bookings
from maitred.v1 import inventory_service_pb2 as inventory
from maitred.v1 import ops_service_pb2 as ops
from maitred.v1 import planner_service_pb2 as planner
from server.orchestrator.floor_log import FloorPlace
from server.rpc.watch_token import watch_token
from tests.support.wire import Refused, Wire

PLANNER, ASSIGNMENT = "/maitred.v1.PlannerService/", "/maitred.v1.AssignmentService/"
INVENTORY, BOOKING = "/maitred.v1.InventoryService/", "/maitred.v1.BookingService/"
OPS = "/maitred.v1.OpsService/"

ACTIVE_OR_CONFIRMED = (assignment_pb2.HOLD_STATE_ACTIVE, assignment_pb2.HOLD_STATE_CONFIRMED)
WAITING = (booking_pb2.BOOKING_STATUS_PENDING, booking_pb2.BOOKING_STATUS_PENDING_ALLOCATION)

MessageT = TypeVar("MessageT", bound=Message)

# Bookings have to lie in the future of the database's clock, which is the real one.
START = datetime.now(UTC).replace(hour=18, minute=0, second=0, microsecond=0) + timedelta(days=30)


def new_id() -> str:
    return str(uuid4())


def at(hours: float) -> Timestamp:
    """So many hours after the start of the evening."""
    return Timestamp(seconds=int((START + timedelta(hours=hours)).timestamp()))


@dataclass(frozen=True, slots=True)
class World:
    """The ids of one restaurant in which something goes on: two tables held, one blocked, two bookings."""

    restaurant_id: str
    zone_id: str
    table_ids: tuple[str, ...]
    booking_id: str
    other_booking_id: str
    hold_id: str
    block_id: str


async def expect(wire: Wire, path: str, request: Message, answer_type: type[MessageT]) -> MessageT:
    """The answer of a call that has to succeed."""
    answer = await wire.call(path, request)
    assert not isinstance(answer, Refused), f"{path}: {answer}"
    return answer_type.FromString(answer)


async def make_world(wire: Wire) -> World:
    """A restaurant of this tenant, made through the contract."""
    world = World(new_id(), new_id(), tuple(new_id() for _ in range(6)), new_id(), new_id(), "", "")
    requests = good_requests(world)
    for path in (INVENTORY + "PutRestaurant", INVENTORY + "PutServicePolicy", INVENTORY + "PutFloor"):
        answer = await wire.call(path, requests[path])
        assert not isinstance(answer, Refused), f"{path}: {answer}"
    for booking_id in (world.booking_id, world.other_booking_id):
        request = put_booking(world.restaurant_id, booking_id)
        await expect(wire, BOOKING + "PutBooking", request, bookings.PutBookingResponse)
    hold = assignments.HoldTablesRequest(
        request_id=new_id(),
        restaurant_id=world.restaurant_id,
        booking_id=world.other_booking_id,
        table_ids=world.table_ids[4:5],
    )
    held = await expect(wire, ASSIGNMENT + "HoldTables", hold, assignments.HoldTablesResponse)
    block = block_tables(world.restaurant_id, world.table_ids[5])
    blocked = await expect(wire, INVENTORY + "BlockTables", block, inventory.BlockTablesResponse)
    return replace(world, hold_id=held.hold.hold_id, block_id=blocked.block.block_id)


def put_booking(restaurant_id: str, booking_id: str) -> bookings.PutBookingRequest:
    party = booking_pb2.PartyRequest(
        party_size=4,
        start=at(0),
        duration=Duration(seconds=5_400),
        required_attributes=["window"],
        preferred_attributes=["quiet"],
    )
    return bookings.PutBookingRequest(
        request_id=new_id(), restaurant_id=restaurant_id, booking_id=booking_id, party=party, reference="R-1"
    )


def availability_question(world: World, hours: float) -> planner.AvailabilityQuestion:
    return planner.AvailabilityQuestion(
        party_size=4,
        start=at(hours),
        duration=Duration(seconds=5_400),
        zone_id=world.zone_id,
        required_attributes=["window"],
    )


def block_tables(restaurant_id: str, table_id: str) -> inventory.BlockTablesRequest:
    return inventory.BlockTablesRequest(
        request_id=new_id(),
        restaurant_id=restaurant_id,
        table_ids=[table_id],
        window_start=at(48),
        window_end=at(49),
        cause=inventory_pb2.BLOCK_CAUSE_MAINTENANCE,
        note="a chair",
    )


def table(world: World, index: int) -> inventory_pb2.Table:
    return inventory_pb2.Table(
        table_id=world.table_ids[index],
        zone_id=world.zone_id,
        name=f"T{index}",
        capacity=4,
        min_party=1,
        max_party=4,
        movable=True,
        attributes=["window"],
        state=inventory_pb2.TABLE_STATE_IN_SERVICE,
    )


def policy() -> inventory_pb2.ServicePolicy:
    period = inventory_pb2.ServicePeriod(
        name="all day",
        days=[inventory_pb2.DayOfWeek.ValueType(day) for day in range(1, 8)],
        opens="00:00",
        closes="24:00",
        may_overrun=True,
        turn_times=[inventory_pb2.TurnTime(party_size_max=8, duration=Duration(seconds=5_400))],
        shortest_stay=Duration(seconds=3_600),
    )
    return inventory_pb2.ServicePolicy(
        periods=[period],
        buffer_before=Duration(seconds=60),
        check_in_lead=Duration(seconds=3_600),
        buffer_after=Duration(seconds=120),
        slack_max=4,
        combinations=inventory_pb2.CombinationPolicy(
            enabled=True, tables_max=3, adjacency_mode=inventory_pb2.ADJACENCY_MODE_CONNECTED
        ),
        weights=inventory_pb2.PlanWeights(
            spare_seat=1,
            merge=6,
            unusable_gap=0.25,
            open_gap=0.01,
            merge_partner=0.5,
            preferred_attribute=20,
            lookahead=30,
            preferred_zone=20,
            fragmentation=0.8,
            scarcity=8,
        ),
        forecast=[inventory_pb2.ExpectedParties(party_size=2, parties=40)],
        engine=inventory_pb2.PLAN_ENGINE_V2,
    )


def good_requests(world: World) -> Mapping[str, Message]:
    """For every method a request with everything in it, all of it well-formed and about things of `world`."""
    return {
        **_inventory_requests(world),
        **_hold_requests(world),
        **_assignment_requests(world),
        **_assignment_questions(world),
        **_booking_requests(world),
        **_ops_requests(world),
    }


def good(world: World, path: str, kind: type[MessageT]) -> MessageT:
    """The good request of one method, to be changed at will."""
    request = good_requests(world)[path]
    assert isinstance(request, kind)
    return request


def _inventory_requests(world: World) -> dict[str, Message]:
    rid = world.restaurant_id
    floor = inventory_pb2.Floor(
        zones=[inventory_pb2.Zone(zone_id=world.zone_id, name="Main", sort_order=1)],
        tables=[table(world, index) for index in range(len(world.table_ids))],
        adjacency=[inventory_pb2.Adjacency(table_a=world.table_ids[0], table_b=world.table_ids[1])],
    )
    restaurant = inventory_pb2.Restaurant(restaurant_id=rid, name="Chez nous", time_zone="Europe/London")
    mask = FieldMask(paths="name zone_id capacity min_party max_party movable attributes state".split())
    return {
        INVENTORY + "PutRestaurant": inventory.PutRestaurantRequest(
            request_id=new_id(), actor="Ada", restaurant=restaurant
        ),
        INVENTORY + "GetRestaurant": inventory.GetRestaurantRequest(restaurant_id=rid),
        INVENTORY + "ListRestaurants": inventory.ListRestaurantsRequest(page_size=10),
        INVENTORY + "PutServicePolicy": inventory.PutServicePolicyRequest(
            request_id=new_id(), actor="Ada", restaurant_id=rid, policy=policy()
        ),
        INVENTORY + "GetServicePolicy": inventory.GetServicePolicyRequest(restaurant_id=rid),
        INVENTORY + "PutFloor": inventory.PutFloorRequest(
            request_id=new_id(), actor="Ada", restaurant_id=rid, floor=floor
        ),
        INVENTORY + "GetFloor": inventory.GetFloorRequest(restaurant_id=rid),
        INVENTORY + "UpdateTable": inventory.UpdateTableRequest(
            request_id=new_id(), actor="Ada", restaurant_id=rid, table=table(world, 3), update_mask=mask
        ),
        INVENTORY + "BlockTables": block_tables(rid, world.table_ids[3]),
        INVENTORY + "UnblockTables": inventory.UnblockTablesRequest(
            request_id=new_id(), actor="Ada", restaurant_id=rid, block_id=world.block_id
        ),
        INVENTORY + "ListBlocks": inventory.ListBlocksRequest(
            restaurant_id=rid, window_start=at(0), window_end=at(72), page_size=10
        ),
    }


def _hold_requests(world: World) -> dict[str, Message]:
    rid, booking_id, tables = world.restaurant_id, world.booking_id, world.table_ids[:1]
    return {
        PLANNER + "PlanTables": planner.PlanTablesRequest(
            restaurant_id=rid, booking_id=booking_id, avoid_table_ids=world.table_ids[2:4], plans_max=3
        ),
        PLANNER + "ExplainTable": planner.ExplainTableRequest(
            restaurant_id=rid, party=put_booking(rid, booking_id).party, table_ids=tables
        ),
        PLANNER + "SearchAvailability": planner.SearchAvailabilityRequest(
            restaurant_id=rid, questions=[availability_question(world, hours) for hours in (0, 1)]
        ),
        ASSIGNMENT + "ValidateSelection": assignments.ValidateSelectionRequest(
            restaurant_id=rid, booking_id=booking_id, table_ids=tables
        ),
        ASSIGNMENT + "HoldTables": assignments.HoldTablesRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            booking_id=booking_id,
            table_ids=tables,
            ttl=Duration(seconds=120),
            reason="by phone",
        ),
        ASSIGNMENT + "ExtendHold": assignments.ExtendHoldRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            hold_id=world.hold_id,
            ttl=Duration(seconds=240),
        ),
        ASSIGNMENT + "ReplaceHold": assignments.ReplaceHoldRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            hold_id=world.hold_id,
            table_ids=world.table_ids[2:3],
            ttl=Duration(seconds=120),
            reason="by phone",
        ),
        ASSIGNMENT + "ReleaseHold": assignments.ReleaseHoldRequest(
            request_id=new_id(), actor="Ada", restaurant_id=rid, hold_id=world.hold_id
        ),
        ASSIGNMENT + "GetHold": assignments.GetHoldRequest(restaurant_id=rid, hold_id=world.hold_id),
        ASSIGNMENT + "ListHolds": assignments.ListHoldsRequest(
            restaurant_id=rid,
            booking_id=booking_id,
            states=ACTIVE_OR_CONFIRMED,
            page_size=10,
            window_start=at(-24),
            window_end=at(24),
        ),
    }


def _assignment_requests(world: World) -> dict[str, Message]:
    rid, booking_id, tables = world.restaurant_id, world.booking_id, world.table_ids[:1]
    return {
        ASSIGNMENT + "ConfirmHold": assignments.ConfirmHoldRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            hold_id=world.hold_id,
            booking_id=world.other_booking_id,
            table_ids=world.table_ids[4:5],
            reason="by phone",
        ),
        **{
            ASSIGNMENT + kind.DESCRIPTOR.name.removesuffix("Request"): kind(
                request_id=new_id(),
                actor="Ada",
                restaurant_id=rid,
                booking_id=booking_id,
                table_ids=tables,
                reason="by phone",
            )
            for kind in (assignments.AssignTablesRequest, assignments.ReassignTablesRequest)
        },
        ASSIGNMENT + "AutoAssign": assignments.AutoAssignRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            booking_id=booking_id,
            avoid_table_ids=world.table_ids[2:4],
            cutoff=Duration(seconds=3_600),
            reason="by phone",
        ),
        ASSIGNMENT + "DispatchAutoAssign": assignments.DispatchAutoAssignRequest(
            request_id=new_id(), restaurant_id=rid, booking_id=booking_id, cutoff=Duration(seconds=60)
        ),
        ASSIGNMENT + "UnassignTables": assignments.UnassignTablesRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            booking_id=booking_id,
            table_ids=tables,
            reason="by phone",
        ),
    }


def _assignment_questions(world: World) -> dict[str, Message]:
    rid, booking = world.restaurant_id, world.booking_id
    token, beat = watch_token(UUID(rid), FloorPlace(1)), Duration(seconds=10)
    return {
        ASSIGNMENT + "GetAssignment": assignments.GetAssignmentRequest(restaurant_id=rid, booking_id=booking),
        ASSIGNMENT + "ListAssignments": assignments.ListAssignmentsRequest(
            restaurant_id=rid, page_size=10, window_start=at(-24), window_end=at(24)
        ),
        ASSIGNMENT + "AutoAssignBatch": assignments.AutoAssignBatchRequest(
            actor="Ada", restaurant_id=rid, service_date="2031-05-01", bookings_max=10, reason="by phone"
        ),
        ASSIGNMENT + "WatchFloor": assignments.WatchFloorRequest(
            restaurant_id=rid, resume_token=token, window_start=at(-24), window_end=at(24), heartbeat=beat
        ),
        ASSIGNMENT + "GetOperation": assignments.GetOperationRequest(
            method="HoldTables", operation_request_id=new_id()
        ),
    }


def _booking_requests(world: World) -> dict[str, Message]:
    rid, booking_id = world.restaurant_id, world.booking_id
    return {
        BOOKING + "PutBooking": put_booking(rid, booking_id),
        BOOKING + "GetBooking": bookings.GetBookingRequest(restaurant_id=rid, booking_id=booking_id),
        BOOKING + "ListBookings": bookings.ListBookingsRequest(
            restaurant_id=rid, window_start=at(-24), window_end=at(24), statuses=WAITING, page_size=10
        ),
        BOOKING + "TransitionBooking": bookings.TransitionBookingRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            booking_id=booking_id,
            action=booking_pb2.BOOKING_ACTION_QUEUE,
            reason="by phone",
        ),
    }


def _ops_requests(world: World) -> dict[str, Message]:
    rid, start, end = world.restaurant_id, at(-24), at(24)
    return {
        OPS + "CheckInvariants": ops.CheckInvariantsRequest(restaurant_id=rid),
        OPS + "ListAuditEntries": ops.ListAuditEntriesRequest(
            restaurant_id=rid, resource_id=world.booking_id, window_start=start, window_end=end, page_size=10
        ),
        OPS + "GetOutboxStats": ops.GetOutboxStatsRequest(restaurant_id=rid),
        OPS + "ListOutboxEvents": ops.ListOutboxEventsRequest(
            restaurant_id=rid,
            status=ops.OUTBOX_STATUS_DONE,
            event_type="capacity.hold.created",
            event_id=new_id(),
            page_size=10,
        ),
        OPS + "RedriveOutboxEvents": ops.RedriveOutboxEventsRequest(
            request_id=new_id(),
            actor="Ada",
            restaurant_id=rid,
            event_ids=[new_id(), new_id()],
            event_type="capacity.hold.created",
            reason="the receiver is back",
        ),
    }
