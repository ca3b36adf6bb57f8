"""Takes a call into work, or refuses it for load or because the process is stopping."""

import asyncio
import time
from typing import Any

from server.errors import Reason, ServiceError
from server.rpc.admission import Admission, Fate
from server.rpc.interceptors.failures import end_with
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor, is_late
from server.rpc.scopes import STREAMS

UNDONE = {Reason.DEADLINE_EXCEEDED: Fate.LATE, Reason.SERVER_OVERLOADED: Fate.GIVEN_UP}


class AdmissionInterceptor(UnaryInterceptor):
    """Health, reflection and channelz are not refused here: they are how an operator looks at a busy server.

    Streams are counted by themselves: they last, and mostly wait.
    """

    def __init__(self, calls: Admission, streams: Admission) -> None:
        self._calls = calls
        self._streams = streams

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        admission = self._streams if path in STREAMS else self._calls
        refused = admission.enter(path, context.time_remaining())
        if refused is not None:
            await end_with(refused, context)
        entered_s, fate = time.monotonic(), Fate.ANSWERED
        try:
            return await proceed(request, context)
        except asyncio.CancelledError:
            fate = Fate.LATE if is_late(context.time_remaining()) else Fate.GIVEN_UP
            raise
        except ServiceError as error:
            fate = UNDONE.get(error.reason, Fate.ANSWERED)
            raise
        finally:
            admission.leave(path, time.monotonic() - entered_s, fate)
