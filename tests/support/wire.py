"""Calls with nothing between the test and the wire: bytes in, bytes or a decoded refusal out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid4

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.rpc.scopes import STREAMS

DETAILS_KEY = "grpc-status-details-bin"
MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Refused:
    """A status that is not OK, with what came along. `reason` is empty when there are no details."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    status: status_pb2.Status = field(default_factory=status_pb2.Status)
    trailers: dict[str, str | bytes] = field(default_factory=dict)

    def detail(self, kind: type[MessageT]) -> MessageT | None:
        """The detail of this kind, if it was sent."""
        for packed in self.status.details:
            if packed.TypeName() == kind.DESCRIPTOR.full_name:
                return kind.FromString(packed.value)
        return None

    @property
    def fields(self) -> list[str]:
        """The bad fields that were named."""
        bad = self.detail(error_details_pb2.BadRequest)
        return [violation.field for violation in bad.field_violations] if bad else []

    @property
    def everything(self) -> str:
        """All text that the caller gets to see."""
        return f"{self.message}\n{self.status}"


@dataclass(slots=True)
class Wire:
    """A channel and the headers of one tenant."""

    channel: grpc.aio.Channel
    tenant_id: UUID = field(default_factory=uuid4)
    headers: tuple[tuple[str, str], ...] | None = None

    async def call(
        self,
        path: str,
        request: Message | bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = 60.0,
    ) -> bytes | Refused:
        """The raw answer of a method named /package.Service/Method, or how it was refused.

        Of a stream the first answer; then the call is given up.
        """
        raw = request.SerializeToString() if isinstance(request, Message) else request
        try:
            if path in STREAMS:
                return await self._first(path, raw, headers, timeout_s)
            answer = await self.begin(path, raw, headers, timeout_s)
        except grpc.aio.AioRpcError as error:
            return refused(error)
        return bytes(answer)

    async def _first(
        self, path: str, raw: bytes, headers: Sequence[tuple[str, str]], timeout_s: float | None
    ) -> bytes:
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(path)
        call = method(raw, metadata=self._metadata(headers), timeout=timeout_s)
        try:
            answer = await call.read()
        finally:
            call.cancel()
        assert isinstance(answer, bytes), f"{path} ended without an answer"
        return answer

    def begin(
        self,
        path: str,
        raw: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        timeout_s: float | None = 60.0,
    ) -> "grpc.aio.UnaryUnaryCall[bytes, bytes]":
        """The call under way, to be waited for or cancelled."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
        return method(raw, metadata=self._metadata(headers), timeout=timeout_s)

    def _metadata(self, headers: Sequence[tuple[str, str]]) -> grpc.aio.Metadata:
        own = (("x-maitred-tenant", str(self.tenant_id)),) if self.headers is None else self.headers
        return grpc.aio.Metadata(*own, *headers)


def refused(error: grpc.aio.AioRpcError) -> Refused:
    trailers = dict(error.trailing_metadata() or ())
    packed = trailers.get(DETAILS_KEY, b"")
    status = status_pb2.Status.FromString(packed if isinstance(packed, bytes) else packed.encode())
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.TypeName() == info.DESCRIPTOR.full_name:
            detail.Unpack(info)
    return Refused(
        error.code(), error.details() or "", info.reason, info.domain, dict(info.metadata), status, trailers
    )
