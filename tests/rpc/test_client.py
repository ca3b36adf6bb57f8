"""The client against the real server: its examples, its errors, its request ids."""

import asyncio
import doctest
import importlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from uuid import UUID, uuid4

import grpc
import pytest

from maitred.v1.assignment_service_pb2 import WatchFloorRequest
from maitred.v1.booking_service_pb2 import PutBookingRequest
from maitred.v1.inventory_pb2 import Floor, Restaurant, Table, Zone
from maitred.v1.inventory_service_pb2 import (
    GetFloorRequest,
    GetRestaurantRequest,
    ListRestaurantsRequest,
    PutFloorRequest,
    PutRestaurantRequest,
)
from maitred_client import (
    AsyncMaitredClient,
    MaitredClient,
    MaitredError,
    RequestIdReusedError,
    RestaurantNotFoundError,
    RetryClass,
    TransportError,
    new_request_id,
)

pytestmark = pytest.mark.shared_server


class RunningServer(Protocol):
    """What the `server` fixture yields."""

    address: str
    tenant_id: UUID


def restaurant(name: str = "Chez Nous") -> Restaurant:
    return Restaurant(restaurant_id=str(uuid4()), name=name, time_zone="Europe/London")


@pytest.fixture
async def client(server: RunningServer) -> AsyncIterator[AsyncMaitredClient]:
    async with AsyncMaitredClient(server.address, tenant_id=server.tenant_id, actor="test") as client:
        yield client


@pytest.mark.parametrize(
    "module", ["maitred_client", "maitred_client.async_client", "maitred_client.sync_client"]
)
async def test_the_examples_in_the_docstrings_work(module: str, server: RunningServer) -> None:
    names = {"address": server.address, "tenant_id": server.tenant_id}
    example = importlib.import_module(module)
    # The examples wait for their answers, so they need a thread beside the one that may run the server.
    result = await asyncio.to_thread(doctest.testmod, example, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0


async def test_an_unknown_restaurant_is_not_found_by_both_clients(
    client: AsyncMaitredClient, server: RunningServer
) -> None:
    await client.put_restaurant(PutRestaurantRequest(restaurant=restaurant()))
    unknown = str(uuid4())
    with pytest.raises(RestaurantNotFoundError) as failed:
        await client.get_restaurant(GetRestaurantRequest(restaurant_id=unknown))
    assert failed.value.code is grpc.StatusCode.NOT_FOUND
    assert failed.value.retry is RetryClass.NO
    assert failed.value.metadata["restaurant_id"] == unknown
    with (
        MaitredClient(server.address, tenant_id=server.tenant_id) as sync_client,
        pytest.raises(RestaurantNotFoundError),
    ):
        await asyncio.to_thread(sync_client.get_floor, GetFloorRequest(restaurant_id=unknown))


async def test_every_bad_field_comes_back_by_name(client: AsyncMaitredClient) -> None:
    bad = Restaurant(restaurant_id="r1", name="x" * 201, time_zone="Mars/Olympus")
    with pytest.raises(MaitredError) as failed:
        await client.put_restaurant(PutRestaurantRequest(restaurant=bad))
    assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.value.retry is RetryClass.AFTER_FIX
    fields = {violation.field for violation in failed.value.violations}
    assert fields == {"restaurant.restaurant_id", "restaurant.name", "restaurant.time_zone"}
    assert all(violation.description for violation in failed.value.violations)


async def test_a_request_without_its_id_gets_one_and_is_accepted(client: AsyncMaitredClient) -> None:
    wanted = restaurant("Chez Toi")
    request = PutRestaurantRequest(restaurant=wanted)
    stored = (await client.put_restaurant(request)).restaurant
    assert request.request_id == ""
    assert (stored.restaurant_id, stored.name) == (wanted.restaurant_id, "Chez Toi")


async def test_the_same_request_id_gets_the_same_answer_and_no_other_payload(
    client: AsyncMaitredClient,
) -> None:
    request = PutRestaurantRequest(request_id=new_request_id(), restaurant=restaurant())
    first = await client.put_restaurant(request)
    assert await client.put_restaurant(request) == first
    request.restaurant.name = "Chez Vous"
    with pytest.raises(RequestIdReusedError) as failed:
        await client.put_restaurant(request)
    assert failed.value.request_id == request.request_id == failed.value.metadata["request_id"]


async def test_a_party_of_none_is_refused_before_anything_is_kept(client: AsyncMaitredClient) -> None:
    house = restaurant()
    await client.put_restaurant(PutRestaurantRequest(restaurant=house))
    request = PutBookingRequest(restaurant_id=house.restaurant_id, booking_id=str(uuid4()))
    with pytest.raises(MaitredError) as failed:
        await client.put_booking(request)
    assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert any(violation.field.startswith("party") for violation in failed.value.violations)


async def test_an_iterator_goes_through_every_page_once(client: AsyncMaitredClient) -> None:
    houses = [restaurant(f"House {number}") for number in range(5)]
    for house in houses:
        await client.put_restaurant(PutRestaurantRequest(restaurant=house))
    request = ListRestaurantsRequest(page_size=2)
    found = [each.restaurant_id async for each in client.iterate_restaurants(request)]
    assert len(found) == len(set(found))
    assert {house.restaurant_id for house in houses} <= set(found)


async def test_a_watch_that_is_closed_leaves_nothing_behind(
    client: AsyncMaitredClient, server: RunningServer
) -> None:
    house = restaurant()
    await client.put_restaurant(PutRestaurantRequest(restaurant=house))

    async def left() -> set[asyncio.Task[object]]:
        async with AsyncMaitredClient(server.address, tenant_id=server.tenant_id) as watcher:
            watch = watcher.watch_floor(WatchFloorRequest(restaurant_id=house.restaurant_id))
            assert (await anext(watch)).HasField("snapshot")
            before = asyncio.all_tasks()
            await watch.aclose()
            await asyncio.sleep(0)
            tasks = asyncio.all_tasks() - before
            # gRPC tells a loop how its calls ended, even one that is closed by then: an answer comes after that.
            await watcher.get_restaurant(GetRestaurantRequest(restaurant_id=house.restaurant_id))
            return tasks

    # In a loop of its own: the server's tasks come and go in this one.
    assert await asyncio.to_thread(asyncio.run, left()) == set()


async def test_what_is_under_way_when_its_client_is_closed_ends_with_an_error(
    server: RunningServer,
) -> None:
    house = restaurant()
    where = WatchFloorRequest(restaurant_id=house.restaurant_id)
    async with AsyncMaitredClient(server.address, tenant_id=server.tenant_id) as client:
        await client.put_restaurant(PutRestaurantRequest(restaurant=house))
        watch = client.watch_floor(where)
        await anext(watch)
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
    with MaitredClient(server.address, tenant_id=server.tenant_id) as sync_client:
        sync_watch = sync_client.watch_floor(where)
        await asyncio.to_thread(next, sync_watch)
        sync_waiting = asyncio.ensure_future(asyncio.to_thread(next, sync_watch))
        await asyncio.sleep(0)
    for ended in (waiting, sync_waiting):
        with pytest.raises(TransportError, match="the client was closed") as failed:
            await ended
        assert failed.value.code is grpc.StatusCode.CANCELLED


async def test_the_largest_floor_fits_into_one_message(client: AsyncMaitredClient) -> None:
    house, zone = restaurant(), Zone(zone_id=str(uuid4()), name="Hall")
    await client.put_restaurant(PutRestaurantRequest(restaurant=house))
    tables = [
        Table(table_id=str(uuid4()), zone_id=zone.zone_id, name=f"T{number}", capacity=4)
        for number in range(1000)
    ]
    request = PutFloorRequest(restaurant_id=house.restaurant_id, floor=Floor(zones=[zone], tables=tables))
    assert len((await client.put_floor(request, timeout_s=60)).floor.tables) == 1000


async def test_threads_and_tasks_share_their_clients(
    client: AsyncMaitredClient, server: RunningServer
) -> None:
    house = restaurant()
    await client.put_restaurant(PutRestaurantRequest(restaurant=house))
    request = GetRestaurantRequest(restaurant_id=house.restaurant_id)
    loop = asyncio.get_running_loop()
    with (
        MaitredClient(server.address, tenant_id=server.tenant_id) as sync_client,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = await asyncio.gather(
            *(client.get_restaurant(request) for _ in range(32)),
            *(loop.run_in_executor(threads, sync_client.get_restaurant, request) for _ in range(32)),
        )
    assert {answer.restaurant.restaurant_id for answer in answers} == {house.restaurant_id}
