"""A batch and its decisions, the same for both clients. One call each: opened again, a batch would count anew."""

from collections.abc import AsyncGenerator, Generator
from typing import TypeAlias

import grpc
import grpc.aio

from maitred.v1.assignment_service_pb2 import AutoAssignBatchRequest, AutoAssignBatchResponse
from maitred_client.calls import CallSettings

Rpc: TypeAlias = "grpc.UnaryStreamMultiCallable[AutoAssignBatchRequest, AutoAssignBatchResponse]"
AsyncRpc: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[AutoAssignBatchRequest, AutoAssignBatchResponse]"


def batch(
    rpc: Rpc, request: AutoAssignBatchRequest, timeout_s: float | None, settings: CallSettings
) -> Generator[AutoAssignBatchResponse, None, None]:
    """The responses of one call. Raises ValueError unless the timeout is above 0."""
    settings.require_usable()
    with settings.failures_of(request):
        call = rpc(request, timeout=_deadline_s(timeout_s, settings), metadata=settings.metadata)
        try:
            yield from call
        finally:
            call.cancel()


async def batch_async(
    rpc: AsyncRpc, request: AutoAssignBatchRequest, timeout_s: float | None, settings: CallSettings
) -> AsyncGenerator[AutoAssignBatchResponse, None]:
    """The same for asyncio."""
    settings.require_usable()
    with settings.failures_of(request):
        call = rpc(request, timeout=_deadline_s(timeout_s, settings), metadata=settings.metadata)
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()


def _deadline_s(timeout_s: float | None, settings: CallSettings) -> float | None:
    return None if timeout_s is None else settings.deadline_s(timeout_s)
