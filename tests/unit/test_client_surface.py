"""No call of the contract is forgotten, mixed up, or typed otherwise than the contract says."""

import asyncio
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import maitred.v1
from maitred_client import AsyncMaitredClient, MaitredClient
from maitred_client.calls import DERIVED_BY_SERVER
from maitred_client.channel import SERVICES
from tests.support.scripted_server import TENANT, scripted_server

Client = type[MaitredClient] | type[AsyncMaitredClient]
CLIENTS: tuple[Client, ...] = (MaitredClient, AsyncMaitredClient)


def contract_files() -> Iterator[FileDescriptor]:
    """Every file of the contract, whether or not the client knows it."""
    for module in pkgutil.iter_modules(maitred.v1.__path__):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(f"maitred.v1.{module.name}").DESCRIPTOR


CONTRACT = {
    service.full_name: service for file in contract_files() for service in file.services_by_name.values()
}
RPCS: dict[str, MethodDescriptor] = {
    method.full_name: method for service in CONTRACT.values() for method in service.methods
}
LISTS = {name: rpc for name, rpc in RPCS.items() if "next_page_token" in rpc.output_type.fields_by_name}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_the_contract_has_services_and_lists_to_look_at() -> None:
    assert len(CONTRACT) >= 4
    assert len(RPCS) >= 26
    assert len(LISTS) >= 5


def test_every_service_of_the_contract_is_in_the_service_config() -> None:
    assert {service.full_name for service in SERVICES} == set(CONTRACT)


def test_method_names_are_unique_over_all_services() -> None:
    assert len({rpc.name for rpc in RPCS.values()}) == len(RPCS)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("rpc", RPCS.values(), ids=RPCS)
def test_every_call_has_a_method_with_its_own_types(client: Client, rpc: MethodDescriptor) -> None:
    method = getattr(client, snake(rpc.name), None)
    assert method is not None, f"{client.__name__} lacks {snake(rpc.name)}"
    hints = typing.get_type_hints(method)
    is_async, answer = client is AsyncMaitredClient, GetMessageClass(rpc.output_type)
    assert hints["request"] is GetMessageClass(rpc.input_type)
    assert hints["timeout_s"] == float | None
    if rpc.server_streaming:
        expected: Any = AsyncGenerator[answer, None] if is_async else Generator[answer, None, None]  # type: ignore[valid-type]
        assert hints["return"] == expected
    else:
        assert hints["return"] is answer
        assert inspect.iscoroutinefunction(method) is is_async
    assert method.__doc__


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("rpc", LISTS.values(), ids=LISTS)
def test_every_list_has_an_iterator_over_its_own_items(client: Client, rpc: MethodDescriptor) -> None:
    method = getattr(client, snake(rpc.name).replace("list_", "iterate_"))
    [items] = [each.message_type for each in rpc.output_type.fields if each.name != "next_page_token"]
    assert items is not None
    hints = typing.get_type_hints(method)
    assert hints["request"] is GetMessageClass(rpc.input_type)
    kind: Any = AsyncIterator if client is AsyncMaitredClient else Iterator
    assert hints["return"] == kind[GetMessageClass(items)]


async def test_every_method_calls_its_own_rpc_as_the_tenant_with_a_request_id_where_one_belongs() -> None:
    unary = [rpc for rpc in RPCS.values() if not rpc.server_streaming]
    async with scripted_server() as server:
        with MaitredClient(server.address, tenant_id=TENANT) as client:
            for rpc in unary:
                request = GetMessageClass(rpc.input_type)()
                await asyncio.to_thread(getattr(client, snake(rpc.name)), request, timeout_s=60)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            for rpc in unary:
                await getattr(client, snake(rpc.name))(GetMessageClass(rpc.input_type)(), timeout_s=60)
    paths = [f"/{rpc.containing_service.full_name}/{rpc.name}" for rpc in unary]
    assert [asked.method for asked in server.asked] == paths * 2
    assert {asked.metadata["x-maitred-tenant"] for asked in server.asked} == {TENANT}
    # The client's own would be 10 s.
    assert min(asked.time_left_s for asked in server.asked) > 30
    sent: list[Message] = [
        GetMessageClass(rpc.input_type).FromString(asked.request)
        for rpc, asked in zip(unary * 2, server.asked, strict=True)
    ]
    ids = [getattr(request, "request_id") for request in sent if hasattr(request, "request_id")]  # noqa: B009
    derived = [request for request in sent if request.DESCRIPTOR.full_name in DERIVED_BY_SERVER]
    assert {getattr(request, "request_id") for request in derived} == {""}  # noqa: B009
    chosen = [each for each in ids if each]
    assert len(chosen) + len(derived) == len(ids)
    assert len(ids) == 2 * sum("request_id" in rpc.input_type.fields_by_name for rpc in unary)
    assert len(set(chosen)) == len(chosen)


@pytest.mark.parametrize("timeout_s", [60.0, None])
async def test_a_stream_is_the_tenants_and_lasts_as_long_as_it_is_given_or_for_ever(
    timeout_s: float | None,
) -> None:
    streams = [rpc for rpc in RPCS.values() if rpc.server_streaming]
    async with scripted_server() as server:
        with MaitredClient(server.address, tenant_id=TENANT) as client:
            for rpc in streams:
                request = GetMessageClass(rpc.input_type)()
                await asyncio.to_thread(next, getattr(client, snake(rpc.name))(request, timeout_s=timeout_s))
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            for rpc in streams:
                await anext(
                    getattr(client, snake(rpc.name))(GetMessageClass(rpc.input_type)(), timeout_s=timeout_s)
                )
    assert len(server.asked) == 2 * len(streams)
    assert {asked.metadata["x-maitred-tenant"] for asked in server.asked} == {TENANT}
    for asked in server.asked:
        assert asked.time_left_s is None if timeout_s is None else 30 < asked.time_left_s <= 61
