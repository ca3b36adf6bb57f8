"""One connection that takes requests as bytes and gives answers as bytes.

Nothing is parsed but a refusal's status: the client shares its processor with the server it measures. Of the ways
that gRPC for Python has, grpc.aio on uvloop, callbacks of the synchronous channel and threads cost the same within a
fifth, about 0.16 ms of processor time a call; this one leaves the stories of many callers readable.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from time import monotonic_ns
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from loadgen.driving.processes import HinderedError
from maitred_client.calls import DOMAIN, call_metadata

OK = "OK"
CONNECT_S = 20.0
DETAILS = "grpc-status-details-bin"
# The call may have been done, or may yet be: the same request_id has to be asked for again to know.
UNSURE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"})
OPTIONS: tuple[tuple[str, int], ...] = (
    # Every line has a connection of its own, and every call is sent once: whoever repeats it wants to count it.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    # A killed server that is back is found soon.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", -1),
)


class Outcome(StrEnum):
    """What is known of a call: it was done, it was not done, or neither."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def outcome_of(status: str) -> Outcome:
    """What the name of a gRPC code tells of a call."""
    if status == OK:
        return Outcome.OK
    return Outcome.UNKNOWN if status in UNSURE else Outcome.REFUSED


class Reply(NamedTuple):
    """What came of one call.

    `status` is the name of the gRPC code; `reason` is the word of ErrorReason without its prefix, empty where the
    server gave none; `body` are the bytes of the answer, empty after an error; `ended_ns` is by the monotonic clock,
    the same for all processes of a machine; `details` are the bytes of the answer's google.rpc.Status.
    """

    status: str
    reason: str
    body: bytes
    ended_ns: int
    details: bytes = b""

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.status)


class Line:
    """A connection to `target`. Made inside a running event loop, and closed by leaving its block.

    When the connection breaks, calls under way fail with UNAVAILABLE and later ones open it again, at most half a
    second after the server is back. `metadata` goes with every call; see `metadata_of`.
    """

    def __init__(self, target: str, metadata: Iterable[tuple[str, str]] = ()) -> None:
        self._target = target
        self._metadata = tuple(metadata)
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self._methods: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Calls under way end with CANCELLED."""
        await self._channel.close()

    async def connected(self, timeout_s: float) -> None:
        """Returns when the connection is open. Raises HinderedError when it is not by then."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._channel.channel_ready()
        except TimeoutError:
            raise HinderedError(f"nobody answers at {self._target}") from None

    async def send(self, method: str, body: bytes, timeout_s: float) -> Reply:
        """One call, sent once. `method` is the full path, for example "/maitred.v1.AssignmentService/HoldTables".

        Never raises for what the other side does: every end is a Reply.
        """
        call = self._methods.get(method)
        if call is None:
            call = self._methods[method] = self._channel.unary_unary(method)
        try:
            answer = await call(body, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as failure:
            ended_ns = monotonic_ns()
            details = _details_of(failure)
            return Reply(failure.code().name, _reason_of(details), b"", ended_ns, details)
        return Reply(OK, "", answer, monotonic_ns())


@asynccontextmanager
async def lines_to(
    target: str, metadata: Iterable[tuple[str, str]], count: int
) -> AsyncIterator[tuple[Line, ...]]:
    """So many open connections. Each is one to one process of the server. Raises HinderedError when it is not there."""
    metadata = tuple(metadata)
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line(target, metadata)) for _ in range(count)]
        await asyncio.gather(*(line.connected(CONNECT_S) for line in lines))
        yield tuple(lines)


def metadata_of(tenant_id: UUID | str, actor: str) -> tuple[tuple[str, str], ...]:
    """The headers that say who calls. Raises ValueError naming what is wrong with them."""
    return call_metadata(tenant_id, actor, None)


def retry_after_s(reply: Reply) -> float | None:
    """How long the server asks to wait before the call is repeated; None when it does not say."""
    wait = error_details_pb2.RetryInfo()
    for packed in _status_of(reply.details).details:
        if packed.Unpack(wait):
            return wait.retry_delay.ToTimedelta().total_seconds()
    return None


def _details_of(failure: grpc.aio.AioRpcError) -> bytes:
    for key, value in failure.trailing_metadata() or ():
        if key == DETAILS and isinstance(value, bytes):
            return value
    return b""


def _reason_of(details: bytes) -> str:
    info = error_details_pb2.ErrorInfo()
    for packed in _status_of(details).details:
        if packed.Unpack(info) and info.domain == DOMAIN:
            return info.reason
    return ""


def _status_of(details: bytes) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(details)
    except DecodeError:
        return status_pb2.Status()
