"""Programs that tests run as a person would: in a process of their own, judged by what they print."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.cli.failures import ExitCode

PROGRAM = (sys.executable, "-c", "from server.entry import main; main()")
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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAITRED_")}
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT}/gen:{ROOT}/clients", "COLUMNS": "200"}
    environment |= {f"MAITRED_{name.upper()}": value for name, value in (settings or {}).items()}
    if scratch is not None:
        environment |= {"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp")}
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, stdout=PIPE, stderr=PIPE, env=environment, cwd=scratch or ROOT
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


async def run(*arguments: str, scratch: Path | None = None) -> Ended:
    async with started(*arguments, scratch=scratch) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


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
