"""The server's edge on a real socket, with use cases whose answers the test decides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from maitred.v1 import inventory_service_pb2
from server.clock import Deadline
from server.domain.restaurant import Caller, Restaurant
from server.errors import FieldViolation, InvariantError, Reason, Refusal, ServiceError
from server.lifecycle import ConfigurationProblem, Grace
from server.orchestrator.read_inventory import RestaurantQuestion
from server.orchestrator.use_cases import UseCases
from server.rpc.health import ask_health
from server.rpc.interceptors.identity import DeadlineLimits
from server.rpc.scopes import SCOPES, SERVICES
from server.rpc.server import GrpcServer, RpcSettings
from server.telemetry.metrics import CallMetrics
from tests.support.wire import Refused, Wire

GET = "/maitred.v1.InventoryService/GetRestaurant"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ASK = inventory_service_pb2.GetRestaurantRequest(restaurant_id=str(UUID(int=7)))

Answer = Callable[[Caller, Deadline], Awaitable[None]]


@dataclass(slots=True)
class OneUseCase:
    """Stands where the use cases stand. Every question for a restaurant first does what the test wants."""

    wanted: Answer
    callers: list[Caller] = field(default_factory=list)

    async def get_restaurant(
        self, caller: Caller, question: RestaurantQuestion, deadline: Deadline
    ) -> Restaurant:
        self.callers.append(caller)
        await self.wanted(caller, deadline)
        return Restaurant(question.restaurant_id, caller.tenant_id, caller.actor, "UTC", 1, 0, 0, 0)


async def at_once(caller: Caller, deadline: Deadline) -> None:
    return None


@dataclass(slots=True)
class Edge:
    server: GrpcServer
    wire: Wire
    uses: OneUseCase


@asynccontextmanager
async def edge(
    wanted: Answer = at_once, tracer_provider: TracerProvider | None = None, **settings: Any
) -> AsyncIterator[Edge]:
    uses = OneUseCase(wanted)
    server = GrpcServer(RpcSettings(port=0, **settings), cast(UseCases, uses), tracer_provider)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield Edge(server, Wire(channel), uses)
    finally:
        await server.stop(Grace(0))


class Gate:
    """Holds calls until it is opened, and says when as many as expected have arrived."""

    def __init__(self, expected: int = 1) -> None:
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()
        self._missing = expected

    async def __call__(self, caller: Caller, deadline: Deadline) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.arrived.set()
        await self.opened.wait()


def failing(error: Exception) -> Answer:
    async def wanted(caller: Caller, deadline: Deadline) -> None:
        raise error

    return wanted


async def health(wire: Wire, service: str = "") -> int | Refused:
    answer = await wire.call(CHECK, health_pb2.HealthCheckRequest(service=service))
    return answer if isinstance(answer, Refused) else health_pb2.HealthCheckResponse.FromString(answer).status


async def watched(watch: "grpc.aio.UnaryStreamCall[bytes, bytes]") -> int:
    """The next status that a watch is told."""
    answer = await watch.read()
    assert isinstance(answer, bytes), "the watch has ended"
    return health_pb2.HealthCheckResponse.FromString(answer).status


def refusal(answer: bytes | Refused) -> Refused:
    assert isinstance(answer, Refused), "the call was expected to be refused"
    return answer


async def test_the_caller_of_the_headers_reaches_the_use_case() -> None:
    async with edge() as here:
        answer = await here.wire.call(GET, ASK, [("x-maitred-actor", "Ada"), ("x-maitred-scopes", "read")])
        assert isinstance(answer, bytes)
        assert inventory_service_pb2.GetRestaurantResponse.FromString(answer).restaurant.name == "Ada"
        assert here.uses.callers == [Caller(here.wire.tenant_id, "Ada", frozenset({"read"}))]


async def test_calls_in_work_at_the_same_time_keep_their_callers_apart() -> None:
    gate = Gate(expected=20)
    async with edge(gate) as here:
        tenants = [uuid4() for _ in range(20)]
        wires = [Wire(here.wire.channel, tenant) for tenant in tenants]
        calls = [
            asyncio.ensure_future(wire.call(GET, ASK, [("x-maitred-actor", str(wire.tenant_id))]))
            for wire in wires
        ]
        await gate.arrived.wait()
        gate.opened.set()
        answers = [inventory_service_pb2.GetRestaurantResponse.FromString(await call) for call in calls]  # type: ignore[arg-type]
        assert [answer.restaurant.name for answer in answers] == [str(tenant) for tenant in tenants]


@pytest.mark.parametrize("path", sorted(SCOPES))
async def test_no_method_answers_without_a_tenant_or_without_its_scope(path: str) -> None:
    async with edge() as here:
        nobody = refusal(await Wire(here.wire.channel, headers=()).call(path))
        assert (nobody.code, nobody.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        assert nobody.metadata == {"header": "x-maitred-tenant"}
        others = ",".join({"read", "write", "inventory"} - {SCOPES[path]})
        lacking = refusal(await here.wire.call(path, headers=[("x-maitred-scopes", others)]))
        assert (lacking.code, lacking.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
        assert lacking.metadata == {"method": path, "scope": SCOPES[path]}
        assert here.uses.callers == []


async def test_a_refusal_reaches_the_caller_with_everything_in_it() -> None:
    error = ServiceError(
        Refusal(Reason.HOLD_EXPIRED, "Zu spät: 100 %.", {"hold_id": "x"}, (FieldViolation("f", "d"),))
    )
    async with edge(failing(error)) as here:
        found = refusal(await here.wire.call(GET, ASK))
    assert (found.code, found.reason, found.domain) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "HOLD_EXPIRED",
        "maitred",
    )
    assert (found.message, found.metadata, found.fields) == ("Zu spät: 100 %.", {"hold_id": "x"}, ["f"])


@pytest.mark.parametrize("error", [ValueError("SELECT"), InvariantError("SELECT"), TimeoutError("SELECT")])
async def test_what_nobody_foresaw_is_logged_under_an_incident_id_and_not_told(error: Exception) -> None:
    with capture_logs() as logs:
        async with edge(failing(error)) as here:
            found = refusal(await here.wire.call(GET, ASK))
            here.uses.wanted = at_once
            assert isinstance(await here.wire.call(GET, ASK), bytes)
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INVARIANT_BROKEN")
    assert "SELECT" not in found.everything
    (broken,) = [line for line in logs if line["event"] == "invariant_broken"]
    assert broken["incident_id"] == found.metadata["incident_id"]
    assert broken["exc_info"] is error


async def test_a_deadline_that_the_server_sets_is_kept_and_named() -> None:
    async with edge(Gate(), deadlines=DeadlineLimits(default_s=0.05, max_s=0.1)) as here:
        for timeout_s in (None, 30.0):
            found = refusal(await here.wire.call(GET, ASK, timeout_s=timeout_s))
            assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert here.server.in_work == 0


async def test_the_callers_deadline_reaches_the_use_case() -> None:
    left: list[float] = []

    async def note(caller: Caller, deadline: Deadline) -> None:
        left.append(deadline.remaining_s())

    async with edge(note, deadlines=DeadlineLimits(default_s=10.0, max_s=60.0)) as here:
        for timeout_s in (3.0, None, 10_000.0):
            assert isinstance(await here.wire.call(GET, ASK, timeout_s=timeout_s), bytes)
    assert 2.0 < left[0] <= 3.0
    assert 9.0 < left[1] <= 10.0
    assert 59.0 < left[2] <= 60.0


async def test_a_method_that_does_not_exist_is_unimplemented() -> None:
    async with edge() as here:
        for path in ("/maitred.v1.InventoryService/DropEverything", "/maitred.v2.Planner/Plan", "/"):
            assert refusal(await here.wire.call(path)).code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused_by_name_and_the_next_call_works() -> None:
    async with edge(message_bytes_max=1_000, message_bytes_hard_max=100_000) as here:
        found = refusal(await here.wire.call(GET, b"\0" * 1_001))
        assert (found.reason, found.fields, found.metadata["limit"]) == (
            "INVALID_ARGUMENT_FIELD",
            ["request"],
            "1000",
        )
        assert refusal(await here.wire.call(GET, b"\0" * 100_001)).code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert isinstance(await here.wire.call(GET, ASK), bytes)


async def test_headers_over_the_limit_are_refused_and_the_next_call_works() -> None:
    async with edge() as here:
        found = refusal(await here.wire.call(GET, ASK, [("x-large", "a" * 40_000)]))
        assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert isinstance(await here.wire.call(GET, ASK), bytes)


@pytest.mark.parametrize("path", [GET, CHECK])
async def test_bytes_that_are_no_message_are_a_bad_argument(path: str) -> None:
    async with edge() as here:
        found = refusal(await here.wire.call(path, b"\xff\xff\xff\xff"))
        assert (found.code, found.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["request"])


async def test_a_full_server_asks_callers_to_wait_but_still_answers_health() -> None:
    gate = Gate()
    async with edge(gate, calls_max=1) as here:
        first = asyncio.ensure_future(here.wire.call(GET, ASK))
        await gate.arrived.wait()
        found = refusal(await here.wire.call(GET, ASK))
        assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")
        assert found.metadata == {"limit": "1"}
        assert found.trailers["grpc-retry-pushback-ms"] == "250"
        wait = found.detail(error_details_pb2.RetryInfo)
        quota = found.detail(error_details_pb2.QuotaFailure)
        assert wait is not None
        assert quota is not None
        assert wait.retry_delay.ToMilliseconds() == 250
        assert await health(here.wire) == SERVING
        gate.opened.set()
        assert isinstance(await first, bytes)
        assert isinstance(await here.wire.call(GET, ASK), bytes)


async def test_draining_finishes_what_runs_and_refuses_what_is_new() -> None:
    gate = Gate()
    async with edge(gate) as here:
        running = asyncio.ensure_future(here.wire.call(GET, ASK))
        await gate.arrived.wait()
        stopping = asyncio.create_task(here.server.stop(Grace(30)))
        await asyncio.sleep(0)
        found = refusal(await here.wire.call(GET, ASK))
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert found.detail(error_details_pb2.RetryInfo) is not None
        assert await health(here.wire) == NOT_SERVING
        await here.server.set_serving(True)
        assert await health(here.wire, SERVICES[0].full_name) == NOT_SERVING
        assert not stopping.done()
        gate.opened.set()
        assert isinstance(await running, bytes)
        await stopping
        await here.server.stop(Grace(30))


@pytest.mark.parametrize("grace_s", [30.0, 0.05])
async def test_stopping_waits_for_a_handler_whose_caller_has_given_up(grace_s: float) -> None:
    at_work, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commits_after_all(caller: Caller, deadline: Deadline) -> None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            ended.set()

    async with edge(commits_after_all) as here:
        call = here.wire.begin(GET, ASK.SerializeToString())
        await at_work.wait()
        call.cancel()
        stopping = asyncio.create_task(here.server.stop(Grace(grace_s)))
        done, _ = await asyncio.wait({stopping}, timeout=0.2)
        assert not done
        may_end.set()
        await stopping
        assert ended.is_set()


@pytest.mark.parametrize("hurried", [False, True])
async def test_a_call_that_outlasts_the_grace_is_ended(hurried: bool) -> None:
    gate = Gate()
    async with edge(gate) as here:
        running = asyncio.ensure_future(here.wire.call(GET, ASK))
        await gate.arrived.wait()
        grace = Grace(600.0 if hurried else 0.05)
        stopping = asyncio.create_task(here.server.stop(grace))
        if hurried:
            await asyncio.sleep(0)
            grace.hurry()
        await stopping
        assert refusal(await running).code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert here.server.in_work == 0


async def test_an_open_watch_does_not_hold_up_the_stop() -> None:
    async with edge() as here:
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = here.wire.channel.unary_stream(WATCH)
        watch = watching(b"")
        assert await watched(watch) == SERVING
        async with asyncio.timeout(5):
            await here.server.stop(Grace(600))
        assert await watched(watch) == NOT_SERVING


async def test_health_follows_what_the_server_is_told() -> None:
    names = ["", *(service.full_name for service in SERVICES)]
    async with edge() as here:
        anybody = Wire(here.wire.channel, headers=())
        assert [await health(anybody, name) for name in names] == [SERVING] * len(names)
        await here.server.set_serving(False)
        assert [await health(anybody, name) for name in names] == [NOT_SERVING] * len(names)
        assert await ask_health(here.server.address, 5.0) == "NOT_SERVING"
        await here.server.set_serving(True)
        assert await ask_health(here.server.address, 5.0) == "SERVING"
        assert refusal(await anybody.call(CHECK, health_pb2.HealthCheckRequest(service="x"))).code is (
            grpc.StatusCode.NOT_FOUND
        )


async def test_asking_a_server_that_is_not_there_gives_no_answer_instead_of_an_error() -> None:
    async with edge() as here:
        address = here.server.address
    assert (await ask_health(address, 5.0)).startswith("no answer")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_services_and_their_files(version: str) -> None:
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="maitred.v1.AssignmentService.HoldTables"
        ),
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
    listed, found, missing = answers
    names = {service.name for service in listed.list_services_response.service}
    assert {service.full_name for service in SERVICES} | {"grpc.health.v1.Health"} <= names
    assert found.file_descriptor_response.file_descriptor_proto
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


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
    assert raised.value.setting == "host"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_any_name_of_this_machine_will_do(host: str) -> None:
    async with edge(host=host) as here:
        assert here.server.address.startswith(f"{host}:")
        assert isinstance(await here.wire.call(GET, ASK), bytes)


async def test_failed_calls_leave_failed_spans_and_health_leaves_none() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with edge(failing(ValueError("x")), tracer_provider=provider) as here:
        await here.wire.call(GET, ASK)
        here.uses.wanted = at_once
        await here.wire.call(GET, ASK)
        await health(here.wire)
    failed, fine = spans.get_finished_spans()
    assert failed.name.endswith("InventoryService/GetRestaurant")
    assert failed.status.status_code is StatusCode.ERROR
    assert fine.status.status_code is not StatusCode.ERROR


async def test_each_call_is_one_line_of_the_access_log() -> None:
    with capture_logs() as logs:
        async with edge() as here:
            await here.wire.call(GET, ASK, [("x-maitred-actor", "Ada")])
            await here.wire.call(GET)
            await health(here.wire)
    fine, bad = [line for line in logs if line["event"] == "call"]
    assert (fine["method"], fine["code"], fine["reason"]) == (GET[1:], "OK", None)
    assert (fine["tenant_id"], fine["actor"]) == (str(here.wire.tenant_id), "Ada")
    assert (bad["code"], bad["reason"]) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT_FIELD")


def test_calls_are_measured_by_method_and_status() -> None:
    reader = InMemoryMetricReader()
    CallMetrics(MeterProvider([reader])).called("maitred.v1.InventoryService/GetFloor", "OK", 0.25)
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, metric.unit) == ("rpc.server.call.duration", "s")
    assert dict(point.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": "maitred.v1.InventoryService/GetFloor",
        "rpc.response.status_code": "OK",
    }
