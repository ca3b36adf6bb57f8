"""Calls made at the same moment, and what came of each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from maitred_client import AsyncMaitredClient, MaitredError, RetryClass, RetryPolicy
from tests.conftest import Served

AnswerT = TypeVar("AnswerT")
RequestT = TypeVar("RequestT")

ONCE_ONLY = RetryPolicy(attempts_max=1)
TIMEOUT_S = 60.0
RETRY_AFTER_S = 0.05
CHANNELS = 8


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[AnswerT]):
    answers: tuple[AnswerT, ...]
    errors: tuple[MaitredError, ...]

    @property
    def reasons(self) -> Counter[str]:
        """How often each reason came; a failure without a reason counts under its class."""
        return Counter(error.reason or type(error).__name__ for error in self.errors)


async def together(calls: Iterable[Awaitable[AnswerT]]) -> Outcomes[AnswerT]:
    """Starts all calls before waiting for any. Anything but a typed error is raised."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    errors = tuple(result for result in results if isinstance(result, MaitredError))
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, MaitredError):
            raise result
    answers = tuple(result for result in results if not isinstance(result, BaseException))
    return Outcomes(answers, errors)


async def until_answered(call: Callable[[RequestT], Awaitable[AnswerT]], request: RequestT) -> AnswerT:
    """Repeats the identical call for as long as the contract says that this is what to do."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                return await call(request)
            except MaitredError as error:
                if error.retry is not RetryClass.SAME_KEY:
                    raise
                await asyncio.sleep(error.retry_after_s or RETRY_AFTER_S)


@asynccontextmanager
async def several_clients(
    server: Served, number: int = CHANNELS
) -> AsyncIterator[Sequence[AsyncMaitredClient]]:
    """Clients without repeats, each on a connection of its own, so that every answer is seen as it was given."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                AsyncMaitredClient(
                    server.address,
                    tenant_id=server.tenant_id,
                    actor="race",
                    timeout_s=TIMEOUT_S,
                    retry=ONCE_ONLY,
                    options=(("grpc.use_local_subchannel_pool", 1),),
                )
            )
            for _ in range(number)
        ]
