"""Client processes: one Python can send only as much as one processor lets it.

They are started anew, never forked: gRPC's threads do not survive a fork. What goes to them and comes back is
pickled, so a job is a function of a module.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

END_S = 10.0

Part = TypeVar("Part")
Result = TypeVar("Result")
OnReport: TypeAlias = Callable[[int, Any], None]


class HinderedError(Exception):
    """What a job raises when it cannot go on and its code is not at fault; the text says why."""


class ClientEndedError(Exception):
    """A client process was ended by somebody else."""


class JobFailedError(Exception):
    """A job raised what nobody expected; the text has the lines to report."""


@dataclass(slots=True)
class Desk:
    """What a job in a client process knows of the others: its own `number` from 0 up, and when to begin and to end.

    `stopping` is set when the job is to begin nothing further and to come to an end.
    """

    number: int
    tell: Callable[[tuple[str, Any]], None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    going: asyncio.Event = field(default_factory=asyncio.Event)

    async def ready(self) -> None:
        """Says that everything is prepared, and returns once that is so in all processes of the run, or they are to
        stop.
        """
        self.tell(("ready", None))
        await self.going.wait()

    def report(self, value: object) -> None:
        """Tells whoever started the run something on the way."""
        self.tell(("report", value))


Job: TypeAlias = Callable[[Part, Desk], Awaitable[Result]]


class ClientProcesses:
    """A number of client processes that run jobs, one at a time each. Leaving the block ends them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[SpawnProcess] = []
        self._connections: list[Connection] = []
        self._inboxes: list[asyncio.Queue[tuple[str, Any] | None]] = []

    async def __aenter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for number in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, number), daemon=True)
            with _ctrl_c_kept_out():
                process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
            self._inboxes.append(_inbox(ours))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            _close(connection)
        for process in self._processes:
            await asyncio.to_thread(process.join, END_S)
            process.kill()

    async def run(
        self,
        job: Job[Part, Result],
        parts: Sequence[Part],
        on_report: OnReport = lambda _number, _value: None,
    ) -> list[Result]:
        """Gives each process its part and returns what came of them, in their order; at most one part for each
        process.

        All begin together: when a job waits for `Desk.ready`, it goes on when every one of them does. Raises
        ClientEndedError when a process ends, and when a job raises HinderedError or OSError the same, or JobFailedError
        for anything else, once the other jobs have stopped. Cancelled, it stops the processes for good.
        """
        assert len(parts) <= self._count, "a part for each process at most"
        numbers = range(len(parts))
        for number, part in zip(numbers, parts, strict=True):
            self._tell(number, ("run", (job, part)))
        waiting = set(numbers)
        results = await asyncio.gather(
            *(self._follow(number, waiting, on_report) for number in numbers), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise failures[0]
        return results  # type: ignore[return-value] # none of them is an exception

    def stop(self) -> None:
        """Asks the jobs to come to an end; `run` returns what they have so far."""
        for number in range(self._count):
            self._tell(number, ("stop", None))

    async def _follow(self, number: int, waiting: set[int], on_report: OnReport) -> Any:
        """Until the job of one process is over. Whoever is the last to be ready or over sets the others going."""
        try:
            while (message := await self._inboxes[number].get()) is not None:
                kind, value = message
                if kind == "report":
                    on_report(number, value)
                elif kind == "ready":
                    self._no_longer_waiting(number, waiting)
                elif kind == "done":
                    return value
                elif kind == "hindered":
                    raise value
                else:
                    raise JobFailedError(value)
            raise ClientEndedError(f"client process {number} was killed")
        except Exception:
            self.stop()
            raise
        finally:
            self._no_longer_waiting(number, waiting)

    def _no_longer_waiting(self, number: int, waiting: set[int]) -> None:
        if number in waiting:
            waiting.discard(number)
            if not waiting:
                for other in range(self._count):
                    self._tell(other, ("go", None))

    def _tell(self, number: int, message: tuple[str, Any]) -> None:
        # One that has ended is noticed where its messages are read.
        with contextlib.suppress(OSError):
            self._connections[number].send(message)


@contextlib.contextmanager
def _ctrl_c_kept_out() -> Iterator[None]:
    """A process that is started meanwhile never gets it, not even while it imports; here it comes afterwards.

    Ctrl-C reaches every process of a terminal; whoever started the others decides what it means.
    """
    # Starting it lets the signal through again, and would be done with the first process.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(connection: Connection, number: int) -> None:
    """A client process: runs one job after the other until nobody has any for it."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(connection, number))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(connection, number))


async def _serve(connection: Connection, number: int) -> None:
    inbox = _inbox(connection)
    desk = Desk(number, connection.send)
    running: asyncio.Task[None] | None = None
    while (message := await inbox.get()) is not None:
        kind, value = message
        if kind == "run":
            desk = Desk(number, connection.send)
            running = asyncio.create_task(_run(value[0], value[1], desk))
        elif kind == "go":
            desk.going.set()
        else:
            desk.stopping.set()
            desk.going.set()
    if running is not None:
        running.cancel()
        await asyncio.wait((running,))


async def _run(job: Job[Any, Any], part: object, desk: Desk) -> None:
    try:
        desk.tell(("done", await job(part, desk)))
    except (HinderedError, OSError) as problem:
        desk.tell(("hindered", problem))
    except Exception:  # noqa: BLE001 whoever gave the job is told, whatever it was
        desk.tell(("failed", f"in client process {desk.number}:\n{traceback.format_exc()}"))


def _inbox(connection: Connection) -> "asyncio.Queue[tuple[str, Any] | None]":
    """What comes through a connection, and None when the other side is gone."""
    inbox: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            while connection.poll():
                inbox.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            inbox.put_nowait(None)

    loop.add_reader(connection.fileno(), read)
    # uvloop makes it one that never waits, and a message that has come in part or does not fit would be an error.
    os.set_blocking(connection.fileno(), True)
    return inbox


def _close(connection: Connection) -> None:
    asyncio.get_running_loop().remove_reader(connection.fileno())
    connection.close()
