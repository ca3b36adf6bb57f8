"""A real gRPC server whose answers a test writes down beforehand, and which remembers what it was asked."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

TENANT = "6f1d7f6e-6f0e-4b58-9d53-4a3f7a0d5a11"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status instead of an answer; `raw` replaces the bytes of its details."""

    code: grpc.StatusCode
    message: str = "no"
    details: tuple[Message, ...] = ()
    raw: bytes | None = None
    trailing: tuple[tuple[str, str], ...] = ()

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        status = Status(code=self.code.value[0], message=self.message, details=map(_packed, self.details))
        raw = status.SerializeToString() if self.raw is None else self.raw
        return (*self.trailing, ("grpc-status-details-bin", raw)) if raw else self.trailing


def refusal(code: grpc.StatusCode, reason: str, *details: Message, **metadata: str) -> Refusal:
    """A refusal as the service words it."""
    info = ErrorInfo(domain="maitred", reason=reason, metadata=metadata)
    return Refusal(code, f"refused as {reason}", (info, *details))


@dataclass(frozen=True, slots=True)
class Asked:
    """One attempt that reached the server."""

    method: str
    request: bytes
    metadata: dict[str, str | bytes]
    time_left_s: float


Context = grpc.aio.ServicerContext[bytes, bytes]


@dataclass(slots=True)
class ScriptedServer(grpc.GenericRpcHandler):
    """Answers any method: what was scripted for it, in order, then an empty message."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    script: dict[str, deque[Message | Refusal]] = field(default_factory=lambda: defaultdict(deque))
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    stall: bool = False

    def will(self, method: str, *answers: Message | Refusal) -> None:
        """Scripts the next answers of a method, given by its bare name."""
        self.script[method].extend(answers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        path = handler_call_details.method

        async def answer(request: bytes, context: Context) -> bytes:
            return await self._answer(path, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, path: str, request: bytes, context: Context) -> bytes:
        metadata = dict(_pairs(context.invocation_metadata()))
        self.asked.append(Asked(path, request, metadata, context.time_remaining()))
        if self.stall:
            self.stalled.set()
            await asyncio.Event().wait()
        answers = self.script[path.rpartition("/")[2]]
        answer = answers.popleft() if answers else None
        if isinstance(answer, Refusal):
            await context.abort(answer.code, answer.message, answer.trailing_metadata())
        return b"" if answer is None else answer.SerializeToString()


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A scripted server that listens on a free port of the loopback."""
    scripted = ScriptedServer()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((scripted,))
    scripted.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield scripted
    finally:
        await server.stop(grace=None)


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def _pairs(metadata: Iterable[tuple[str, str | bytes]] | None) -> Iterable[tuple[str, str | bytes]]:
    return ((key, value) for key, value in metadata or ())
