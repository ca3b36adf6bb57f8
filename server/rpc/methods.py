"""Every method that the server answers, each with what stands around it, put together once."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import grpc
import grpc.aio

from server.rpc.interceptors.parsing import Parsing
from server.rpc.interceptors.unary import Context, Handler, Proceed, UnaryInterceptor, proceed_of


class Methods(grpc.GenericRpcHandler):
    """Takes services as a server does, and is the one handler that the server asks.

    grpc's own interceptors are asked again for each call, and its registered methods make the server wait for each of
    them in turn: both cost every call more than most calls need. So services are offered here and to no server.
    """

    def __init__(self, around: Sequence[UnaryInterceptor], parsing: Parsing) -> None:
        """`around` from the outside in; parsing is the innermost."""
        self._around = tuple(around)
        self._parsing = parsing
        self._offered: list[grpc.GenericRpcHandler] = []
        self._ready: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._offered.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """What is registered is offered by a generic handler as well."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a method, or None where there is no such method."""
        path = handler_call_details.method
        ready = self._ready.get(path)
        if ready is None:
            ready = self._found(path, handler_call_details)
            if ready is not None:
                self._ready[path] = ready
        return ready

    def _found(self, path: str, details: grpc.HandlerCallDetails) -> Handler:
        for offered in self._offered:
            handler = offered.service(details)
            if handler is not None:
                return self._surrounded(path, handler)
        return None

    def _surrounded(self, path: str, handler: Any) -> Handler:
        proceed = proceed_of(handler)
        if proceed is None:
            return handler  # type: ignore[no-any-return]  # of a request stream
        if handler.request_deserializer is not None:
            proceed = partial(self._parsing.parsed, handler.request_deserializer, proceed)
        for interceptor in reversed(self._around):
            if interceptor.cares_for(path):
                proceed = partial(interceptor.around, path, proceed)
        kind = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return kind(_plain(proceed), None, handler.response_serializer)


def _plain(proceed: Proceed) -> Proceed:
    """The same as a coroutine function, which is what grpc looks for at each call; it recognises others slowly.

    Nothing is raised for a call that has its status already, so that whoever traces calls sees no exception in it.
    """

    async def behaviour(request: Any, context: Context) -> Any:
        try:
            return await proceed(request, context)
        except grpc.aio.AbortError as ended:
            # The call keeps it, and its frames know the call: all of that would wait for the collector.
            ended.__traceback__ = None
            return None

    return behaviour
