"""Turns bytes into the request message.

grpc does that itself before anything of ours could say anything about it, and answers bytes that are no message with
INTERNAL. So the message is parsed here, inside everything else, where a failure gets a name.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from server.errors import bad_field
from server.rpc.interceptors.unary import Context, Proceed

FIELD = "request"


class Parsing:
    """Refuses messages that are too long or no messages at all."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max

    async def parsed(
        self, parse: Callable[[bytes], Any], proceed: Proceed, request: bytes, context: Context
    ) -> Any:
        """Goes on with the message instead of its bytes."""
        return await proceed(self._message(request, parse), context)

    def _message(self, request: bytes, parse: Callable[[bytes], Any]) -> Any:
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
