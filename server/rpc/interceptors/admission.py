"""Takes a call into work, or refuses it for load or because the process is stopping."""

from typing import Any

from server.rpc.admission import Admission
from server.rpc.interceptors.unary import Context, Proceed, UnaryInterceptor
from server.rpc.scopes import is_house_call


class AdmissionInterceptor(UnaryInterceptor):
    """Health, reflection and channelz are never refused: they are how an operator looks at a busy server."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def cares_for(self, path: str) -> bool:
        return is_house_call(path)

    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        with self._admission.admit():
            return await proceed(request, context)
