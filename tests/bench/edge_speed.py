"""What a call costs the server beside the work that it asks for: processor time, in a process that serves nothing else.

`python -m tests.bench.edge_speed` has servers take turns whose calls do nothing: gRPC with nothing around it, the edge
of the service, the same while measurements are read, and an edge that refuses every call for load. It prints the
processor time of a call and what it is to that of the edge.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from statistics import median
from typing import TypeAlias
from uuid import uuid4

import grpc
import grpc.aio
import psutil
import uvloop

from maitred.v1 import inventory_service_pb2
from server.measuring import show_measurements
from server.rpc.server import GrpcServer, RpcSettings
from server.telemetry.logs import configure_logs
from tests.support.edge import ASK, GET, OneUseCase, at_once

REPEATS = 5
CALLERS = 32
CALLS = 3_000

# A server, to be kept, and its address.
Served: TypeAlias = tuple[object, str]


async def plain() -> Served:
    """gRPC alone, with the messages of the same call."""

    async def answer(request: object, context: object) -> inventory_service_pb2.GetRestaurantResponse:
        return inventory_service_pb2.GetRestaurantResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        inventory_service_pb2.GetRestaurantRequest.FromString,
        inventory_service_pb2.GetRestaurantResponse.SerializeToString,
    )
    _, service, method = GET.split("/")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


async def edge(calls_max: int = 2_048) -> Served:
    server = GrpcServer(RpcSettings(port=0, calls_max=calls_max), OneUseCase(at_once))  # type: ignore[arg-type]
    await server.start()
    return server, server.address


async def measured_edge() -> Served:
    show_measurements(0)
    return await edge()


async def refusing_edge() -> Served:
    return await edge(calls_max=0)


WAYS: Mapping[str, Callable[[], Awaitable[Served]]] = {
    "edge": edge,
    "edge, measured": measured_edge,
    "edge, refusing": refusing_edge,
    "gRPC alone": plain,
}


async def serve(way: str) -> None:
    configure_logs()
    server, address = await WAYS[way]()
    print(address, flush=True)
    await asyncio.Event().wait()
    del server


async def ask(address: str, calls: int) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GET)
        metadata = grpc.aio.Metadata(("x-maitred-tenant", str(uuid4())))
        request = ASK.SerializeToString()

        async def caller() -> None:
            for _ in range(calls // CALLERS):
                with suppress(grpc.aio.AioRpcError):
                    await method(request, metadata=metadata, timeout=30)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def cost_us(way: str) -> float:
    """Microseconds of processor per call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.edge_speed", way, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None, "it is a pipe"
    try:
        address = (await process.stdout.readline()).decode().strip()
        await ask(address, CALLS // 5)
        before = sum(psutil.Process(process.pid).cpu_times()[:2])
        await ask(address, CALLS)
        return (sum(psutil.Process(process.pid).cpu_times()[:2]) - before) / CALLS * 1e6
    finally:
        process.kill()
        await process.wait()


async def main() -> None:
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way, found in costs.items():
            found.append(await cost_us(way))
    for way, found in costs.items():
        ratios = [cost / of_edge for cost, of_edge in zip(found, costs["edge"], strict=True)]
        print(
            f"{way:15} {median(found):5.0f} µs  {median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]) if len(sys.argv) > 1 else main())
