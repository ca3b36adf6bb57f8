"""Turns bytes into the request message.

grpc does that itself before any interceptor could say anything about it, and answers bytes that are no message with
INTERNAL. So the message is parsed here, inside everything else, where a failure gets a name.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from server.errors import bad_field
from server.rpc.interceptors.unary import Context, Handler, Proceed, proceed_of, with_behaviour

FIELD = "request"


class ParsingInterceptor(grpc.aio.ServerInterceptor):
    """Refuses messages that are too long or no messages at all. Has to be the innermost interceptor."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        proceed = proceed_of(handler)
        if handler is None or proceed is None or handler.request_deserializer is None:
            return handler
        return with_behaviour(handler, self._parsing(handler.request_deserializer, proceed), None)

    def _parsing(self, parse: Callable[[bytes], Any], proceed: Proceed) -> Proceed:
        async def behaviour(request: bytes, context: Context) -> Any:
            return await proceed(self._parsed(request, parse), context)

        return behaviour

    def _parsed(self, request: bytes, parse: Callable[[bytes], Any]) -> Any:
        if len(request) > self._message_bytes_max:
            raise bad_field(
                FIELD,
                f"the message has {len(request)} bytes; at most {self._message_bytes_max} are accepted",
                limit=self._message_bytes_max,
            )
        try:
            return parse(request)
        except DecodeError:
            raise bad_field(FIELD, "the bytes are not a message of this method's request type") from None
