"""A server to be loaded, with a database of its own, from nothing, as `maitred serve` runs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.bench import programs
from server.bench.ground import Report, own_ground

MEASUREMENTS, SERVING = "measurements on ", "serving on "
# Short enough for holds to expire while a load lasts.
HOLD_TTL_S_MIN = "1"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where the server is, and where it shows its counts."""

    address: str
    metrics_url: str


@asynccontextmanager
async def loaded_server(report: Report) -> AsyncIterator[Loaded]:
    """A durable PostgreSQL and a server, both gone when the block is left. A configured database is not touched.

    Holds may live for a second only, so that expiries can be met. Raises what `own_ground` and `programs.running`
    raise.
    """
    lines: asyncio.Queue[str] = asyncio.Queue()
    async with own_ground(report) as ground:
        settings = {
            "database_url": ground.url,
            "log_level": "error",
            "host": "127.0.0.1",
            "port": "0",
            "metrics_port": "0",
            "hold_ttl_s_min": HOLD_TTL_S_MIN,
        }
        serve = programs.running(
            *programs.PROGRAM, "serve", sign=MEASUREMENTS, settings=settings, on_line=lines.put_nowait
        )
        async with serve as (_, shown), asyncio.timeout(programs.START_TIMEOUT_S) as patience:
            address = await _address(lines)
            patience.reschedule(None)
            yield Loaded(address, shown.removeprefix(MEASUREMENTS))


async def _address(lines: "asyncio.Queue[str]") -> str:
    while not (line := await lines.get()).startswith(SERVING):
        pass
    return line.removeprefix(SERVING)
