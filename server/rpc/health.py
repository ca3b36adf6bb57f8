"""gRPC health: overall, and for each service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

OVERALL = ""
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


class _Servicer(health.aio.HealthServicer):
    """The library's, which answers about one service at a time, and the list of all."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__()
        self._services = services

    async def List(  # noqa: N802  # the name that is called
        self, request: Any, context: Any
    ) -> Any:
        said = {
            service: await self.Check(health_pb2.HealthCheckRequest(service=service), context)
            for service in self._services
        }
        return _messages.HealthListResponse(statuses=said)


class Health:
    """Serving or not, for everything at once or for each service. Once it is drained that is final."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = (OVERALL, *services)
        self._servicer = _Servicer(self._services)

    def add_to(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        await self.tell(dict.fromkeys(self._services, serving))

    async def tell(self, serving: Mapping[str, bool]) -> None:
        """What is said of each of these services from now on."""
        for service, serves in serving.items():
            await self._servicer.set(service, _STATUS[serves])

    async def drain(self) -> None:
        """Says NOT_SERVING to everybody who asks or watches, from now on."""
        await self._servicer.enter_graceful_shutdown()


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
