"""Whatever is wrong with a request, the answer names it, tells nothing else, and the next call works."""

import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from maitred.v1 import assignment_service_pb2 as assignments
from maitred.v1 import booking_service_pb2 as bookings
from maitred.v1 import inventory_service_pb2 as inventory
from server.domain.limits import VIOLATIONS_LISTED_MAX
from server.errors import Reason
from server.rpc.scopes import SCOPES
from tests.conftest import Served
from tests.support.bad_values import spoiled
from tests.support.requests import (
    ASSIGNMENT,
    BOOKING,
    INVENTORY,
    OPS,
    PLANNER,
    START,
    World,
    at,
    expect,
    good,
    good_requests,
    make_world,
    new_id,
    put_booking,
)
from tests.support.wire import Refused, Wire

INVALID = grpc.StatusCode.INVALID_ARGUMENT
BREAKDOWNS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})
# Words of Python, of the driver, of SQL and of the schema, none of which is a caller's business.
LEAKS = (
    "Traceback",
    'File "',
    "asyncpg",
    "psycopg",
    "SELECT",
    "INSERT",
    'relation "',
    "syntax error",
    "constraint",
    "violates",
    "NoneType",
    "object at 0x",
    "Exception",
    "invalid byte sequence",
)
GARBLED_PER_METHOD = 60
SEED = 20_260_601

# One server for all of these tests: whatever they send, it has to be as good as new for the next.
pytestmark = [pytest.mark.timeout(300), pytest.mark.shared_server]


@pytest.fixture(scope="module")
async def wire(shared_address: str) -> AsyncIterator[Wire]:
    """And one tenant for all whose requests are refused."""
    async with grpc.aio.insecure_channel(shared_address) as channel:
        yield Wire(channel, uuid4())


@pytest.fixture(scope="module")
async def world(wire: Wire) -> World:
    return await make_world(wire)


@pytest.fixture(scope="module")
async def neighbour(wire: Wire) -> World:
    return await make_world(wire)


@pytest.fixture
async def own_wire(server: Served) -> AsyncIterator[Wire]:
    """For those that change something, or look at everything that the tenant has."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield Wire(channel, server.tenant_id)


@pytest.fixture
async def own_world(own_wire: Wire) -> World:
    return await make_world(own_wire)


def typed(answer: bytes | Refused, about: object) -> Refused:
    """The refusal, after a look at what every refusal has to be."""
    assert isinstance(answer, Refused), f"accepted: {about}"
    assert answer.code not in BREAKDOWNS, f"{about}: {answer}"
    assert answer.domain == "maitred", f"{about}: {answer}"
    assert answer.reason in Reason.__members__, f"{about}: {answer}"
    leaked = [word for word in LEAKS if word in answer.everything]
    assert leaked == [], f"{about}: {answer.everything}"
    return answer


async def still_works(wire: Wire, world: World) -> int:
    """That the server still answers; the restaurant's floor version."""
    request = inventory.GetRestaurantRequest(restaurant_id=world.restaurant_id)
    answer = await expect(wire, INVENTORY + "GetRestaurant", request, inventory.GetRestaurantResponse)
    return answer.restaurant.floor_version


def names(found: Refused, path: str) -> bool:
    """Whether the refusal is about this field, or about an entry of it."""
    return any(field == path or field.startswith((f"{path}[", f"{path}.")) for field in found.fields)


async def test_every_method_has_a_good_request() -> None:
    nowhere = World(new_id(), new_id(), tuple(new_id() for _ in range(6)), *(new_id() for _ in range(4)))
    assert set(good_requests(nowhere)) == set(SCOPES)


@pytest.mark.parametrize("path", sorted(SCOPES))
async def test_every_field_of_every_request(wire: Wire, world: World, path: str) -> None:
    """The sweep: each field, spoiled in each way its type allows, is named by its path, and once."""
    before = await still_works(wire, world)
    cases = list(spoiled(good_requests(world)[path]))
    assert cases
    for case in cases:
        found = typed(await wire.call(path, case.request), case)
        assert found.code is INVALID, f"{case}: {found}"
        assert names(found, case.path), f"{case}: {found.fields}"
        assert found.metadata["field"] in found.fields, case
        assert len(set(found.fields)) == len(found.fields), f"{case}: {found.fields}"
        assert len(found.fields) <= VIOLATIONS_LISTED_MAX
    assert await still_works(wire, world) == before


async def test_no_bytes_at_all_and_too_many_of_them(wire: Wire, world: World) -> None:
    for path in SCOPES:
        await _no_bytes_and_too_many(wire, path)
        await still_works(wire, world)


async def _no_bytes_and_too_many(wire: Wire, path: str) -> None:
    if path not in (INVENTORY + "ListRestaurants", OPS + "CheckInvariants", OPS + "GetOutboxStats"):
        assert typed(await wire.call(path, b""), "nothing").code is INVALID
    a_text = b"\x12" if path == INVENTORY + "ListRestaurants" else b"\x0a"
    for raw in (b"\xff" * 100, a_text + b"\x7fshort", a_text + b"\x02\xc3\x28"):
        found = typed(await wire.call(path, raw), raw)
        assert (found.code, found.fields) == (INVALID, ["request"])
    found = typed(await wire.call(path, b"\x0a" * (5 * 2**20)), "5 MB")
    assert (found.code, found.fields, found.metadata["limit"]) == (INVALID, ["request"], str(4 * 2**20))


async def test_the_good_requests_are_good(own_wire: Wire, own_world: World) -> None:
    """Otherwise the sweep would find faults that it did not put there."""
    for path, request in good_requests(own_world).items():
        answer = await own_wire.call(path, request)
        if isinstance(answer, Refused):
            assert typed(answer, path).code is not INVALID, f"{path}: {answer}"


async def test_requests_with_flipped_bytes_never_break_the_server(own_wire: Wire, own_world: World) -> None:
    for path, request in good_requests(own_world).items():
        await _flip_bytes(own_wire, path, request.SerializeToString(deterministic=True))
        await still_works(own_wire, own_world)


async def _flip_bytes(wire: Wire, path: str, whole: bytes) -> None:
    chance = random.Random(f"{SEED} {path}")
    for _ in range(GARBLED_PER_METHOD):
        raw = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        answer = await wire.call(path, bytes(raw[: chance.randint(len(raw) // 2, len(raw))]))
        if isinstance(answer, Refused):
            typed(answer, raw.hex())


@pytest.mark.parametrize(
    ("path", "field", "taken", "reason"),
    [
        (PLANNER + "PlanTables", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (PLANNER + "ExplainTable", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (PLANNER + "ExplainTable", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (ASSIGNMENT + "ValidateSelection", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "ValidateSelection", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (ASSIGNMENT + "HoldTables", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "HoldTables", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (ASSIGNMENT + "ExtendHold", "hold_id", "hold_id", "HOLD_NOT_FOUND"),
        (ASSIGNMENT + "ReplaceHold", "hold_id", "hold_id", "HOLD_NOT_FOUND"),
        (ASSIGNMENT + "ReplaceHold", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (ASSIGNMENT + "ReleaseHold", "hold_id", "hold_id", "HOLD_NOT_FOUND"),
        (ASSIGNMENT + "GetHold", "hold_id", "hold_id", "HOLD_NOT_FOUND"),
        (ASSIGNMENT + "ConfirmHold", "hold_id", "hold_id", "HOLD_NOT_FOUND"),
        (ASSIGNMENT + "ConfirmHold", "booking_id", "booking_id", "HOLD_MISMATCH"),
        (ASSIGNMENT + "ConfirmHold", "table_ids", "table_ids", "HOLD_MISMATCH"),
        (ASSIGNMENT + "AssignTables", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "AssignTables", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (ASSIGNMENT + "AutoAssign", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "ReassignTables", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "UnassignTables", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (ASSIGNMENT + "GetAssignment", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (INVENTORY + "BlockTables", "table_ids", "table_ids", "TABLE_NOT_FOUND"),
        (INVENTORY + "UnblockTables", "block_id", "block_id", "BLOCK_NOT_FOUND"),
        (BOOKING + "GetBooking", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
        (BOOKING + "TransitionBooking", "booking_id", "booking_id", "BOOKING_NOT_FOUND"),
    ],
)
async def test_what_belongs_to_another_restaurant_is_not_found_in_this_one(
    wire: Wire, world: World, neighbour: World, path: str, field: str, taken: str, reason: str
) -> None:
    request: Message = good_requests(world)[path]
    foreign = getattr(neighbour, taken)
    request.ClearField(field)
    if isinstance(foreign, tuple):
        getattr(request, field).append(foreign[0])
    else:
        setattr(request, field, foreign)
    assert typed(await wire.call(path, request), path).reason == reason
    await still_works(wire, world)


async def test_a_zone_of_another_restaurant_is_no_zone_for_a_booking(
    wire: Wire, world: World, neighbour: World
) -> None:
    request = put_booking(world.restaurant_id, new_id())
    request.party.zone_id = neighbour.zone_id
    found = typed(await wire.call(BOOKING + "PutBooking", request), "zone")
    assert found.fields == ["party.zone_id"]


async def test_another_restaurants_table_cannot_be_changed_or_put(
    wire: Wire, world: World, neighbour: World
) -> None:
    update = good(world, INVENTORY + "UpdateTable", inventory.UpdateTableRequest)
    update.table.table_id = neighbour.table_ids[0]
    assert typed(await wire.call(INVENTORY + "UpdateTable", update), "update").reason == "TABLE_NOT_FOUND"
    request = inventory.GetFloorRequest(restaurant_id=neighbour.restaurant_id)
    floor = await expect(wire, INVENTORY + "GetFloor", request, inventory.GetFloorResponse)
    assert {table.table_id for table in floor.floor.tables} == set(neighbour.table_ids)


@pytest.mark.parametrize("size", [0, -1, 501, 10_000])
async def test_a_party_of_nobody_or_of_ten_thousand(wire: Wire, world: World, size: int) -> None:
    request = put_booking(world.restaurant_id, new_id())
    request.party.party_size = size
    found = typed(await wire.call(BOOKING + "PutBooking", request), size)
    assert (found.code, found.reason, found.fields) == (INVALID, "INVALID_PARTY_SIZE", ["party.party_size"])
    assert found.metadata["limit"] == "1..500"


@pytest.mark.parametrize(
    "method", [BOOKING + "ListBookings", ASSIGNMENT + "ListAssignments", INVENTORY + "ListBlocks"]
)
async def test_an_end_before_the_start(wire: Wire, world: World, method: str) -> None:
    request = good_requests(world)[method]
    for end in (at(-24), at(-25), at(366 * 24)):
        changed = type(request)()
        changed.CopyFrom(request)
        changed.window_start.CopyFrom(at(-24))  # type: ignore[attr-defined]
        changed.window_end.CopyFrom(end)  # type: ignore[attr-defined]
        found = typed(await wire.call(method, changed), end)
        assert (found.reason, found.fields) == ("INVALID_WINDOW", ["window_end"])


@pytest.mark.parametrize("method", ["HoldTables", "ExtendHold", "ReplaceHold"])
@pytest.mark.parametrize("seconds", [-(2**40), -1, 0, 59, 901, 2**40])
async def test_a_hold_of_no_time_or_of_all_time(wire: Wire, world: World, seconds: int, method: str) -> None:
    path = ASSIGNMENT + method
    request: Any = good_requests(world)[path]
    request.ttl.seconds = seconds
    found = typed(await wire.call(path, request), seconds)
    assert (found.code, found.reason) == (grpc.StatusCode.OUT_OF_RANGE, "HOLD_TTL_OUT_OF_RANGE")
    assert found.metadata == {"ttl_s": f"{seconds:g}", "ttl_s_min": "60", "ttl_s_max": "900"}


async def test_a_page_token_of_another_list(own_wire: Wire, own_world: World) -> None:
    neighbour = await make_world(own_wire)
    first = inventory.ListRestaurantsRequest(page_size=1)
    listed = await expect(own_wire, INVENTORY + "ListRestaurants", first, inventory.ListRestaurantsResponse)
    assert listed.next_page_token
    request = assignments.ListHoldsRequest(
        restaurant_id=own_world.restaurant_id, page_token=listed.next_page_token
    )
    assert typed(await own_wire.call(ASSIGNMENT + "ListHolds", request), "token").fields == ["page_token"]
    first.page_token = listed.next_page_token
    rest = await expect(own_wire, INVENTORY + "ListRestaurants", first, inventory.ListRestaurantsResponse)
    found = {restaurant.restaurant_id for page in (listed, rest) for restaurant in page.restaurants}
    assert found == {own_world.restaurant_id, neighbour.restaurant_id}


async def test_all_tables_whose_zone_is_gone_are_named_and_counted(wire: Wire, world: World) -> None:
    before = await still_works(wire, world)
    lost = good(world, INVENTORY + "PutFloor", inventory.PutFloorRequest)
    lost.floor.zones[0].zone_id = new_id()
    found = typed(await wire.call(INVENTORY + "PutFloor", lost), "all zones")
    assert found.fields == ["floor.tables.zone_id"] * len(world.table_ids)
    assert found.message.endswith(f" ({len(world.table_ids) - 1} more)")
    assert await still_works(wire, world) == before


async def test_texts_of_all_languages_come_back_as_they_were_sent(own_wire: Wire, own_world: World) -> None:
    reference = "Jörg’s 寿司 🍣 '; DROP TABLE bookings; -- %s {0}"
    request = put_booking(own_world.restaurant_id, new_id())
    request.reference = reference
    put = await expect(own_wire, BOOKING + "PutBooking", request, bookings.PutBookingResponse)
    assert put.booking.reference == reference
    assert put.booking.party.start.seconds == int(START.timestamp())
