"""A server on a real socket, with use cases whose answers the test decides."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from opentelemetry.sdk.trace import TracerProvider

from maitred.v1 import assignment_service_pb2, inventory_service_pb2
from server.clock import Deadline
from server.domain.restaurant import Caller, Restaurant
from server.lifecycle import Grace
from server.orchestrator.floor_log import FloorPlace
from server.orchestrator.put_restaurant import PutRestaurantCommand
from server.orchestrator.read_inventory import RestaurantQuestion
from server.orchestrator.use_cases import UseCases
from server.orchestrator.watch_floor import Quiet, WatchFloorQuestion
from server.rpc.server import GrpcServer, RpcSettings
from tests.support.wire import Refused, Wire

GET = "/maitred.v1.InventoryService/GetRestaurant"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
FOLLOW = "/maitred.v1.AssignmentService/WatchFloor"
FLOOR = assignment_service_pb2.WatchFloorRequest(restaurant_id=str(UUID(int=7)))
ASK = inventory_service_pb2.GetRestaurantRequest(restaurant_id=str(UUID(int=7)))

Answer = Callable[[Caller], Awaitable[None]]


@dataclass(slots=True)
class OneUseCase:
    """Stands where the use cases stand. Every question for a restaurant first does what the test wants, and a change
    notes the seconds that it has. Floors are quiet for ever, and say so all the time.
    """

    wanted: Answer
    callers: list[Caller] = field(default_factory=list)
    left_s: list[float] = field(default_factory=list)

    async def get_restaurant(self, caller: Caller, question: RestaurantQuestion) -> Restaurant:
        self.callers.append(caller)
        await self.wanted(caller)
        return _restaurant(question.restaurant_id, caller)

    async def put_restaurant(
        self, caller: Caller, command: PutRestaurantCommand, deadline: Deadline
    ) -> Restaurant:
        self.left_s.append(deadline.remaining_s())
        return _restaurant(command.restaurant_id, caller)

    async def watch_floor(self, caller: Caller, question: WatchFloorQuestion) -> AsyncGenerator[Quiet]:
        await self.wanted(caller)
        while True:
            yield Quiet(FloorPlace(1))
            await asyncio.sleep(0)


def _restaurant(restaurant_id: UUID, caller: Caller) -> Restaurant:
    return Restaurant(restaurant_id, caller.tenant_id, caller.actor, "UTC", 1, 0, 0, 0)


async def at_once(caller: Caller) -> None:
    return None


@dataclass(slots=True)
class Edge:
    server: GrpcServer
    wire: Wire
    uses: OneUseCase


@asynccontextmanager
async def edge(
    wanted: Answer = at_once, tracer_provider: TracerProvider | None = None, **settings: Any
) -> AsyncIterator[Edge]:
    uses = OneUseCase(wanted)
    server = GrpcServer(RpcSettings(port=0, **settings), cast(UseCases, uses), tracer_provider)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield Edge(server, Wire(channel), uses)
    finally:
        await server.stop(Grace(0))


class Gate:
    """Holds calls until it is opened, and says when as many as expected have arrived."""

    def __init__(self, expected: int = 1) -> None:
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()
        self._missing = expected

    async def __call__(self, caller: Caller) -> None:
        self._missing -= 1
        if self._missing == 0:
            self.arrived.set()
        await self.opened.wait()


def failing(error: Exception) -> Answer:
    async def wanted(caller: Caller) -> None:
        raise error

    return wanted


async def health(wire: Wire, service: str = "") -> int | Refused:
    answer = await wire.call(CHECK, health_pb2.HealthCheckRequest(service=service))
    return answer if isinstance(answer, Refused) else health_pb2.HealthCheckResponse.FromString(answer).status


async def watched(watch: "grpc.aio.UnaryStreamCall[bytes, bytes]") -> int:
    """The next status that a watch is told."""
    answer = await watch.read()
    assert isinstance(answer, bytes), "the watch has ended"
    return health_pb2.HealthCheckResponse.FromString(answer).status


def refusal(answer: bytes | Refused) -> Refused:
    assert isinstance(answer, Refused), "the call was expected to be refused"
    return answer
