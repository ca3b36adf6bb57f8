"""Establishes who calls, whether they may, and by when they want the answer."""

import asyncio
from dataclasses import dataclass
from typing import Any

from server.clock import Deadline
from server.domain.restaurant import Caller
from server.errors import Reason, refuse
from server.rpc.call import Call, current_call, current_note
from server.rpc.identity import IdentitySource
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor
from server.rpc.scopes import SCOPES, STREAMS


@dataclass(frozen=True, slots=True)
class DeadlineLimits:
    """Seconds. The default counts when the caller sets no deadline; no deadline reaches further than the maximum."""

    default_s: float = 10.0
    max_s: float = 60.0

    def deadline(self, remaining_s: float | None) -> Deadline:
        return Deadline.after(self.default_s if remaining_s is None else min(remaining_s, self.max_s))


class IdentityInterceptor(UnaryInterceptor):
    """Sets `current_call` for everything that lies inside."""

    def __init__(self, source: IdentitySource, deadlines: DeadlineLimits) -> None:
        self._source = source
        self._deadlines = deadlines

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        caller = self._source.resolve(context.invocation_metadata() or ())
        current_note.get().caller = caller
        _require_scope(path, caller)
        if path in STREAMS:
            # grpc itself ends a stream whose caller has set a deadline.
            current_call.set(Call(caller, self._deadlines.deadline(None)))
            return await proceed(request, context)
        deadline = self._deadlines.deadline(context.time_remaining())
        current_call.set(Call(caller, deadline))
        try:
            async with asyncio.timeout(deadline.remaining_s()) as running:
                return await proceed(request, context)
        except TimeoutError:
            if not running.expired():
                raise
            raise refuse(
                Reason.DEADLINE_EXCEEDED,
                "The deadline was over before the answer was ready; a change may or may not have been committed.",
            ) from None


def _require_scope(path: str, caller: Caller) -> None:
    scope = SCOPES[path]
    if scope not in caller.scopes:
        raise refuse(
            Reason.PERMISSION_MISSING,
            f"{path} needs the scope {scope!r}, which the caller does not have.",
            method=path,
            scope=scope,
        )
