"""What the interceptors share: how to stand around a unary call."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Proceed: TypeAlias = Callable[[Any, Context], Awaitable[Any]]


class UnaryInterceptor(grpc.aio.ServerInterceptor, ABC):
    """Stands around each unary call whose path it cares for. Streams and unknown methods pass untouched."""

    @abstractmethod
    def cares_for(self, path: str) -> bool: ...

    @abstractmethod
    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Handles one call; `proceed` goes on to what lies inside."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        path = str(handler_call_details.method)
        if handler is None or handler.unary_unary is None or not self.cares_for(path):
            return handler
        proceed: Proceed = handler.unary_unary  # type: ignore[assignment]  # the stubs only know the blocking form

        async def behaviour(request: Any, context: Context) -> Any:
            return await self.around(path, proceed, request, context)

        return grpc.unary_unary_rpc_method_handler(
            behaviour,
            handler.request_deserializer,
            handler.response_serializer,
        )
