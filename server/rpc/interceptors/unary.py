"""What the interceptors share: how to stand around a call with one request.

Handlers of answer streams write into the context, and are coroutines like all others. So whoever cancels the call
cancels the handler where it waits, and what it uses is given back there and then; a suspended generator would keep it
until it is collected.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from server.rpc.scopes import is_house_call

# The caller's time runs out that much before ours: by what the call took to us.
ON_THE_WAY_S = 0.05

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
# The stubs of grpc only know the blocking form.
Proceed: TypeAlias = Callable[[Any, Context], Awaitable[Any]]


class UnaryInterceptor(ABC):
    """Stands around each call with one request whose path it cares for. Everything else passes untouched.

    What `proceed` returns is the response, or nothing where the answer is a stream.
    """

    def cares_for(self, path: str) -> bool:
        """Unless it says otherwise, about the methods of the contract."""
        return is_house_call(path)

    @abstractmethod
    async def around(self, path: str, proceed: Proceed, request: Any, context: Context) -> Any:
        """Handles one call; `proceed` goes on to what lies inside."""


def is_late(remaining_s: float | None) -> bool:
    """Whether a call that is cancelled with so much time left has run out of it, and was not given up."""
    return remaining_s is not None and remaining_s <= ON_THE_WAY_S


def proceed_of(handler: Any) -> Proceed | None:
    """What a handler does with one request; None for handlers of request streams and for generators."""
    behaviour = handler.unary_unary or handler.unary_stream
    return behaviour if inspect.iscoroutinefunction(behaviour) else None
