"""Finds the handler of each call without leaving anything to Python's collector.

gRPC's server for asyncio finds it by a function within a function, which know each other. So every call leaves seven
objects behind, its metadata among them, that the collector has to find: again and again it goes through all that is in
work, and meanwhile nobody is answered.
"""

from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it is compiled

# What gRPC calls the coroutine function that finds a handler, and what it is called with. It offers no other way in.
FINDING = "_find_method_handler"
FINDS_BY = ("method", "metadata", "method_resolver", "interceptors")

_by_grpc: Any = getattr(cygrpc, FINDING, None)


def find_without_garbage() -> None:
    """From now on, for every server of the process. Where gRPC has changed, all is as it was, and a test fails."""
    code = getattr(_by_grpc, "__code__", None)
    if code is not None and code.co_varnames[: code.co_argcount] == FINDS_BY:
        setattr(cygrpc, FINDING, _found)


async def _found(method: str, metadata: Any, method_resolver: Any, interceptors: Any) -> Any:
    """Interceptors, which there are where calls are traced, are left to gRPC."""
    if interceptors:
        return await _by_grpc(method, metadata, method_resolver, interceptors)
    return method_resolver.resolve_handler(cygrpc._HandlerCallDetails(method, metadata))
