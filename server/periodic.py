"""Work that is done again and again in the background."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from server.lifecycle import end_task

log = structlog.get_logger(__name__)

FAILURES_DOUBLED_MAX = 6


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`every_s` seconds lie between two rounds, more or less a tenth, so that many processes don't move in step.

    After failures the wait doubles, up to `longest_s`, which is not less than `every_s`. A round that did as much as it
    may is followed by the next at once.
    """

    every_s: float
    longest_s: float
    random: Callable[[], float]

    def wait_s(self, failures: int) -> float:
        doubled = self.every_s * 2.0 ** min(failures, FAILURES_DOUBLED_MAX)
        return min(doubled, self.longest_s) * (0.9 + 0.2 * self.random())


class Periodic:
    """Calls `run_once` in a rhythm. It returns whether there is more to do right away.

    `start`, `stop` and `run_once` can be called by hand; stopping twice is harmless. A round that raises is logged and
    tried again later: nothing ends the service but `stop`.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], rhythm: Rhythm) -> None:
        self.name = name
        self._work = work
        self._rhythm = rhythm
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    async def run_once(self) -> bool:
        return await self._work()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Ends the present round; what it did not commit is left undone."""
        task, self._task = self._task, None
        await end_task(task)

    async def _run(self) -> None:
        while True:
            try:
                more = await self.run_once()
                self.failures = 0
            except Exception:
                more = False
                self.failures += 1
                log.exception("round_failed", service=self.name, failures=self.failures)
            if not more:
                await asyncio.sleep(self._rhythm.wait_s(self.failures))
