"""Programs that tests run as a person would: in a process of their own, judged by what they print.

What is `started` starts from nothing. What is `run` to its end is run by a copy of an interpreter that has imported the
command line already, because that is most of what a short command does.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from server.cli.failures import ExitCode
from tests.support.ready_interpreter import FILES, Request

PROGRAM = (sys.executable, "-c", "from server.entry import main; main()")
READY = (sys.executable, "-c", "from tests.support.ready_interpreter import run_copies; run_copies()")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == ExitCode.OK, self.err
        return json.loads(self.out)


@asynccontextmanager
async def started(
    *arguments: str, scratch: Path | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """The program in a process of its own, killed when the block is left. `settings` by name without the prefix."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env=_environment(scratch, settings or {}),
        cwd=scratch or ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: Process, words: str) -> str:
    """What follows these words in the next line of standard error that has them; lines before it are dropped."""
    assert process.stderr is not None, "it is a pipe"
    async for line in process.stderr:
        _, found, rest = line.decode().partition(words)
        if found:
            return rest.strip()
    raise AssertionError(f"it ended before it said: {words}")


async def run(
    *arguments: str, scratch: Path | None = None, settings: Mapping[str, str] | None = None
) -> Ended:
    """What the program left behind. It is killed when nobody waits for its end any more."""
    request = Request(arguments, _environment(scratch, settings or {}), str(scratch or ROOT))
    out, err, told = await _interpreter().ask(request)
    written = asyncio.gather(out.read(), err.read())
    program = int(await told.readline())
    try:
        code = int(await told.readline())
    except asyncio.CancelledError:
        os.kill(program, signal.SIGKILL)
        raise
    return Ended(code, *(text.decode() for text in await written))


class ReadyInterpreter:
    """The other end of `tests.support.ready_interpreter`, which ends with `end`."""

    def __init__(self) -> None:
        self._asking, answering = socket.socketpair()
        with answering:
            number = answering.fileno()
            self._process = subprocess.Popen(
                [*READY, str(number)],
                env=_environment(None, {}),
                cwd=ROOT,
                pass_fds=(number,),
                # Pipes like those of the programs: what Python makes of its streams depends on what they are.
                stdout=PIPE,
                stderr=PIPE,
            )

    async def ask(self, request: Request) -> list[asyncio.StreamReader]:
        """Standard output and error of the program, and what is told about it."""
        pipes = [os.pipe() for _ in range(FILES)]
        socket.send_fds(self._asking, [request.line()], [theirs for _, theirs in pipes])
        for _, theirs in pipes:
            os.close(theirs)
        return [await _reader(ours) for ours, _ in pipes]

    def end(self) -> None:
        """Returns when it is gone, and every program with it."""
        self._asking.close()
        _, problems = self._process.communicate()
        assert self._process.returncode == 0, problems.decode()


@cache
def _interpreter() -> ReadyInterpreter:
    interpreter = ReadyInterpreter()
    atexit.register(interpreter.end)
    return interpreter


async def _reader(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(file, "rb", 0)
    )
    return reader


def _environment(scratch: Path | None, settings: Mapping[str, str]) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAITRED_")}
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT}/gen:{ROOT}/clients", "COLUMNS": "200"}
    environment |= {f"MAITRED_{name.upper()}": value for name, value in settings.items()}
    if scratch is not None:
        environment |= {"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp")}
    return environment


async def buf_curl(*arguments: str) -> str:
    """What a generic client prints that knows no proto file of ours."""
    command = (
        str(Path(sys.executable).parent / "buf"),
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
    )
    process = await asyncio.create_subprocess_exec(*command, *arguments, stdout=PIPE, stderr=PIPE)
    out, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    return out.decode()
