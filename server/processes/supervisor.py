"""Several server processes on one port, looked after by this one, which serves nobody itself.

They are started as programs of their own: gRPC does not survive being forked. The kernel gives each new connection to
one of those that listen on the port.
"""

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from pydantic import SecretStr

from server.config import Settings, as_environment
from server.lifecycle import asked_to_stop, end_task, say_nothing
from server.part_settings import log_form
from server.processes.port import reserved_port
from server.processes.server_process import CHILD, ServerProcess
from server.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

# What a process may take beyond its grace before it is killed.
OVERTIME_S = 5.0


class ServerProcesses:
    """All of them, serving at `address`."""

    def __init__(self, processes: Sequence[ServerProcess], grace_s: float) -> None:
        self._processes = tuple(processes)
        self._grace_s = grace_s
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        return self._processes[0].address

    @property
    def metrics(self) -> tuple[str, ...]:
        """Where each shows its measurements, in the order of their numbers; nothing where they don't."""
        return tuple(process.metrics for process in self._processes if process.metrics)

    async def start(self) -> None:
        """Returns when all of them serve. Raises `StartError` with the words of the first that cannot."""
        await asyncio.gather(*(process.start() for process in self._processes))
        self._keeping = [asyncio.create_task(process.keep()) for process in self._processes]

    async def wait(self, ready: Callable[[], None] = say_nothing) -> None:
        """Until a stop signal. A second one cuts the drain short. `ready` says that they are looked out for."""
        await asked_to_stop(ready, lambda: self._tell_all(signal.SIGTERM))
        log.info("stopping", grace_s=self._grace_s)

    async def drain(self) -> None:
        """Lets each finish what it has in work, within its grace, and waits for it. Twice is harmless."""
        for keeping in self._keeping:
            await end_task(keeping)
        self._tell_all(signal.SIGTERM)
        ended = asyncio.gather(*(process.ended() for process in self._processes))
        try:
            await asyncio.wait_for(asyncio.shield(ended), self._grace_s + OVERTIME_S)
        except TimeoutError:
            log.warning("server_processes_killed")
            self._tell_all(signal.SIGKILL)
            await ended

    def _tell_all(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.tell(number)


@asynccontextmanager
async def several_serving(
    settings: Settings, url: str, program: str = CHILD
) -> AsyncIterator[ServerProcesses]:
    """`settings.processes` servers on this database, drained when the block is left. Raises `StartError`."""
    configure_logs(log_form(settings), settings.log_level)
    with reserved_port(settings.host, settings.port) as port:
        environment = as_environment(_of_each(settings, url, port))
        processes = ServerProcesses(
            [ServerProcess(number, environment, program) for number in range(settings.processes)],
            settings.drain_s,
        )
        try:
            await processes.start()
            yield processes
        finally:
            await processes.drain()


def _of_each(settings: Settings, url: str, port: int) -> Settings:
    """Together they use as many connections as one would, and begin as many transactions: more of either don't make a
    database faster.
    """
    share = math.ceil(settings.pool_size_max / settings.processes)
    return settings.model_copy(
        update={
            "database_url": SecretStr(url),
            "port": port,
            "pool_size_max": max(settings.pool_size_min, share),
            "groups_max": math.ceil(settings.groups_max / settings.processes),
            "log_format": log_form(settings).value,
        }
    )
