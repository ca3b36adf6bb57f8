"""What spans and logs say of calls that ended without an answer."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import grpc.aio
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from server.errors import Reason, Refusal, refuse
from server.rpc.call import current_note
from server.rpc.interceptors import access, unary
from server.rpc.interceptors.access import AccessInterceptor
from server.rpc.interceptors.failures import FailureInterceptor, end_with
from server.rpc.interceptors.unary import Context
from server.rpc.status import answer_of
from server.telemetry.logs import LogForm, configure_logs
from server.telemetry.metrics import CallMetrics
from tests.support.edge import ASK, GET, Answer, Edge, Gate, at_once, edge, failing
from tests.support.logs import everything_logged, unconfigured_logs

CANCELLED, DEADLINE_EXCEEDED, NOT_FOUND = 1, 4, 5


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    with unconfigured_logs():
        yield


async def span_of(
    wanted: Answer, timeout_s: float = 10.0, gives_up: asyncio.Event | None = None
) -> ReadableSpan:
    """The span of a call that its caller gives up when the event is set. One that is given up before the server hears
    of it, because the machine is busy, is made again.
    """
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with edge(wanted, tracer_provider=provider) as here:
        while not here.uses.callers:
            calling = asyncio.ensure_future(here.wire.call(GET, ASK, timeout_s=timeout_s))
            if gives_up is not None:
                await gives_up.wait()
                calling.cancel()
            await asyncio.wait({calling})
        # The answer is there before the span has ended.
        async with asyncio.timeout(60):
            while not spans.get_finished_spans():  # noqa: ASYNC110 it tells nobody
                await asyncio.sleep(0.01)
    return spans.get_finished_spans()[0]


def status_of(span: ReadableSpan) -> object:
    return (span.attributes or {})["rpc.grpc.status_code"]


async def test_a_refused_call_is_no_exception() -> None:
    span = await span_of(failing(refuse(Reason.RESTAURANT_NOT_FOUND, "no")))
    assert (status_of(span), span.status.status_code) == (NOT_FOUND, StatusCode.UNSET)
    assert list(span.events) == []
    assert (span.attributes or {})["reason"] == "RESTAURANT_NOT_FOUND"


async def test_a_call_that_was_given_up_was_no_success() -> None:
    gate = Gate()
    span = await span_of(gate, gives_up=gate.arrived)
    assert (status_of(span), span.status.status_code) == (CANCELLED, StatusCode.UNSET)


@pytest.fixture
def long_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a call may take any time to the server, whose clock for it begins when it is there."""
    monkeypatch.setattr(unary, "ON_THE_WAY_S", 60.0)


@pytest.mark.usefixtures("long_on_the_way")
async def test_a_call_that_ran_out_of_time_failed() -> None:
    span = await span_of(Gate(), timeout_s=0.2)
    assert (status_of(span), span.status.status_code) == (DEADLINE_EXCEEDED, StatusCode.ERROR)


@pytest.mark.usefixtures("long_on_the_way")
async def test_whose_time_ran_out_is_told_so_whoever_notices_first() -> None:
    """Both sides look at the clock at the same moment."""

    async def late(here: Edge) -> None:
        await here.wire.call(GET, ASK, timeout_s=0.3)

    with everything_logged() as logs:
        async with edge(Gate()) as here:
            # On a busy machine the time may be over before the server hears of them.
            while not here.uses.callers:
                await asyncio.gather(*(late(here) for _ in range(20)))
    told = {(line["code"], line["reason"]) for line in logs if line["event"] == "call"}
    assert told == {("DEADLINE_EXCEEDED", Reason.DEADLINE_EXCEEDED)}


@pytest.mark.parametrize(
    ("left_s", "code", "reason"),
    [
        (0.01, "DEADLINE_EXCEEDED", Reason.DEADLINE_EXCEEDED),
        (1.0, "CANCELLED", None),
        (None, "CANCELLED", None),
    ],
)
async def test_a_call_that_is_cancelled_with_no_time_left_has_run_out_of_it(
    left_s: float | None, code: str, reason: Reason | None
) -> None:
    async def cancelled(_: object, __: object) -> None:
        raise asyncio.CancelledError

    context = cast("Context", SimpleNamespace(time_remaining=lambda: left_s))
    with everything_logged() as logs, pytest.raises(asyncio.CancelledError):
        await AccessInterceptor(CallMetrics()).around(GET, cancelled, b"", context)
    assert [(line["code"], line["reason"]) for line in logs] == [(code, reason)]


async def test_what_nobody_is_there_to_hear_ends_like_a_call_that_was_given_up() -> None:
    """gRPC says that it broke one of its rules when it is to send something to a caller who has just left."""

    async def left(*_: object) -> None:
        raise grpc.aio.InternalError("the call is over")

    context = cast(Context, SimpleNamespace(abort=left))
    with everything_logged() as logs, pytest.raises(asyncio.CancelledError):
        await FailureInterceptor().around(GET, left, b"", context)
    assert logs == []
    with pytest.raises(asyncio.CancelledError):
        await end_with(answer_of(Refusal(Reason.HOLD_EXPIRED, "too late")), context)


async def test_of_calls_that_are_refused_for_load_one_line_tells_how_many_since_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(_: object, __: object) -> None:
        current_note.get().reason = Reason.SERVER_OVERLOADED

    with everything_logged() as logs:
        interceptor, context = AccessInterceptor(CallMetrics()), cast("Context", None)
        for pause_s in (3_600.0, 3_600.0, 3_600.0, 0.0, 0.0):
            monkeypatch.setattr(access, "OVERLOAD_TOLD_S", pause_s)
            await interceptor.around(GET, refused, b"", context)
    assert [(line["event"], line["calls_refused"]) for line in logs] == [
        ("overloaded", 1),
        ("overloaded", 3),
        ("overloaded", 1),
    ]


def seat(guest: str) -> None:
    raise ValueError(f"{len(guest)} letters")


@pytest.mark.usefixtures("logs_as_before")
def test_a_traceback_for_people_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogForm.TEXT)
    try:
        seat("SMITH".title())
    except ValueError:
        structlog.get_logger().exception("broken")
    assert "ValueError: 5 letters" in written.getvalue()
    assert "Smith" not in written.getvalue()


@pytest.mark.usefixtures("logs_as_before")
async def test_the_line_of_a_call_names_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs()
    span = await span_of(at_once)
    (line,) = (line for line in map(json.loads, written.getvalue().splitlines()) if line["event"] == "call")
    told = (int(line["trace_id"], 16), int(line["span_id"], 16))
    assert told == (span.context.trace_id, span.context.span_id)


@pytest.mark.usefixtures("logs_as_before")
def test_a_line_without_a_trace_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs()
    structlog.get_logger().info("swept")
    line = json.loads(written.getvalue())
    assert line.keys() == {"event", "level", "timestamp"}
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])) < timedelta(minutes=5)


@pytest.mark.usefixtures("logs_as_before")
def test_what_libraries_say_comes_in_the_same_form_and_from_the_same_level_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(level="warning")
    for logger in (structlog.get_logger(), logging.getLogger("library")):
        logger.info("nothing to see")
        logger.warning("look")
    ours, theirs = map(json.loads, written.getvalue().splitlines())
    assert ours | {"timestamp": ""} == theirs | {"timestamp": ""}
    assert (ours["event"], ours["level"]) == ("look", "warning")
