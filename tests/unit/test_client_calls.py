"""Who calls, from where, and page by page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest

from maitred.v1.assignment_pb2 import Hold
from maitred.v1.assignment_service_pb2 import (
    AutoAssignBatchRequest,
    GetHoldRequest,
    HoldTablesRequest,
    ListHoldsRequest,
    ListHoldsResponse,
    WatchFloorRequest,
)
from maitred_client import (
    AsyncMaitredClient,
    MaitredClient,
    MaitredError,
    TableConflictHeldError,
    TransportError,
)
from maitred_client.calls import CallSettings, call_metadata
from tests.support.scripted_server import TENANT, scripted_server

PAGES = (
    ListHoldsResponse(holds=[Hold(hold_id="h1"), Hold(hold_id="h2")], next_page_token="two"),
    ListHoldsResponse(next_page_token="three"),
    ListHoldsResponse(holds=[Hold(hold_id="h3")]),
)


async def test_the_caller_is_named_in_the_headers_of_every_call() -> None:
    async with (
        scripted_server() as server,
        AsyncMaitredClient(
            server.address, tenant_id=UUID(TENANT), actor="host-stand", scopes=["plan", "assign"]
        ) as client,
    ):
        await client.get_hold(GetHoldRequest())
    metadata = server.asked[0].metadata
    assert metadata["x-maitred-tenant"] == TENANT
    assert metadata["x-maitred-actor"] == "host-stand"
    assert metadata["x-maitred-scopes"] == "plan,assign"


def test_what_is_not_said_is_not_sent() -> None:
    assert call_metadata(TENANT.upper(), "", None) == (("x-maitred-tenant", TENANT),)
    assert ("x-maitred-scopes", "") in call_metadata(TENANT, "", [])


@pytest.mark.parametrize(
    ("tenant_id", "actor", "scopes", "problem"),
    [
        ("chez-nous", "", None, "tenant_id is 'chez-nous'"),
        (TENANT, "Zoë", None, "actor is 'Zoë'"),
        (TENANT, "a\nb", None, "actor is"),
        (TENANT, "", "plan", "has to be a list of scopes"),
    ],
)
def test_a_caller_that_cannot_be_named_is_refused(
    tenant_id: str, actor: str, scopes: Iterable[str] | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        MaitredClient("127.0.0.1:1", tenant_id=tenant_id, actor=actor, scopes=scopes)


@pytest.mark.parametrize("address", ["127.0.0.1:65536", "[::1]:99999", "dns:///maitred:74200"])
def test_a_port_that_would_be_taken_for_another_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="its port has to be at most 65535"):
        MaitredClient(address, tenant_id=TENANT)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "maitred",
        "127.0.0.1",
        "127.0.0.1:",
        ":7420",
        "maitred:grpc",
        "127.0.0.1:-1",
        "[::1]",
        "::1:7420",
        "http://maitred:7420",
        "maitred:7420/",
        " maitred:7420",
        "maitred :7420",
    ],
)
def test_an_address_that_is_not_a_host_and_a_port_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="it has to be host:port"):
        MaitredClient(address, tenant_id=TENANT)


@pytest.mark.parametrize(
    "address", ["[::1]:7420", "dns:///maitred", "ipv4:127.0.0.1:65535", "unix:/run/maitred"]
)
def test_any_address_that_grpc_can_look_up_is_taken(address: str) -> None:
    MaitredClient(address, tenant_id=TENANT).close()


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_a_timeout_that_is_no_length_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s is"):
        MaitredClient("127.0.0.1:1", tenant_id=TENANT, timeout_s=timeout_s)
    with (
        MaitredClient("127.0.0.1:1", tenant_id=TENANT) as client,
        pytest.raises(ValueError, match="timeout_s is"),
    ):
        client.get_hold(GetHoldRequest(), timeout_s=timeout_s)
    with (
        MaitredClient("127.0.0.1:1", tenant_id=TENANT) as client,
        pytest.raises(ValueError, match="timeout_s is"),
    ):
        next(client.watch_floor(WatchFloorRequest(), timeout_s=timeout_s))


def test_the_async_client_has_to_be_made_where_its_loop_runs() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncMaitredClient("127.0.0.1:1", tenant_id=TENANT)


async def begun(call: Awaitable[object] | AsyncIterator[object]) -> object:
    return await (anext(call) if isinstance(call, AsyncIterator) else call)


async def test_a_client_in_another_loop_than_its_own_says_so() -> None:
    async with AsyncMaitredClient("127.0.0.1:1", tenant_id=TENANT) as client:
        calls = (
            client.get_hold(GetHoldRequest()),
            client.watch_floor(WatchFloorRequest()),
            client.auto_assign_batch(AutoAssignBatchRequest()),
        )
        for call in calls:
            with pytest.raises(RuntimeError, match="made in another event loop"):
                await asyncio.to_thread(asyncio.run, begun(call))


async def test_a_closed_client_says_so() -> None:
    client = AsyncMaitredClient("127.0.0.1:1", tenant_id=TENANT)
    sync_client = MaitredClient("127.0.0.1:1", tenant_id=TENANT)
    for _ in range(2):
        await client.close()
        sync_client.close()
    closed = partial(pytest.raises, RuntimeError, match="this client is closed")
    with closed():
        await client.get_hold(GetHoldRequest())
    with closed():
        await anext(client.watch_floor(WatchFloorRequest()))
    with closed():
        await anext(client.auto_assign_batch(AutoAssignBatchRequest()))
    with closed():
        sync_client.get_hold(GetHoldRequest())
    with closed():
        next(sync_client.watch_floor(WatchFloorRequest()))
    with closed():
        next(sync_client.auto_assign_batch(AutoAssignBatchRequest()))


async def test_whoever_is_cancelled_is_told_that_and_nothing_else() -> None:
    settings = CallSettings("127.0.0.1:1", (), timeout_s=1.0)

    async def under_way() -> None:
        with settings.failures_of(GetHoldRequest()):
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError), settings.failures_of(GetHoldRequest()):
        raise asyncio.CancelledError
    task = asyncio.ensure_future(under_way())
    await asyncio.sleep(0)
    settings.closed = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_call_that_was_about_to_begin_when_another_thread_closed_its_client_says_so() -> None:
    client = MaitredClient("127.0.0.1:1", tenant_id=TENANT)
    client.close()
    begun, say_so = client._assignment.GetHold, pytest.raises(RuntimeError, match="this client is closed")
    with say_so, client._settings.failures_of(GetHoldRequest()):
        begun(GetHoldRequest())


async def test_a_call_under_way_when_its_client_is_closed_fails_and_cancels_nobody() -> None:
    async with scripted_server() as server:
        server.stall = True
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            call = asyncio.create_task(client.hold_tables(HoldTablesRequest(request_id="mine")))
            await server.stalled.wait()
        with pytest.raises(TransportError, match="the client was closed") as failed:
            await call
    assert failed.value.request_id == "mine"


def test_one_reason_can_be_caught_alone_or_with_all_others() -> None:
    assert issubclass(TableConflictHeldError, MaitredError)


async def test_many_threads_share_one_client() -> None:
    async with scripted_server() as server:
        with MaitredClient(server.address, tenant_id=TENANT) as client, ThreadPoolExecutor(8) as threads:
            loop = asyncio.get_running_loop()
            await asyncio.gather(
                *(loop.run_in_executor(threads, client.hold_tables, HoldTablesRequest()) for _ in range(64))
            )
    ids = {HoldTablesRequest.FromString(asked.request).request_id for asked in server.asked}
    assert len(ids) == len(server.asked) == 64


async def test_many_tasks_share_one_client() -> None:
    async with (
        scripted_server() as server,
        AsyncMaitredClient(server.address, tenant_id=TENANT) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(64):
            tasks.create_task(client.hold_tables(HoldTablesRequest()))
    ids = {HoldTablesRequest.FromString(asked.request).request_id for asked in server.asked}
    assert len(ids) == len(server.asked) == 64


async def test_an_iterator_goes_through_all_pages_and_leaves_the_request_alone() -> None:
    request = ListHoldsRequest(restaurant_id="r1", page_size=2, page_token="one")
    async with scripted_server() as server:
        server.will("ListHolds", *PAGES, *PAGES)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            awaited = [hold.hold_id async for hold in client.iterate_holds(request)]
        with MaitredClient(server.address, tenant_id=TENANT) as sync_client:
            holds = await asyncio.to_thread(list, sync_client.iterate_holds(request))
    assert awaited == [hold.hold_id for hold in holds] == ["h1", "h2", "h3"]
    asked = [ListHoldsRequest.FromString(each.request) for each in server.asked]
    assert [each.page_token for each in asked] == ["one", "two", "three"] * 2
    assert {(each.restaurant_id, each.page_size) for each in asked} == {("r1", 2)}
    assert request.page_token == "one"


async def test_an_iterator_asks_for_no_page_before_it_is_needed() -> None:
    async with scripted_server() as server:
        server.will("ListHolds", *PAGES)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            holds = client.iterate_holds(ListHoldsRequest())
            assert server.asked == []
            assert (await anext(holds)).hold_id == "h1"
            assert (await anext(holds)).hold_id == "h2"
    assert len(server.asked) == 1
