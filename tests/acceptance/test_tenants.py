"""Nobody sees or changes what belongs to another tenant: its ids look exactly like ids that don't exist."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc.aio
import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from maitred_client import messages as pb
from maitred_client import new_request_id
from server.rpc.scopes import SERVICES
from tests.builders.world import TableSpec, World, evening, small_world, stamp
from tests.builders.world_extras import UNKNOWN_ID
from tests.conftest import Served
from tests.support.database import belongings
from tests.support.wire import Refused, Wire

pytestmark = pytest.mark.shared_server

STAY = timedelta(hours=2)
NOT_FOUND = grpc.StatusCode.NOT_FOUND


@dataclass(frozen=True, slots=True)
class Ids:
    """What a request can name. `booking` is pending and has the hold, `seated` has tables, `table` is free."""

    restaurant: str
    zone: str
    table: str
    booking: str
    seated: str
    hold: str
    block: str
    taken: tuple[str, ...]


NAMED = ("zone", "table", "booking", "seated", "hold", "block")


def with_id(ids: Ids, name: str, value: str) -> Ids:
    return replace(ids, **{name: value})  # type: ignore[arg-type]


async def furnished(world: World) -> Ids:
    """A world in which something of everything exists."""
    pending = await world.booking()
    hold = await world.hold(pending, "T1")
    seated = await world.seated("T1", start=evening(12))
    block = await world.block("T2")
    return Ids(
        world.restaurant_id,
        world.zone_id,
        world.tables["T3"],
        pending.booking_id,
        seated.booking_id,
        hold.hold_id,
        block.block_id,
        tuple(world.ids(["T1", "T2"])),
    )


@dataclass(frozen=True, slots=True)
class Tenant:
    tenant_id: UUID
    ids: Ids


async def furnished_tenant(server: Served) -> Tenant:
    """A new one, with a world of its own."""
    tables = [TableSpec("T1"), TableSpec("T2"), TableSpec("T3")]
    tenant_id = uuid4()
    async with server.client(tenant_id=tenant_id) as client:
        return Tenant(tenant_id, await furnished(await small_world(client, tables=tables)))


@dataclass(frozen=True, slots=True)
class TwoTenants:
    wire: Wire
    mine: Ids
    theirs: Ids
    their_tenant: UUID
    database_url: str

    async def their_data(self) -> Mapping[str, list[str]]:
        return await belongings(self.database_url, self.theirs.restaurant, str(self.their_tenant))


@asynccontextmanager
async def beside(them: Tenant, server: Served) -> AsyncIterator[TwoTenants]:
    """Another tenant of the same server, who makes calls."""
    me = await furnished_tenant(server)
    async with grpc.aio.insecure_channel(server.address) as channel:
        wire = Wire(channel, me.tenant_id)
        yield TwoTenants(wire, me.ids, them.ids, them.tenant_id, server.server_url)


@pytest.fixture(scope="module")
async def them(shared_database: str, shared_address: str) -> Tenant:
    """Whom no test changes, as each of them makes sure."""
    return await furnished_tenant(Served(shared_address, shared_database, uuid4(), shared=True))


@pytest.fixture
async def tenants(them: Tenant, server: Served) -> AsyncIterator[TwoTenants]:
    async with beside(them, server) as both:
        yield both


def party() -> pb.PartyRequest:
    return pb.PartyRequest(party_size=2, start=stamp(evening()))


def floor(ids: Ids) -> pb.Floor:
    tables = [
        pb.Table(table_id=table_id, zone_id=ids.zone, name=f"T{n}", capacity=4, movable=True)
        for n, table_id in enumerate((*ids.taken, ids.table))
    ]
    edge = pb.Adjacency(table_a=ids.table, table_b=ids.taken[0])
    return pb.Floor(zones=[pb.Zone(zone_id=ids.zone, name="Hall")], tables=tables, adjacency=[edge])


def policy() -> pb.ServicePolicy:
    turn = pb.TurnTime(party_size_max=2)
    turn.duration.FromTimedelta(STAY)
    return pb.ServicePolicy(
        periods=[
            pb.ServicePeriod(name="p", opens="10:00", closes="22:00", turn_times=[turn], may_overrun=True)
        ]
    )


FROM, UNTIL = stamp(evening(10)), stamp(evening(23))

# These may name something that is nowhere: ids that only exclude or filter, and ids of what is to be made.
ANSWERED_ANYWAY = (
    "PlanTables",
    "SearchAvailability",
    "ListHolds",
    "PutBooking",
    "PutFloor",
    "ListAuditEntries",
    "ListOutboxEvents",
    "RedriveOutboxEvents",
)

# One request per method, naming ids wherever it can. The request_id is filled in when it is sent.
REQUESTS: Mapping[str, Callable[[Ids], Message]] = {
    "PlanTables": lambda ids: pb.PlanTablesRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, avoid_table_ids=[ids.table]
    ),
    "ExplainTable": lambda ids: pb.ExplainTableRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, table_ids=[ids.table]
    ),
    "SearchAvailability": lambda ids: pb.SearchAvailabilityRequest(
        restaurant_id=ids.restaurant,
        questions=[pb.AvailabilityQuestion(party_size=2, start=stamp(evening()), zone_id=ids.zone)],
    ),
    "ValidateSelection": lambda ids: pb.ValidateSelectionRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, table_ids=[ids.table]
    ),
    "HoldTables": lambda ids: pb.HoldTablesRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, table_ids=[ids.table]
    ),
    "ExtendHold": lambda ids: pb.ExtendHoldRequest(restaurant_id=ids.restaurant, hold_id=ids.hold),
    "ReplaceHold": lambda ids: pb.ReplaceHoldRequest(
        restaurant_id=ids.restaurant, hold_id=ids.hold, table_ids=[ids.table]
    ),
    "ReleaseHold": lambda ids: pb.ReleaseHoldRequest(restaurant_id=ids.restaurant, hold_id=ids.hold),
    "GetHold": lambda ids: pb.GetHoldRequest(restaurant_id=ids.restaurant, hold_id=ids.hold),
    "ListHolds": lambda ids: pb.ListHoldsRequest(restaurant_id=ids.restaurant, booking_id=ids.booking),
    "ConfirmHold": lambda ids: pb.ConfirmHoldRequest(
        restaurant_id=ids.restaurant, hold_id=ids.hold, booking_id=ids.booking
    ),
    "AssignTables": lambda ids: pb.AssignTablesRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, table_ids=[ids.table]
    ),
    "AutoAssign": lambda ids: pb.AutoAssignRequest(restaurant_id=ids.restaurant, booking_id=ids.booking),
    "AutoAssignBatch": lambda ids: pb.AutoAssignBatchRequest(
        restaurant_id=ids.restaurant, service_date="2031-05-01"
    ),
    "DispatchAutoAssign": lambda ids: pb.DispatchAutoAssignRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking
    ),
    "ReassignTables": lambda ids: pb.ReassignTablesRequest(
        restaurant_id=ids.restaurant, booking_id=ids.seated, table_ids=[ids.table]
    ),
    "UnassignTables": lambda ids: pb.UnassignTablesRequest(
        restaurant_id=ids.restaurant, booking_id=ids.seated
    ),
    "GetAssignment": lambda ids: pb.GetAssignmentRequest(restaurant_id=ids.restaurant, booking_id=ids.seated),
    "ListAssignments": lambda ids: pb.ListAssignmentsRequest(
        restaurant_id=ids.restaurant, window_start=FROM, window_end=UNTIL
    ),
    "WatchFloor": lambda ids: pb.WatchFloorRequest(restaurant_id=ids.restaurant),
    "PutRestaurant": lambda ids: pb.PutRestaurantRequest(
        restaurant=pb.Restaurant(restaurant_id=ids.restaurant, name="Mine now", time_zone="UTC")
    ),
    "GetRestaurant": lambda ids: pb.GetRestaurantRequest(restaurant_id=ids.restaurant),
    "PutServicePolicy": lambda ids: pb.PutServicePolicyRequest(restaurant_id=ids.restaurant, policy=policy()),
    "GetServicePolicy": lambda ids: pb.GetServicePolicyRequest(restaurant_id=ids.restaurant),
    "PutFloor": lambda ids: pb.PutFloorRequest(restaurant_id=ids.restaurant, floor=floor(ids)),
    "GetFloor": lambda ids: pb.GetFloorRequest(restaurant_id=ids.restaurant),
    "UpdateTable": lambda ids: pb.UpdateTableRequest(
        restaurant_id=ids.restaurant,
        table=pb.Table(table_id=ids.table, zone_id=ids.zone, capacity=5),
        update_mask=FieldMask(paths=["capacity", "zone_id"]),
    ),
    "BlockTables": lambda ids: pb.BlockTablesRequest(
        restaurant_id=ids.restaurant,
        table_ids=[ids.table],
        cause=pb.BlockCause.BLOCK_CAUSE_OTHER,
        window_start=FROM,
        window_end=UNTIL,
    ),
    "UnblockTables": lambda ids: pb.UnblockTablesRequest(restaurant_id=ids.restaurant, block_id=ids.block),
    "ListBlocks": lambda ids: pb.ListBlocksRequest(
        restaurant_id=ids.restaurant, window_start=FROM, window_end=UNTIL
    ),
    "PutBooking": lambda ids: pb.PutBookingRequest(
        restaurant_id=ids.restaurant,
        booking_id=ids.booking,
        party=pb.PartyRequest(party_size=3, start=stamp(evening()), zone_id=ids.zone),
    ),
    "GetBooking": lambda ids: pb.GetBookingRequest(restaurant_id=ids.restaurant, booking_id=ids.booking),
    "ListBookings": lambda ids: pb.ListBookingsRequest(
        restaurant_id=ids.restaurant, window_start=FROM, window_end=UNTIL
    ),
    "TransitionBooking": lambda ids: pb.TransitionBookingRequest(
        restaurant_id=ids.restaurant, booking_id=ids.booking, action=pb.BookingAction.BOOKING_ACTION_CANCEL
    ),
    "CheckInvariants": lambda ids: pb.CheckInvariantsRequest(restaurant_id=ids.restaurant),
    "ListAuditEntries": lambda ids: pb.ListAuditEntriesRequest(
        restaurant_id=ids.restaurant, resource_id=ids.booking
    ),
    "GetOutboxStats": lambda ids: pb.GetOutboxStatsRequest(restaurant_id=ids.restaurant),
    "ListOutboxEvents": lambda ids: pb.ListOutboxEventsRequest(restaurant_id=ids.restaurant),
    "RedriveOutboxEvents": lambda ids: pb.RedriveOutboxEventsRequest(
        restaurant_id=ids.restaurant, event_ids=[ids.booking]
    ),
}

PATHS = {
    method.name: f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods
}


async def send(wire: Wire, method: str, ids: Ids) -> bytes | Refused:
    request = REQUESTS[method](ids)
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = new_request_id()  # type: ignore[attr-defined]
    return await wire.call(PATHS[method], request)


def type_and_value(packed: Any) -> str:
    """A detail of a refusal, whichever it is."""
    value = GetMessageClass(Default().FindMessageTypeByName(packed.TypeName()))()
    packed.Unpack(value)
    return f"{packed.TypeName()} {value}"


def shape(answer: bytes | Refused, ids: Ids) -> object:
    """The answer without the ids that were asked about; of an answer that is no refusal only that it is none."""
    if isinstance(answer, bytes):
        return "answered"
    details = [type_and_value(packed) for packed in answer.status.details]
    text = f"{answer.code.name} {answer.message} {details} {sorted(answer.trailers)}"
    for name in ("restaurant", *NAMED):
        text = text.replace(getattr(ids, name), f"<{name}>")
    return text


def unknown_ids() -> Ids:
    restaurant, zone, table, booking, seated, hold, block, *taken = (str(uuid4()) for _ in range(9))
    return Ids(restaurant, zone, table, booking, seated, hold, block, tuple(taken))


def test_every_method_is_looked_at() -> None:
    assert REQUESTS.keys() | {"ListRestaurants", "GetOperation"} == PATHS.keys()


async def test_another_tenants_restaurant_looks_like_none(tenants: TwoTenants) -> None:
    before = await tenants.their_data()
    for method in REQUESTS:
        answer = await send(tenants.wire, method, tenants.theirs)
        assert isinstance(answer, Refused), method
        assert (answer.code, answer.reason) == (NOT_FOUND, "RESTAURANT_NOT_FOUND"), method
        if method != "PutRestaurant":  # which makes a restaurant that does not exist yet
            nowhere = unknown_ids()
            assert shape(answer, tenants.theirs) == shape(await send(tenants.wire, method, nowhere), nowhere)
    assert await tenants.their_data() == before


@pytest.mark.parametrize("method", REQUESTS)
async def test_what_another_tenant_has_is_not_in_ones_own_restaurant(
    method: str, tenants: TwoTenants
) -> None:
    before = await tenants.their_data()
    for name in NAMED:
        theirs = with_id(tenants.mine, name, getattr(tenants.theirs, name))
        nowhere = with_id(tenants.mine, name, UNKNOWN_ID)
        if REQUESTS[method](theirs) == REQUESTS[method](tenants.mine):
            continue
        answer = await send(tenants.wire, method, theirs)
        assert shape(answer, theirs) == shape(await send(tenants.wire, method, nowhere), nowhere), name
        if method not in ANSWERED_ANYWAY:
            assert isinstance(answer, Refused), name
    assert isinstance(await send(tenants.wire, method, tenants.mine), bytes), "its own things are refused too"
    assert await tenants.their_data() == before


async def test_the_data_that_is_compared_is_really_there(tenants: TwoTenants) -> None:
    kept = {name for name, lines in (await tenants.their_data()).items() if lines}
    assert kept >= {"tenants", "restaurants", "tables", "bookings", "holds", "table_claims", "blocks"}
    assert kept >= {"assignments", "booking_history", "audit_log", "capacity_outbox", "idempotency_ledger"}


async def test_a_new_booking_or_table_may_have_the_id_of_somebody_elses(tenants: TwoTenants) -> None:
    before = await tenants.their_data()
    mine = replace(tenants.mine, booking=tenants.theirs.booking, table=tenants.theirs.table)
    for method in ("PutBooking", "PutFloor", "HoldTables"):
        assert isinstance(await send(tenants.wire, method, mine), bytes)
    answer = await send(tenants.wire, "GetBooking", replace(tenants.mine, booking=tenants.theirs.booking))
    assert isinstance(answer, bytes)
    assert pb.GetBookingResponse.FromString(answer).booking.party.party_size == 3
    assert await tenants.their_data() == before


async def test_what_has_the_same_id_in_another_restaurant_decides_nothing(server: Served) -> None:
    async with server.client() as me, server.client("others", uuid4()) as them:
        mine, elsewhere = await small_world(me), await small_world(them)
        floor = await me.get_floor(pb.GetFloorRequest(restaurant_id=mine.restaurant_id))
        twin = pb.PutFloorRequest(restaurant_id=elsewhere.restaurant_id, floor=floor.floor)
        twin.floor.ClearField("etag")
        await them.put_floor(twin)
        theirs = replace(mine, client=them, restaurant_id=elsewhere.restaurant_id)
        seated = await mine.seated("T1")
        waiting = (await them.put_booking(theirs.booking_request(booking_id=seated.booking_id))).booking
        assert (await mine.reassign(seated, "T2")).booking.booking_id == seated.booking_id
        await theirs.hold(waiting, "T1")
        guest = await theirs.booking()
        wanted = pb.ValidateSelectionRequest(
            restaurant_id=theirs.restaurant_id, booking_id=guest.booking_id, table_ids=theirs.ids(["T2"])
        )
        assert (await them.validate_selection(wanted)).valid
        await theirs.hold(guest, "T2")


async def test_holds_of_another_tenants_booking_are_not_listed(tenants: TwoTenants) -> None:
    answer = await send(tenants.wire, "ListHolds", replace(tenants.mine, booking=tenants.theirs.booking))
    assert isinstance(answer, bytes)
    assert not pb.ListHoldsResponse.FromString(answer).holds


async def test_a_tenant_lists_its_own_restaurants_only(tenants: TwoTenants) -> None:
    answer = await tenants.wire.call(PATHS["ListRestaurants"], pb.ListRestaurantsRequest())
    assert isinstance(answer, bytes)
    listed = pb.ListRestaurantsResponse.FromString(answer).restaurants
    assert [restaurant.restaurant_id for restaurant in listed] == [tenants.mine.restaurant]


async def test_the_same_request_id_of_two_tenants_names_two_requests(server: Served) -> None:
    request_id = new_request_id()
    async with server.client() as me, server.client("others", uuid4()) as them:
        for client, name in ((me, "Ours"), (them, "Theirs")):
            wanted = pb.Restaurant(restaurant_id=str(uuid4()), name=name, time_zone="UTC")
            request = pb.PutRestaurantRequest(request_id=request_id, restaurant=wanted)
            assert (await client.put_restaurant(request)).restaurant.name == name


async def test_what_became_of_another_tenants_request_is_not_told(server: Served) -> None:
    request_id = new_request_id()
    wanted = pb.Restaurant(restaurant_id=str(uuid4()), name="Ours", time_zone="UTC")
    question = pb.GetOperationRequest(method="PutRestaurant", operation_request_id=request_id)
    async with server.client() as me, server.client("others", uuid4()) as them:
        await me.put_restaurant(pb.PutRestaurantRequest(request_id=request_id, restaurant=wanted))
        assert (await me.get_operation(question)).state == pb.OperationState.OPERATION_STATE_SUCCEEDED
        assert (await them.get_operation(question)).state == pb.OperationState.OPERATION_STATE_UNKNOWN
