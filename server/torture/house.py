"""All that is tortured: PostgreSQL, servers, workers and a receiver of events, with passages between them."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import psutil

from server.bench.webhooks import SECRET, listening
from server.bootstrap import StartError, explaining, migrate_up
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.rpc.health import ask_health
from server.torture.answers import AnswerLoss, LostAnswers
from server.torture.passage import Passage, TcpTarget, UnixTarget
from server.torture.programs import PROGRAM, Program
from server.torture.receiver import Receiver

READY_WAIT_S = 60.0
HEALTH_WAIT_S = 2.0
LOOK_S = 0.05
LOG_SHOWN_MAX = 2_000
POOL = 12
# Connections that a process has beside its pool, and those for whoever looks from outside.
BESIDE_POOL, LOOKERS = 6, 12
# Short waits, so that many things go wrong in little time; what they are for is the same as with long ones.
SETTINGS = {
    "MAITRED_POOL_SIZE_MIN": "1",
    "MAITRED_POOL_SIZE_MAX": str(POOL),
    "MAITRED_HEALTH_INTERVAL_S": "0.2",
    "MAITRED_HOLD_TTL_S_MIN": "1",
    "MAITRED_LEASE_S": "5",
    "MAITRED_EVENT_TIMEOUT_S": "4",
    "MAITRED_EVENT_RETRY_S": "0.05",
    "MAITRED_EVENT_RETRY_S_MAX": "1",
    "MAITRED_RELAY_POLL_S": "0.2",
    "MAITRED_RESCUE_S": "0.2",
    "MAITRED_SWEEP_S": "1",
    "MAITRED_SINKS": "webhook",
    "MAITRED_WEBHOOK_TIMEOUT_S": "2",
    "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "1",
    "MAITRED_WEBHOOK_SECRET": SECRET,
    "MAITRED_LOG_FORMAT": "json",
    "MAITRED_LOG_LEVEL": "error",
}


@dataclass(frozen=True, slots=True)
class House:
    """`url` leads straight to the database, past the passage that servers and workers use. `address` is the front
    passage's. `servers` is one server, or the supervisor of several.
    """

    url: str
    address: str
    postgres: EmbeddedPostgres
    servers: Program
    processes: int
    workers: tuple[Program, ...]
    port: int
    front: Passage
    back: Passage
    answers: LostAnswers
    receiver: Receiver
    connections_max: int

    @property
    def programs(self) -> tuple[Program, ...]:
        return (self.servers, *self.workers)

    def server_processes(self) -> list[psutil.Process]:
        """Those that serve, without the one that looks after several."""
        return self.servers.children() if self.processes > 1 else self.servers.itself()

    async def start(self) -> None:
        """Starts what does not run, and waits until somebody serves. Raises `StartError`."""
        await self.start_postgres()
        for worker in self.workers:
            await worker.start()
        until = monotonic() + READY_WAIT_S
        while not (await ask_health(f"127.0.0.1:{self.port}", HEALTH_WAIT_S)).serving:
            if monotonic() > until:
                raise StartError(f"no server serves: {self.said()}")
            await self.servers.start()
            await asyncio.sleep(LOOK_S)

    async def start_postgres(self) -> None:
        """Twice is harmless. Raises `StartError`."""
        with explaining():
            await self.postgres.start()

    def said(self) -> str:
        """The end of what the servers said."""
        return self.servers.log()[-LOG_SHOWN_MAX:]

    def logs(self) -> dict[str, str]:
        """What each program has said, in all its lives."""
        named = {f"worker {number}": program.log() for number, program in enumerate(self.workers, 1)}
        return {"servers": self.servers.log(), **named}


@asynccontextmanager
async def house(servers: int, workers: int, answers: LostAnswers) -> AsyncIterator[House]:
    """A durable PostgreSQL on disk and everything else, from nothing; gone when the block is left.

    Raises `StartError`.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_open_folder())
        connections_max = LOOKERS + (servers + workers) * (POOL + BESIDE_POOL)
        with explaining():
            postgres = EmbeddedPostgres(folder / "data", find_installation(), connections_max=connections_max)
            stack.callback(postgres.kill)
            url = await postgres.start()
        await migrate_up(load_settings(), url)
        receiver = Receiver()
        receiver_port = await stack.enter_async_context(listening(receiver))
        back, passed_url = await _back(url, folder)
        stack.push_async_callback(back.close)
        port = _free_port()
        front = Passage(TcpTarget(port), partial(AnswerLoss, answers))
        stack.push_async_callback(front.close)
        address = f"127.0.0.1:{await front.listen_tcp()}"
        serving, working = _programs(passed_url, receiver_port, port, servers, workers, folder)
        for program in (serving, *working):
            stack.push_async_callback(program.kill_all)
        running = House(
            *(url, address, postgres, serving, servers, working, port),
            *(front, back, answers, receiver, connections_max),
        )
        await running.start()
        yield running


@contextmanager
def _open_folder() -> Iterator[Path]:
    """A folder that the account that PostgreSQL runs under when we are root can pass through."""
    with tempfile.TemporaryDirectory(prefix="maitred-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def _programs(
    url: str, receiver_port: int, port: int, servers: int, workers: int, logs: Path
) -> tuple[Program, tuple[Program, ...]]:
    """The servers and the workers, not started yet."""
    settings = {
        **SETTINGS,
        "MAITRED_WEBHOOK_URL": f"http://127.0.0.1:{receiver_port}/events",
        "MAITRED_DATABASE_URL": url,
    }
    serving = (*PROGRAM, "serve", "--port", str(port), "--processes", str(servers))
    working = (
        Program((*PROGRAM, "worker"), settings, logs / f"worker-{number}.log") for number in range(workers)
    )
    return Program(serving, settings, logs / "servers.log"), tuple(working)


async def _back(url: str, folder: Path) -> tuple[Passage, str]:
    """A passage to PostgreSQL, and the URL that leads through it."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    name = f".s.PGSQL.{query['port'][0]}"
    passage = Passage(UnixTarget(Path(query["host"][0]) / name))
    beside = folder / "passage"
    beside.mkdir(mode=0o700)
    await passage.listen_unix(beside / name)
    through = parts._replace(query=urlencode(query | {"host": [str(beside)]}, doseq=True))
    return passage, urlunsplit(through)


def _free_port() -> int:
    """A server has to come back at the port that its passage knows."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
