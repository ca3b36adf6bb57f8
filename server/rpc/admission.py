"""How many calls are in work, how many may be, and whether new ones are still taken."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import Reason, Refusal, ServiceError


class Admission:
    """Counts the calls in work from their first to their last line, whatever ends them.

    grpc's own graceful stop forgets handlers whose call was given up by the caller, although they may still use the
    database. So whoever closes the database's connections waits for `idle` first.
    """

    def __init__(self, calls_max: int, what: str = "calls") -> None:
        """`what` is the word for those that are counted."""
        self._calls_max = calls_max
        self._what = what
        self._in_work = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_work(self) -> int:
        return self._in_work

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on no call is taken. What is in work goes on."""
        self._draining = True

    async def idle(self) -> None:
        """Returns when no call is in work."""
        await self._idle.wait()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Counts one call, or raises DRAINING or SERVER_OVERLOADED."""
        if self._draining:
            raise ServiceError(
                Refusal(Reason.DRAINING, "This server process is shutting down; another one will answer.")
            )
        if self._in_work >= self._calls_max:
            raise ServiceError(
                Refusal(
                    Reason.SERVER_OVERLOADED,
                    f"The server already works on {self._calls_max} {self._what}.",
                    {"limit": str(self._calls_max)},
                )
            )
        self._in_work += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_work -= 1
            if self._in_work == 0:
                self._idle.set()
