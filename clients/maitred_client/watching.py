"""What a watch does when its stream ends: it goes on where it was, the same for both clients."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from random import uniform
from typing import TypeAlias, cast

import grpc
import grpc.aio

from maitred.v1.assignment_service_pb2 import ResumeCause, WatchFloorRequest, WatchFloorResponse
from maitred_client.calls import CallSettings, require_timeout
from maitred_client.errors import MaitredError, RetryClass

Rpc: TypeAlias = "grpc.UnaryStreamMultiCallable[WatchFloorRequest, WatchFloorResponse]"
AsyncRpc: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[WatchFloorRequest, WatchFloorResponse]"
AsyncCall: TypeAlias = "grpc.aio.UnaryStreamCall[WatchFloorRequest, WatchFloorResponse]"

HEARTBEAT_S_MIN, HEARTBEAT_S_DEFAULT, HEARTBEAT_S_MAX = 1.0, 15.0, 60.0
# So many heartbeats may be missed before the stream counts as dead.
HEARTBEATS_MISSED_MAX = 3
PAUSE_S_FIRST = 0.1
PAUSE_S_MAX = 5.0
PAUSE_SPREAD = (0.8, 1.2)


class Watch:
    """Where a watch stands. `timeout_s` bounds all of it; None lets it last.

    Raises ValueError unless the timeout is above 0 and at most a year.
    """

    def __init__(self, request: WatchFloorRequest, timeout_s: float | None) -> None:
        if timeout_s is not None:
            require_timeout(timeout_s)
        self._request = WatchFloorRequest()
        self._request.CopyFrom(request)
        self._ends_at_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._opened = False
        self._fruitless = 0

    @property
    def request(self) -> WatchFloorRequest:
        """What to ask now."""
        return self._request

    @property
    def silence_s(self) -> float:
        """After so many seconds without a message the stream is dead. That of a heartbeat that is not to be had lasts
        long enough to be told so."""
        asked = self._request.HasField("heartbeat")
        heartbeat_s = self._request.heartbeat.seconds if asked else HEARTBEAT_S_DEFAULT
        return HEARTBEATS_MISSED_MAX * min(max(heartbeat_s, HEARTBEAT_S_MIN), HEARTBEAT_S_MAX)

    def remaining_s(self) -> float | None:
        """What is left of the timeout; never negative."""
        return None if self._ends_at_s is None else max(0.0, self._ends_at_s - time.monotonic())

    def take(self, response: WatchFloorResponse) -> bool:
        """Notes how far the stream has come, and says whether the response is for the reader."""
        self._opened = True
        self._fruitless = 0
        if response.resume_token:
            self._request.resume_token = response.resume_token
        if response.HasField("resume_required"):
            if response.resume_required.cause == ResumeCause.RESUME_CAUSE_COMPACTED:
                self._request.resume_token = ""
            return False
        return True

    def pause_s(self, error: MaitredError | None) -> float:
        """How long to wait before the stream is opened again: no shorter than the server asks, not as long as everybody
        else whom it left, and not beyond the timeout. Raises the error when that would not help."""
        if error is not None and self._starts_over(error):
            self._request.resume_token = ""
            return 0.0
        if error is not None and not self._can_go_on(error):
            raise error
        self._fruitless += 1
        backoff_s = min(PAUSE_S_MAX, PAUSE_S_FIRST * 2.0 ** min(self._fruitless - 1, 16))
        asked_s = error.retry_after_s if error is not None else None
        pause_s = max(asked_s or 0.0, backoff_s * uniform(*PAUSE_SPREAD))
        remaining_s = self.remaining_s()
        return pause_s if remaining_s is None else min(pause_s, remaining_s)

    def _starts_over(self, error: MaitredError) -> bool:
        """What followed the token is not kept any more, or a server of another version gave it to this watch."""
        given = self._opened and error.reason == "WATCH_TOKEN_INVALID"
        return given or error.reason == "WATCH_TOKEN_COMPACTED"

    def _can_go_on(self, error: MaitredError) -> bool:
        """A watch that never began tells why; one that did goes on until its time is over."""
        over = self._ends_at_s is not None and time.monotonic() >= self._ends_at_s
        return self._opened and not over and error.retry in (RetryClass.SAME_KEY, RetryClass.WAIT)


def watch(
    rpc: Rpc, request: WatchFloorRequest, timeout_s: float | None, settings: CallSettings
) -> Generator[WatchFloorResponse, None, None]:
    """One watch through as many streams as it takes."""
    settings.require_usable()
    standing = Watch(request, timeout_s)
    with settings.failures_of(request):
        while not settings.closed:
            error: MaitredError | None = None
            call = rpc(standing.request, timeout=standing.remaining_s(), metadata=settings.metadata)
            try:
                for response in call:
                    if standing.take(response):
                        yield response
            except grpc.RpcError as failure:
                error = settings.error(failure, request)
            finally:
                call.cancel()
            time.sleep(standing.pause_s(error))
    raise settings.closed_error(request)


async def watch_async(
    rpc: AsyncRpc, request: WatchFloorRequest, timeout_s: float | None, settings: CallSettings
) -> AsyncGenerator[WatchFloorResponse, None]:
    """The same for asyncio; a stream that falls silent is given up as well."""
    settings.require_usable()
    standing = Watch(request, timeout_s)
    with settings.failures_of(request):
        while not settings.closed:
            error: MaitredError | None = None
            call = rpc(standing.request, timeout=standing.remaining_s(), metadata=settings.metadata)
            try:
                while (response := await _next(call, standing.silence_s)) is not None:
                    if standing.take(response):
                        yield response
            except grpc.RpcError as failure:
                error = settings.error(failure, request)
            finally:
                call.cancel()
            await asyncio.sleep(standing.pause_s(error))
    raise settings.closed_error(request)


async def _next(call: AsyncCall, silence_s: float) -> WatchFloorResponse | None:
    """What a stream brings next; None when it has ended, or brings nothing for this long."""
    try:
        async with asyncio.timeout(silence_s):
            response = await call.read()
    except TimeoutError:
        return None
    return None if response is grpc.aio.EOF else cast(WatchFloorResponse, response)
