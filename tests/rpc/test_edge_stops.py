"""How a server stops: what runs is finished, what is new is refused, and nothing is left behind."""

import asyncio
import gc
import sys

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from server.domain.restaurant import Caller
from server.lifecycle import Grace
from server.rpc.health_server import HealthServer, HealthSettings
from server.rpc.scopes import SERVICES
from server.telemetry.pulse import Pulse
from tests.support.deaf import unread
from tests.support.edge import (
    ASK,
    FLOOR,
    FOLLOW,
    GET,
    NOT_SERVING,
    SERVING,
    WATCH,
    Gate,
    edge,
    health,
    refusal,
    watched,
)


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
        assert refusal(await here.wire.call(FOLLOW, FLOOR)).reason == "DRAINING"
        assert await health(here.wire) == NOT_SERVING
        await here.server.set_serving(True)
        assert await health(here.wire, SERVICES[0].full_name) == NOT_SERVING
        assert not stopping.done()
        gate.opened.set()
        assert isinstance(await running, bytes)
        await stopping
        await here.server.stop(Grace(30))


@pytest.mark.parametrize(("path", "grace_s"), [(GET, 30.0), (GET, 0.05), (FOLLOW, 0.05)])
async def test_stopping_waits_for_a_handler_whose_caller_has_given_up(path: str, grace_s: float) -> None:
    at_work, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commits_after_all(caller: Caller) -> None:
        at_work.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            ended.set()

    async with edge(commits_after_all) as here:
        asked = ASK if path == GET else FLOOR
        call = asyncio.create_task(here.wire.call(path, asked))
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
        async with asyncio.timeout(60):
            await here.server.stop(Grace(600))
        assert await watched(watch) == NOT_SERVING


@pytest.mark.parametrize(
    ("path", "asked"), [(WATCH, health_pb2.HealthCheckRequest()), (FOLLOW, FLOOR)], ids=["health", "floor"]
)
async def test_a_watcher_who_reads_nothing_holds_up_nobody(path: str, asked: Message) -> None:
    async with edge() as here:
        headers = [("x-maitred-tenant", str(here.wire.tenant_id))]
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = here.wire.channel.unary_stream(WATCH)
        other = watching(b"")
        async with unread(here.server.address, path, asked, headers), asyncio.timeout(60):
            assert await watched(other) == SERVING
            await here.server.set_serving(False)
            assert await watched(other) == NOT_SERVING
            await here.server.set_serving(True)
            assert await health(here.wire) == SERVING
            await here.server.stop(Grace(0.1))


def health_server() -> HealthServer:
    pulses = [Pulse("rounds", round_s_max=60.0)]
    return HealthServer(HealthSettings("127.0.0.1", 0, failures_max=1, look_s=3_600.0), pulses)


def test_a_server_that_is_stopped_while_it_starts_leaves_nothing_to_complain_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def interrupted() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        starting = asyncio.create_task(health_server().start())
        await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})

    asyncio.run(interrupted())
    gc.collect()
    assert complaints == []


async def stopped_while_watched() -> None:
    server = health_server()
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
        watch = watching(b"")
        assert await watched(watch) == SERVING
        stopping = asyncio.create_task(server.stop())
        assert await watched(watch) == NOT_SERVING
        watch.cancel()
        await stopping


async def test_whoever_watches_a_worker_is_told_that_it_stops() -> None:
    """Often, because most hear in time of a stop that waits for nobody."""
    for _ in range(40):
        await stopped_while_watched()
