"""What a call meets at the edge of the server, on a real socket."""

import asyncio
import gc
import json
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from structlog.testing import capture_logs

from maitred.v1 import inventory_service_pb2
from maitred_client.messages import Restaurant
from server.domain.restaurant import Caller
from server.errors import FieldViolation, InvariantError, Reason, Refusal, ServiceError
from server.rpc import admission
from server.rpc.interceptors.identity import DeadlineLimits
from server.rpc.scopes import SCOPES
from tests.support.edge import (
    ASK,
    CHECK,
    FLOOR,
    FOLLOW,
    GET,
    SERVING,
    Gate,
    at_once,
    edge,
    failing,
    health,
    refusal,
)
from tests.support.gate import gate_to
from tests.support.logs import everything_logged
from tests.support.requests import INVENTORY
from tests.support.wire import Refused, Wire


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
        others = ",".join({"read", "write", "inventory", "ops"} - {SCOPES[path]})
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


@pytest.mark.parametrize("path", [GET, FOLLOW])
@pytest.mark.parametrize("scopes", ["read", ""])
async def test_nothing_of_a_call_waits_for_the_collector(path: str, scopes: str) -> None:
    """Which a crowd would keep busy, whether it is answered or refused."""
    gc.disable()
    gc.freeze()  # what the tests before left behind is none of it
    try:
        async with edge() as here:
            answer = await here.wire.call(
                path, {GET: ASK, FOLLOW: FLOOR}[path], [("x-maitred-scopes", scopes)]
            )
            assert isinstance(answer, Refused) == (not scopes)
        await asyncio.sleep(0)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        # What gRPC's server asks for a handler with is among it.
        kinds = {"CallNote", "AbortError", "_HandlerCallDetails"}
        assert [each for each in gc.garbage if type(each).__name__ in kinds] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


async def test_a_refusal_leaves_gRPC_free_to_repeat_the_call() -> None:
    """A status that comes after response headers is final to a client's retry policy."""
    tries: list[Caller] = []

    async def third_time_lucky(caller: Caller) -> None:
        tries.append(caller)
        if len(tries) < 3:
            raise ServiceError(Refusal(Reason.STORE_CONTENTION, "busy"))

    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    async with edge(third_time_lucky) as here:
        options = [("grpc.service_config", config)]
        async with grpc.aio.insecure_channel(here.server.address, options=options) as channel:
            assert isinstance(await Wire(channel).call(GET, ASK), bytes)
    assert len(tries) == 3


@pytest.mark.parametrize("error", [ValueError("SELECT"), InvariantError("SELECT"), TimeoutError("SELECT")])
async def test_what_nobody_foresaw_is_logged_under_an_incident_id_and_not_told(error: Exception) -> None:
    with everything_logged() as logs:
        async with edge(failing(error)) as here:
            found = refusal(await here.wire.call(GET, ASK))
            here.uses.wanted = at_once
            assert isinstance(await here.wire.call(GET, ASK), bytes)
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INVARIANT_BROKEN")
    assert "SELECT" not in found.everything
    (broken,) = [line for line in logs if line["event"] == "invariant_broken"]
    assert broken["incident_id"] == found.metadata["incident_id"]
    assert broken["exc_info"] is error
    assert [line["incident_id"] for line in logs if line["event"] == "call"] == [broken["incident_id"], None]


async def test_a_refusal_that_nobody_is_there_to_hear_is_no_incident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Callers run out of time at any moment, also while they are told no: by the use case, or for load."""
    error = ServiceError(Refusal(Reason.HOLD_EXPIRED, "too late"))
    with capture_logs() as logs:
        async with edge(failing(error)) as here:
            for _ in range(40):
                answers = await asyncio.gather(
                    *(here.wire.call(GET, ASK, timeout_s=0.001 * number) for number in range(20))
                )
                assert "INTERNAL" not in {refusal(answer).code.name for answer in answers}
    assert [line for line in logs if line["event"] == "invariant_broken"] == []
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_stream_whose_caller_has_gone_is_no_incident(caplog: pytest.LogCaptureFixture) -> None:
    """Callers leave after the first answer, or run out of time, while more is being written."""
    with capture_logs() as logs:
        async with edge() as here:
            for _ in range(60):
                await asyncio.gather(
                    *(here.wire.call(FOLLOW, FLOOR, timeout_s=0.001 * number) for number in range(1, 21))
                )
    assert [line for line in logs if line["event"] == "invariant_broken"] == []
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_what_a_caller_asked_who_was_cut_off_without_a_word_is_ended() -> None:
    at_work, ended = asyncio.Event(), asyncio.Event()

    async def lasts(caller: Caller) -> None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with edge(lasts, keepalive_s=1, keepalive_timeout_s=1) as here:
        host, port = here.server.address.split(":")
        async with (
            gate_to(lambda: asyncio.open_connection(host, int(port))) as gate,
            grpc.aio.insecure_channel(f"127.0.0.1:{gate.port}") as channel,
        ):
            call = Wire(channel).begin(GET, ASK.SerializeToString(), timeout_s=60)
            await at_work.wait()
            gate.lose()
            async with asyncio.timeout(50):
                await ended.wait()
            call.cancel()


async def test_a_deadline_that_the_server_sets_is_kept_and_named() -> None:
    async with edge(Gate(), deadlines=DeadlineLimits(default_s=0.05, max_s=0.1)) as here:
        for timeout_s in (None, 30.0):
            found = refusal(await here.wire.call(GET, ASK, timeout_s=timeout_s))
            assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert here.server.in_work == 0


async def test_a_stream_has_no_deadline_but_its_callers() -> None:
    async with edge(deadlines=DeadlineLimits(default_s=0.0, max_s=0.0)) as here:
        headers = [("x-maitred-tenant", str(here.wire.tenant_id))]
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = here.wire.channel.unary_stream(FOLLOW)
        stream = watching(FLOOR.SerializeToString(), metadata=headers)
        assert all([isinstance(await stream.read(), bytes) for _ in range(10)])
        stream.cancel()


async def test_the_callers_deadline_reaches_the_use_case() -> None:
    async with edge(deadlines=DeadlineLimits(default_s=200.0, max_s=600.0)) as here:
        wanted = Restaurant(restaurant_id=str(uuid4()), name="Lumen", time_zone="UTC")
        change = inventory_service_pb2.PutRestaurantRequest(request_id=str(uuid4()), restaurant=wanted)
        for timeout_s in (100.0, None, 10_000.0):
            assert isinstance(
                await here.wire.call(INVENTORY + "PutRestaurant", change, timeout_s=timeout_s), bytes
            )
        short, usual, longest = here.uses.left_s
    # What travels is rounded, so a little more than was asked for may arrive.
    assert 0.0 < short < 110.0 < usual <= 200.0 < longest <= 600.0


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


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_request_may_come_compressed_and_counts_unpacked(compression: grpc.Compression) -> None:
    async with (
        edge(message_bytes_max=1_000) as here,
        grpc.aio.insecure_channel(here.server.address, compression=compression) as channel,
    ):
        wire = Wire(channel)
        assert isinstance(await wire.call(GET, ASK), bytes)
        assert refusal(await wire.call(GET, b"\0" * 1_001)).fields == ["request"]


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
        pushback_ms = int(found.trailers["grpc-retry-pushback-ms"])
        assert 100 <= pushback_ms <= 400
        wait = found.detail(error_details_pb2.RetryInfo)
        quota = found.detail(error_details_pb2.QuotaFailure)
        assert wait is not None
        assert quota is not None
        assert [violation.subject for violation in quota.violations] == ["server"]
        assert wait.retry_delay.ToMilliseconds() == pushback_ms
        assert await health(here.wire) == SERVING
        gate.opened.set()
        assert isinstance(await first, bytes)
        assert isinstance(await here.wire.call(GET, ASK), bytes)


async def test_what_a_full_server_has_no_room_for_waits_as_long_as_calls_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for one, if gRPC had been asked for it when the last room went."""
    monkeypatch.setattr(admission, "STALLED_S", 60.0)
    gate = Gate(10)
    async with edge(gate, calls_max=10) as here:
        first = [asyncio.ensure_future(here.wire.call(GET, ASK)) for _ in range(10)]
        await gate.arrived.wait()
        others = [asyncio.ensure_future(here.wire.call(GET, ASK)) for _ in range(100)]
        # Long enough for most of them to be handed over and refused, if nothing held them up.
        await asyncio.sleep(0.1)
        assert here.server.in_work == 10
        gate.opened.set()
        answers = await asyncio.gather(*first, *others)
    assert sum(isinstance(answer, Refused) for answer in answers) <= 1
