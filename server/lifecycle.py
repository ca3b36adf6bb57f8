"""Starting and stopping the parts of a process, in order."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from server.clock import Deadline

log = structlog.get_logger(__name__)

CANCEL_AGAIN_S = 0.1


def stop_signals() -> tuple[signal.Signals, ...]:
    """What asks this process to stop. The end of its terminal does, unless nohup had it ignored."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT) if ignored else (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def say_nothing() -> None:
    """Nobody waits for it."""


async def asked_to_stop(ready: Callable[[], None], hurry: Callable[[], None]) -> None:
    """Returns at the first of `stop_signals`; each further one calls `hurry`. `ready` says that they are heard."""
    asked = asyncio.Event()

    def on_signal() -> None:
        if asked.is_set():
            hurry()
        asked.set()

    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    ready()
    await asked.wait()


class ConfigurationProblem(Exception):  # it is what the reader sees: a problem, not an error of the code
    """A part cannot start as it is configured. `setting` names what has to change."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")


class Grace:
    """How long stopping may take. Whoever is in a hurry ends it early."""

    def __init__(self, seconds: float) -> None:
        self._deadline = Deadline.after(seconds)
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Ends the grace now."""
        self._hurry.set()

    def remaining_s(self) -> float:
        return 0.0 if self._hurry.is_set() else self._deadline.remaining_s()

    async def wait_for(self, work: Awaitable[object]) -> bool:
        """Waits for `work` as long as the grace lasts, and says whether it was done. Work that was not is
        cancelled."""
        working = asyncio.ensure_future(work)
        hurried = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait(
                {working, hurried}, timeout=self.remaining_s(), return_when=asyncio.FIRST_COMPLETED
            )
            if working.done():
                await working
            return working.done()
        finally:
            hurried.cancel()
            working.cancel()


async def end_task(task: "asyncio.Task[None] | None") -> None:
    """Cancels a task and waits until it is over; what it raises is of no interest any more.

    Again and again, because a cancellation can be lost on its way: one that comes in the middle of a statement or a
    connection attempt can come out of the driver as an error of its own, which the task survives.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
    if task is not None:
        unheard(task)


def unheard(ended: "asyncio.Task[Any]") -> None:
    """A task whose end is of no interest any more, however it ended: nothing is logged of it."""
    if not ended.cancelled():
        ended.exception()


async def _nothing() -> None:
    return None


async def _let_go(_: Grace) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is started once and stopped once. A part that failed to start cleans up after itself."""

    name: str
    start: Callable[[], Awaitable[None]] = _nothing
    stop: Callable[[Grace], Awaitable[None]] = _let_go


class Service(Protocol):
    """Something that runs in the background. Stopping it twice is harmless."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def service_part(name: str, service: Service) -> Part:
    """A service as a part; it ends itself in good time."""

    async def stop(_: Grace) -> None:
        await service.stop()

    return Part(name, service.start, stop)


def closing_part(name: str, close: Callable[[], Awaitable[object]]) -> Part:
    """Something that is there already and has to be closed in the end."""

    async def stop(_: Grace) -> None:
        await close()

    return Part(name, stop=stop)


def keep_what_is_there() -> None:
    """For a process that has started and will do the same for long: what is there stays, so that the collector need not
    look at it again, and what comes is mostly gone with its call, so that it need not look often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


class Lifecycle:
    """Starts parts in order and stops them in reverse, each exactly once, whatever the others do."""

    def __init__(self, parts: Sequence[Part], grace_s: float) -> None:
        self._parts = tuple(parts)
        self._grace_s = grace_s
        self._started: list[Part] = []
        self._stopping: asyncio.Task[None] | None = None
        self._grace: Grace | None = None

    async def start(self) -> None:
        """Starts every part. When one fails, those already started are stopped again and its error is raised."""
        for part in self._parts:
            try:
                await part.start()
            except BaseException:
                await self.stop()
                raise
            self._started.append(part)
            log.debug("part_started", part=part.name)

    async def stop(self) -> None:
        """Stops what was started, last first. Stopping again waits for the same stop."""
        if self._stopping is None:
            self._grace = Grace(self._grace_s)
            self._stopping = asyncio.create_task(self._stop(self._grace))
        await asyncio.shield(self._stopping)

    def hurry(self) -> None:
        """Ends the grace of a stop that is under way."""
        if self._grace is not None:
            self._grace.hurry()

    async def _stop(self, grace: Grace) -> None:
        while self._started:
            part = self._started.pop()
            try:
                await part.stop(grace)
            except Exception:
                log.exception("part_did_not_stop_cleanly", part=part.name)
            else:
                log.debug("part_stopped", part=part.name)

    async def wait_for_signal(self, ready: Callable[[], None] = say_nothing) -> None:
        """Waits for one of `stop_signals`. A second signal, while it stops, ends the grace.

        `ready` is called when signals are looked out for: whoever reads what it says can stop the process at once.
        """
        await asked_to_stop(ready, self.hurry)
        log.info("stopping", grace_s=self._grace_s)
