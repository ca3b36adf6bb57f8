"""What the server offers beside the contract, where it listens, and what it tells about itself."""

import json
from time import perf_counter
from typing import cast
from uuid import UUID

import grpc
import grpc.aio
import pytest
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from server.lifecycle import ConfigurationProblem, Grace
from server.orchestrator.use_cases import UseCases
from server.rpc.health import ask_health
from server.rpc.interceptors.identity import DeadlineLimits
from server.rpc.scopes import SCOPES, SERVICES
from server.rpc.server import GrpcServer, RpcSettings, _options
from server.telemetry.metrics import CallMetrics
from tests.support.edge import (
    ASK,
    CHECK,
    FLOOR,
    FOLLOW,
    GET,
    NOT_SERVING,
    SERVING,
    WATCH,
    OneUseCase,
    at_once,
    edge,
    failing,
    health,
    refusal,
    watched,
)
from tests.support.logs import everything_logged
from tests.support.programs import buf_curl
from tests.support.wire import Wire


async def test_health_follows_what_the_server_is_told() -> None:
    names = ["", *(service.full_name for service in SERVICES)]
    async with edge() as here:
        anybody = Wire(here.wire.channel, headers=())
        assert [await health(anybody, name) for name in names] == [SERVING] * len(names)
        await here.server.set_serving(False)
        assert [await health(anybody, name) for name in names] == [NOT_SERVING] * len(names)
        assert (await ask_health(here.server.address, 5.0)).overall == "NOT_SERVING"
        await here.server.set_serving(True)
        assert (await ask_health(here.server.address, 5.0)).overall == "SERVING"
        assert refusal(await anybody.call(CHECK, health_pb2.HealthCheckRequest(service="x"))).code is (
            grpc.StatusCode.NOT_FOUND
        )


async def test_who_watches_is_told_what_changes_once_and_of_no_service_that_there_is_none() -> None:
    async with edge() as here:
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = here.wire.channel.unary_stream(WATCH)
        watch, stranger = (
            watching(b""),
            watching(health_pb2.HealthCheckRequest(service="x").SerializeToString()),
        )
        told = [await watched(stranger), await watched(watch)]
        await here.server.set_serving(True)
        assert await health(here.wire) == SERVING
        await here.server.set_serving(False)
        told.append(await watched(watch))
        assert told == [health_pb2.HealthCheckResponse.SERVICE_UNKNOWN, SERVING, NOT_SERVING]


async def test_asking_a_server_that_is_not_there_gives_no_answer_instead_of_an_error() -> None:
    async with edge() as here:
        address = here.server.address
    assert (await ask_health(address, 5.0)).overall.startswith("no answer")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_services_and_their_files(version: str) -> None:
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="maitred.v1.AssignmentService.HoldTables"
        ),
        reflection_pb2.ServerReflectionRequest(file_by_filename="maitred/v1/booking.proto"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="maitred.v1.Nothing"),
    ]
    async with edge() as here:
        ask: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = here.wire.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        )
        answers = [
            reflection_pb2.ServerReflectionResponse.FromString(answer)
            async for answer in ask(request.SerializeToString() for request in requests)
        ]
    listed, found, named, missing = answers
    names = {service.name for service in listed.list_services_response.service}
    assert {service.full_name for service in SERVICES} | {"grpc.health.v1.Health"} <= names
    assert found.file_descriptor_response.file_descriptor_proto
    assert named.file_descriptor_response.file_descriptor_proto
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_a_generic_client_needs_no_proto_file() -> None:
    async with edge() as here:
        url, tenant = f"http://{here.server.address}", f"x-maitred-tenant: {here.wire.tenant_id}"
        listed = await buf_curl("--list-methods", url)
        answer = await buf_curl("-H", tenant, "-d", f'{{"restaurantId": "{UUID(int=7)}"}}', url + GET)
    assert set(listed.split()) >= {path[1:] for path in SCOPES}
    assert json.loads(answer)["restaurant"]["restaurantId"] == str(UUID(int=7))


async def test_channelz_knows_the_server_and_its_calls() -> None:
    async with edge() as here:
        assert isinstance(await here.wire.call(GET, ASK), bytes)
        answer = await here.wire.call(
            "/grpc.channelz.v1.Channelz/GetServers", channelz_pb2.GetServersRequest()
        )
        assert isinstance(answer, bytes)
        servers = channelz_pb2.GetServersResponse.FromString(answer).server
        assert max(server.data.calls_started for server in servers) >= 1


async def test_a_second_server_cannot_take_a_busy_port_unnoticed() -> None:
    async with edge() as here:
        port = int(here.server.address.rpartition(":")[2])
        second = GrpcServer(RpcSettings(port=port), cast(UseCases, here.uses))
        try:
            with pytest.raises(ConfigurationProblem, match=str(port)):
                await second.start()
        finally:
            await second.stop(Grace(0))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
async def test_headers_are_not_trusted_beyond_this_machine(host: str) -> None:
    with pytest.raises(ConfigurationProblem, match="host") as raised:
        GrpcServer(RpcSettings(host=host), cast(UseCases, OneUseCase(at_once)))
    assert str(raised.value).startswith("host: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_any_name_of_this_machine_will_do(host: str) -> None:
    async with edge(host=host) as here:
        assert here.server.address.startswith(f"{host}:")
        assert isinstance(await here.wire.call(GET, ASK), bytes)


async def test_failed_calls_leave_failed_spans_and_health_and_streams_leave_none() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with edge(failing(ValueError("x")), tracer_provider=provider) as here:
        await here.wire.call(GET, ASK)
        here.uses.wanted = at_once
        await here.wire.call(GET, ASK)
        await health(here.wire)
        assert isinstance(await here.wire.call(FOLLOW, FLOOR), bytes)
    failed, fine = spans.get_finished_spans()
    assert failed.name.endswith("InventoryService/GetRestaurant")
    assert failed.status.status_code is StatusCode.ERROR
    assert fine.status.status_code is not StatusCode.ERROR


async def test_each_call_is_one_line_of_the_access_log() -> None:
    began_s = perf_counter()
    with everything_logged() as logs:
        async with edge() as here:
            await here.wire.call(GET, ASK, [("x-maitred-actor", "Ada")])
            await here.wire.call(GET)
            await health(here.wire)
    fine, bad = [line for line in logs if line["event"] == "call"]
    assert (fine["method"], fine["code"], fine["reason"]) == (GET[1:], "OK", None)
    assert (fine["tenant_id"], fine["actor"]) == (str(here.wire.tenant_id), "Ada")
    assert 0 < fine["duration_ms"] < (perf_counter() - began_s) * 1_000
    assert (bad["code"], bad["reason"]) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT_FIELD")


def test_calls_are_measured_by_method_status_and_reason() -> None:
    reader = InMemoryMetricReader()
    told = CallMetrics(MeterProvider([reader]))
    told.called("maitred.v1.InventoryService/GetFloor", "OK", "", 0.25)
    told.called("maitred.v1.InventoryService/GetFloor", "NOT_FOUND", "RESTAURANT_NOT_FOUND", 0.25)
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("rpc.server.call.duration", "s")
    fine, refused = (dict(point.attributes or {}) for point in metric.data.data_points)
    assert fine == {
        "rpc.system.name": "grpc",
        "rpc.method": "maitred.v1.InventoryService/GetFloor",
        "rpc.response.status_code": "OK",
        "reason": "",
    }
    assert (refused["rpc.response.status_code"], refused["reason"]) == ("NOT_FOUND", "RESTAURANT_NOT_FOUND")


def test_no_call_with_a_deadline_is_ended_by_the_age_of_its_connection() -> None:
    options = dict(_options(RpcSettings(deadlines=DeadlineLimits(max_s=90.0))))
    assert options["grpc.max_connection_age_grace_ms"] == 90_000


def test_what_callers_are_told_of_connections_is_what_grpc_is_told() -> None:
    settings = RpcSettings(
        connection_calls_max=3, connection_age_s_max=5, keepalive_s=8, keepalive_timeout_s=2
    )
    assert dict(_options(settings)).items() >= {
        ("grpc.max_concurrent_streams", 3),
        ("grpc.max_connection_age_ms", 5_000),
        ("grpc.max_metadata_size", 16 * 1_024),
        ("grpc.keepalive_time_ms", 8_000),
        ("grpc.keepalive_timeout_ms", 2_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    }
