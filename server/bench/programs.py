"""Servers and workers of a measurement, in processes of their own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from server.bootstrap import StartError
from server.launcher import ending_with_us

START_TIMEOUT_S = 60.0
# A line of a log holds an event at most; the limit of the streams is far above it.
LINE_BYTES_MAX = 2**20
PROGRAM = ("-c", "from server.entry import main; main()")
SERVER = ("-m", "server.bench.serving_child")
READY = "working;"
SERVING = "serving on "
END_TIMEOUT_S = 30.0
QUIET = {"log_level": "error", "host": "127.0.0.1", "port": "0"}

OnLine = Callable[[str], None]


def _ignore(_line: str) -> None:
    """What it says is of no interest."""


class Program:
    """A running process. `kill` is `kill -9`."""

    def __init__(self, process: Process, on_line: OnLine) -> None:
        self._process = process
        self._on_line = on_line
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None

    async def ready(self, sign: str) -> str:
        """The line that begins with `sign`; lines are read until the process ends. Raises `StartError`."""
        self._reading = asyncio.create_task(self._read(sign))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await self._ready
        except TimeoutError:
            raise StartError(f"a process was not ready within {START_TIMEOUT_S:g} s") from None

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def end(self) -> None:
        """SIGTERM, and what it does then."""
        self._process.terminate()
        async with asyncio.timeout(END_TIMEOUT_S):
            await self._process.wait()

    async def _read(self, sign: str) -> None:
        assert self._process.stderr is not None, "it is a pipe"
        said: list[str] = []
        async for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip("\n")
            if self._ready.done():
                self._on_line(line)
            elif line.startswith(sign):
                self._ready.set_result(line)
            else:
                said.append(line)
        if not self._ready.done():
            self._ready.set_exception(StartError("\n".join(("a process did not start:", *said[-20:]))))


@asynccontextmanager
async def running(
    *arguments: str, sign: str, settings: Mapping[str, str], on_line: OnLine = _ignore
) -> AsyncIterator[tuple[Program, str]]:
    """Python with these arguments, and the line with which it said that it is ready. Killed when the block is left.

    Raises `StartError` with what it said when it ends before that, or takes too long.
    """
    environment = {**os.environ, **{f"MAITRED_{name.upper()}": value for name, value in settings.items()}}
    process = await asyncio.create_subprocess_exec(
        *ending_with_us(sys.executable, *arguments),
        env=environment,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        limit=LINE_BYTES_MAX,
        # Ctrl-C is for whoever measures; what is measured runs on until that one ends it.
        start_new_session=True,
    )
    program = Program(process, on_line)
    try:
        yield program, await program.ready(sign)
    finally:
        await program.kill()


@asynccontextmanager
async def worker(url: str, on_line: OnLine = _ignore, **settings: str) -> AsyncIterator[Program]:
    """A real `maitred worker`. `on_line` gets the lines of its log, which are JSON."""
    given = {"database_url": url, "log_format": "json", "log_level": "error", **settings}
    async with running(*PROGRAM, "worker", sign=READY, settings=given, on_line=on_line) as (program, _):
        yield program


@asynccontextmanager
async def server(
    url: str,
    *,
    processes: int = 1,
    with_outbox: bool = True,
    profile: Path | None = None,
    bounds: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[str]:
    """The address of a real server; without outbox it neither writes events nor announces what was committed.

    With a `profile` it is asked to stop in the end, and writes there where its time went. `bounds` are settings of how
    much it bears.
    """
    settings = {"database_url": url, **QUIET, "processes": str(processes), **bounds}
    choice = "with-outbox" if with_outbox else "without-outbox"
    noting = [str(profile)] if profile else []
    async with running(*SERVER, choice, *noting, sign=SERVING, settings=settings) as (program, line):
        yield line.removeprefix(SERVING)
        if profile:
            await program.end()


@asynccontextmanager
async def served(url: str, processes: int) -> AsyncIterator[str]:
    """The address of a real `maitred serve` of so many processes."""
    settings = {"database_url": url, **QUIET}
    arguments = ("serve", "--processes", str(processes))
    async with running(*PROGRAM, *arguments, sign=SERVING, settings=settings) as (program, line):
        yield line.removeprefix(SERVING).split()[0]
        # It ends its processes itself, which nobody would after `kill -9`.
        await program.end()
