"""gRPC health: overall, and for each service of the contract."""

from collections.abc import Sequence

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

OVERALL = ""
CHECK_METHOD = f"/{health.SERVICE_NAME}/Check"


class Health:
    """Serving or not, for everything at once. Once it is drained that is final."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = (OVERALL, *services)
        self._servicer = health.aio.HealthServicer()

    def add_to(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        status = (
            health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for service in self._services:
            await self._servicer.set(service, status)

    async def drain(self) -> None:
        """Says NOT_SERVING to everybody who asks or watches, from now on."""
        await self._servicer.enter_graceful_shutdown()


async def ask_health(address: str, timeout_s: float) -> str:
    """What the server at `address` says about itself: SERVING, NOT_SERVING, or why it did not answer."""
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(
            CHECK_METHOD,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=OVERALL), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return f"no answer ({error.code().name})"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
