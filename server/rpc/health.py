"""gRPC health: overall, and for each service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

OVERALL = ""
# For answers that are on their way when a server stops. Open streams of health and reflection end with it.
FLUSH_S = 0.5
# The published types don't know of the list yet.
_messages: Any = health_pb2
LIST_METHOD = f"/{health.SERVICE_NAME}/List"
_STATUS = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """What a process says about itself: its status overall, or why there is no answer, and that of each service."""

    overall: str
    services: Mapping[str, str] = field(default_factory=dict)

    @property
    def serving(self) -> bool:
        return self.overall == "SERVING"


class _Servicer(health_pb2_grpc.HealthServicer):
    """Nothing waits for a watcher that does not read what it is told. The library's own servicer would: whoever changes
    a status, and every other watcher.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._said = dict.fromkeys(services, _STATUS[False])
        self._changed = asyncio.Event()

    def tell(self, serving: Mapping[str, bool]) -> None:
        self._said |= {service: _STATUS[serves] for service, serves in serving.items()}
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  # the name that is called
        if request.service not in self._said:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return health_pb2.HealthCheckResponse(status=self._said[request.service])

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  # the name that is called
        said = {
            service: health_pb2.HealthCheckResponse(status=status) for service, status in self._said.items()
        }
        return _messages.HealthListResponse(statuses=said)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802  # the name that is called
        told = None
        while True:
            # Taken first: what changes while this is told is told next.
            changed = self._changed
            status = self._said.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            await changed.wait()


class Health:
    """Serving or not, for everything at once or for each service. Once it is drained that is final."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = (OVERALL, *services)
        self._servicer = _Servicer(self._services)
        self._drained = False

    def add_to(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        await self.tell(dict.fromkeys(self._services, serving))

    async def tell(self, serving: Mapping[str, bool]) -> None:
        """What is said of each of these services from now on."""
        if not self._drained:
            self._servicer.tell(serving)

    async def drain(self) -> None:
        """Says NOT_SERVING to everybody who asks or watches, from now on."""
        await self.set_serving(False)
        self._drained = True


async def ask_health(address: str, timeout_s: float) -> HealthAnswer:
    """What the process at `address` says about itself and its services."""
    async with grpc.aio.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            LIST_METHOD,
            request_serializer=_messages.HealthListRequest.SerializeToString,
            response_deserializer=_messages.HealthListResponse.FromString,
        )
        try:
            answer = await ask(_messages.HealthListRequest(), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return HealthAnswer(f"no answer ({error.code().name})")
    named = health_pb2.HealthCheckResponse.ServingStatus.Name
    said = {service: str(named(each.status)) for service, each in sorted(answer.statuses.items())}
    return HealthAnswer(said.pop(OVERALL), said)
