"""Takes a call into work, or refuses it for load or because the process is stopping."""

import asyncio
import time
from typing import Any

from server.errors import Reason, ServiceError
from server.rpc.admission import Admission, Fate
from server.rpc.interceptors.failures import end_with
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor
from server.rpc.scopes import STREAMS, is_house_call

# The caller's time runs out that much before ours: by what the call took to us.
ON_THE_WAY_S = 0.05
UNDONE = {Reason.DEADLINE_EXCEEDED: Fate.LATE, Reason.SERVER_OVERLOADED: Fate.GIVEN_UP}


class AdmissionInterceptor(UnaryInterceptor):
    """Health, reflection and channelz are not refused here: they are how an operator looks at a busy server.

    Streams are counted by themselves: they last, and mostly wait.
    """

    def __init__(self, calls: Admission, streams: Admission) -> None:
        self._calls = calls
        self._streams = streams

    def cares_for(self, path: str) -> bool:
        return is_house_call(path)

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        admission = self._streams if path in STREAMS else self._calls
        refused = admission.enter(path, context.time_remaining())
        if refused is not None:
            await end_with(refused, context)
        entered_s, fate = time.monotonic(), Fate.ANSWERED
        try:
            return await proceed(request, context)
        except asyncio.CancelledError:
            fate = _fate_of_cancelled(context.time_remaining())
            raise
        except ServiceError as error:
            fate = UNDONE.get(error.reason, Fate.ANSWERED)
            raise
        finally:
            admission.leave(path, time.monotonic() - entered_s, fate)


def _fate_of_cancelled(remaining_s: float | None) -> Fate:
    late = remaining_s is not None and remaining_s <= ON_THE_WAY_S
    return Fate.LATE if late else Fate.GIVEN_UP
