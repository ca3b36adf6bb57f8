"""One measurement and one line of log for every call of the contract, fewer lines for those refused for load."""

import asyncio
import logging
import math
import time
from typing import Any

import grpc
import structlog

from server.errors import Reason
from server.rpc.call import CallNote, current_note
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor, is_late
from server.rpc.status import code_of
from server.telemetry.metrics import CallMetrics
from server.telemetry.traces import call_cut_short, call_refused

log = structlog.get_logger(__name__)

OVERLOAD_TOLD_S = 1.0


class AccessInterceptor(UnaryInterceptor):
    """Notes how each call came out and how long it took, whoever ended it."""

    def __init__(self, metrics: CallMetrics) -> None:
        self._metrics = metrics
        # Bound here, because binding costs as much as writing the line.
        self._log = log.bind()
        self._turned_away = 0
        self._told_s = -math.inf

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        note = CallNote(path.removeprefix("/"))
        current_note.set(note)
        started_s = time.perf_counter()
        code = grpc.StatusCode.CANCELLED
        try:
            response = await proceed(request, context)
            code = grpc.StatusCode.OK
            return response
        except asyncio.CancelledError:
            late = is_late(context.time_remaining())
            if late:
                # As if we had noticed before the caller did.
                note.reason = Reason.DEADLINE_EXCEEDED
            call_cut_short(late=late)
            raise
        finally:
            if note.reason is not None:
                code = code_of(note.reason)
                call_refused(note.reason)
            self._note(note, code, time.perf_counter() - started_s)

    def _note(self, note: CallNote, code: grpc.StatusCode, elapsed_s: float) -> None:
        self._metrics.called(note.method, code.name, note.reason or "", elapsed_s)
        if note.reason is Reason.SERVER_OVERLOADED:
            self._tell_overload()
            return
        if not self._log.is_enabled_for(logging.INFO):
            return
        self._log.info(
            "call",
            method=note.method,
            code=code.name,
            reason=note.reason,
            duration_ms=round(elapsed_s * 1_000, 3),
            tenant_id=str(note.caller.tenant_id) if note.caller else None,
            actor=note.caller.actor if note.caller else None,
            incident_id=note.incident_id,
        )

    def _tell_overload(self) -> None:
        """One line a second for all of them: a server with too much to do has no time for more."""
        self._turned_away += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= OVERLOAD_TOLD_S:
            self._log.warning("overloaded", calls_refused=self._turned_away)
            self._turned_away, self._told_s = 0, now_s
