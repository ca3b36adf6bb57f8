"""Work that is done again and again in the background."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from server.errors import ServiceError
from server.lifecycle import end_task
from server.telemetry.pulse import Pulse

log = structlog.get_logger(__name__)

FAILURES_DOUBLED_MAX = 6
ROUND_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`every_s` seconds lie between two rounds, more or less a tenth, so that many processes don't move in step.

    After failures the wait doubles, up to `longest_s`: what is done rarely is tried again sooner than that. A round
    that did as much as it may is followed by the next at once.
    """

    every_s: float
    longest_s: float
    random: Callable[[], float]

    def wait_s(self, failures: int) -> float:
        doubled = self.every_s * 2.0 ** min(failures, FAILURES_DOUBLED_MAX)
        return (min(doubled, self.longest_s) if failures else self.every_s) * (0.9 + 0.2 * self.random())


class Periodic:
    """Calls `run_once` in a rhythm. A round says how many rows it touched; with `rows_max` of them there is more to do.

    `start`, `stop` and `run_once` can be called by hand; stopping twice is harmless. A round that raises is logged and
    tried again later: nothing ends the service but `stop`. `pulse` tells how it is doing; a round that takes longer
    than `round_s_max` seconds, and longer than lies between two rounds, is one that hangs.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[int]],
        rhythm: Rhythm,
        rows_max: int = 1,
        round_s_max: float = ROUND_S_MAX,
    ) -> None:
        self.name = name
        self.pulse = Pulse(name, max(round_s_max, rhythm.every_s))
        self._work = work
        self._rhythm = rhythm
        self._rows_max = rows_max
        self._task: asyncio.Task[None] | None = None

    async def run_once(self) -> bool:
        """Whether there is more to do right away. Raises what the work raises."""
        with self.pulse.round():
            rows = await self._work()
        self.pulse.rows += rows
        return rows >= self._rows_max

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Ends the present round; what it did not commit is left undone."""
        task, self._task = self._task, None
        await end_task(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task is self._task:
            log.critical("service_ended", service=self.name)
            self.pulse.end()

    async def _run(self) -> None:
        while True:
            try:
                more = await self.run_once()
            except (ServiceError, TimeoutError) as problem:
                # The database is away, busy or silent: that needs words, and no traceback for each round of all.
                more = False
                log.warning(
                    "round_failed",
                    service=self.name,
                    failures=self.pulse.failures,
                    problem=str(problem),
                    cause=repr(problem.__cause__),
                )
            except Exception:
                more = False
                log.exception("round_failed", service=self.name, failures=self.pulse.failures)
            if not more:
                await asyncio.sleep(self._rhythm.wait_s(self.pulse.failures))
