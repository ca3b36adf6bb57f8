"""A server to be loaded, with a database of its own, from nothing, as `maitred serve` runs it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from loadgen.checking.against_database import State
from server.bench import programs
from server.bench.ground import Report, own_ground
from server.bootstrap import StartError
from server.persistence.evidence import database_evidence

MEASUREMENTS = "measurements on "
# Short enough for holds to expire while a load lasts.
HOLD_TTL_S_MIN = "1"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where the server is, where each of its processes shows its counts, and its database, if that is known."""

    address: str
    metrics_urls: tuple[str, ...]
    database_url: str | None = None

    async def state(self, restaurant_ids: Iterable[UUID]) -> State | None:
        """The rows of these restaurants, to compare a history with."""
        if self.database_url is None:
            return None
        return State(**await database_evidence(self.database_url, restaurant_ids))


@asynccontextmanager
async def loaded_server(report: Report, processes: int) -> AsyncIterator[Loaded]:
    """A durable PostgreSQL and a server, both gone when the block is left. A configured database is not touched.

    Raises `StartError`.
    """
    async with own_ground(report) as ground, counting_server(ground.url, processes) as loaded:
        yield loaded


@asynccontextmanager
async def counting_server(url: str, processes: int) -> AsyncIterator[Loaded]:
    """A server of so many processes on a database that is there, killed when the block is left.

    Holds may live for a second only, so that expiries can be met. Raises `StartError`.
    """
    lines: asyncio.Queue[str] = asyncio.Queue()
    settings = {
        "database_url": url,
        "log_level": "error",
        "host": "127.0.0.1",
        "port": "0",
        "metrics_port": "0",
        "processes": str(processes),
        "hold_ttl_s_min": HOLD_TTL_S_MIN,
    }
    serve = programs.running(
        *programs.PROGRAM, "serve", sign=MEASUREMENTS, settings=settings, on_line=lines.put_nowait
    )
    async with serve as (_, first):
        said = [first]
        try:
            async with asyncio.timeout(programs.START_TIMEOUT_S):
                while not said[-1].startswith(programs.SERVING):
                    said.append(await lines.get())
        except TimeoutError:
            raise StartError(f"the server did not serve within {programs.START_TIMEOUT_S:g} s") from None
        shown = (line.removeprefix(MEASUREMENTS) for line in said if line.startswith(MEASUREMENTS))
        yield Loaded(said[-1].removeprefix(programs.SERVING), tuple(shown), url)
