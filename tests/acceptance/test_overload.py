"""A server with more to do than it may take: each call is answered or refused by name, and its figures say so."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from urllib.request import urlopen
from uuid import uuid4

import grpc.aio
from google.rpc import error_details_pb2

from maitred.v1 import inventory_service_pb2
from tests.support.database import connected
from tests.support.programs import said, started
from tests.support.wire import Refused, Wire

LIST = "/maitred.v1.InventoryService/ListRestaurants"
GET = "/maitred.v1.InventoryService/GetRestaurant"
COUNTED = re.compile(
    r'^rpc_server_call_duration_seconds_count{reason="(\w*)",rpc_method="([^"]+)",'
    r'rpc_response_status_code="(\w+)",.*} ([0-9.]+)$',
    re.MULTILINE,
)


async def told(wire: Wire, path: str, request: bytes) -> tuple[str, str, str]:
    """What a caller is told: method, status code and reason. A refusal for load says when to come again."""
    answer = await wire.call(path, request)
    if not isinstance(answer, Refused):
        return path[1:], "OK", ""
    if answer.reason == "SERVER_OVERLOADED":
        retry = answer.detail(error_details_pb2.RetryInfo)
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == int(answer.trailers["grpc-retry-pushback-ms"]) > 0
    return path[1:], answer.code.name, answer.reason


def counted(metrics: str) -> Counter[tuple[str, str, str]]:
    with urlopen(metrics) as page:
        found = COUNTED.findall(page.read().decode())
    return Counter({(method, code, reason): int(float(n)) for reason, method, code, n in found})


async def all_counted(metrics: str, calls: int) -> Counter[tuple[str, str, str]]:
    """What the server has counted once it is that many calls: it counts a call after it has answered."""
    async with asyncio.timeout(60):
        while (shown := await asyncio.to_thread(counted, metrics)).total() < calls:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return shown


async def test_a_burst_is_answered_or_refused_by_name_and_counted_as_the_callers_were_told(
    shared_database: str,
) -> None:
    """Nothing is answered before everything over the limit has been refused."""
    limits = {
        "calls_in_flight_max": "3",
        "log_level": "error",
        "pool_size_min": "1",
        "deadline_s_default": "60",
    }
    arguments = ("serve", "--port", "0", "--metrics-port", "0", "--database-url", shared_database)
    request = inventory_service_pb2.GetRestaurantRequest(restaurant_id=str(uuid4())).SerializeToString()
    async with started(*arguments, settings=limits) as process, connected(shared_database) as other:
        metrics = await said(process, "measurements on ")
        address = await said(process, "serving on ")
        async with grpc.aio.insecure_channel(address) as channel:
            wire = Wire(channel)
            async with other.transaction():
                await other.execute("LOCK TABLE restaurants IN ACCESS EXCLUSIVE MODE")
                asked = [(LIST, b""), (GET, request)] * 100
                calls = {asyncio.ensure_future(told(wire, path, raw)) for path, raw in asked}
                refused = [await each for each in islice(asyncio.as_completed(calls), len(calls) - 3)]
            burst = Counter(await asyncio.gather(*calls))
            shown = await all_counted(metrics, burst.total())
    assert {(code, reason) for _, code, reason in refused} == {("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")}
    assert {(code, reason) for _, code, reason in burst - Counter(refused)} <= {
        ("OK", ""),
        ("NOT_FOUND", "RESTAURANT_NOT_FOUND"),
    }
    assert shown == burst


async def told_again_and_again(wire: Wire, times: int) -> Counter[str]:
    return Counter([(await told(wire, LIST, b""))[1] for _ in range(times)])


@asynccontextmanager
async def wire_to_server(database: str, **limits: str) -> AsyncIterator[Wire]:
    """A connection to a server with these limits."""
    settings = {"log_level": "error", "pool_size_min": "1"} | limits
    arguments = ("serve", "--port", "0", "--database-url", database)
    async with (
        started(*arguments, settings=settings) as process,
        grpc.aio.insecure_channel(await said(process, "serving on ")) as channel,
    ):
        yield Wire(channel)


async def test_callers_who_share_a_connection_past_its_limit_wait_for_their_turn(
    shared_database: str,
) -> None:
    """None of them is reset, however soon a call follows one that is over."""
    async with wire_to_server(shared_database, connection_calls_max="8") as wire:
        ends = await asyncio.gather(*(told_again_and_again(wire, 10) for _ in range(100)))
    assert sum(ends, Counter()) == {"OK": 1_000}


async def test_what_arrives_past_what_may_wait_ends_at_once_and_the_server_goes_on(
    shared_database: str,
) -> None:
    async with wire_to_server(shared_database, calls_waiting_max="4") as wire:
        calls = await asyncio.gather(*(told(wire, LIST, b"") for _ in range(1_000)))
        afterwards = await told_again_and_again(wire, 10)
    ends = Counter(code for _, code, _ in calls)
    assert set(ends) == {"OK", "CANCELLED"}
    assert ends.total() == 1_000
    assert afterwards == {"OK": 10}
