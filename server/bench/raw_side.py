"""The raw side of a measurement: a job for client processes that write holds with nothing but SQL."""

import time
from dataclasses import dataclass
from uuid import UUID

from loadgen.driving import Desk, Limit, Reply, Tally, closed_loop
from server.bench.raw_values import raw_hold
from server.persistence.bench_raw import RawWriters, open_raw_writers
from server.persistence.bench_stock import Seat

OK = "OK"

# Connections of this client process by database; they stay open from one piece of work to the next, as a client's do.
_open: dict[tuple[str, int], RawWriters] = {}


@dataclass(frozen=True, slots=True)
class RawPart:
    """What one client process is to write: each seat is held, and each hold confirmed where that is wanted."""

    url: str
    connections: int
    tenant_id: UUID
    seats: tuple[Seat, ...]
    confirmed: bool


@dataclass(frozen=True, slots=True)
class RawResult:
    """What came of it; `processor_ms` is what the client itself used for all of it."""

    tally: Tally
    processor_ms: float


async def write_raw(part: RawPart, desk: Desk) -> RawResult:
    """The job for `ClientProcesses.run`. Values are made before the clock runs.

    Raises what PostgreSQL refuses: nothing is measured then.
    """
    writers = await _writers(part)
    holds = [raw_hold(part.tenant_id, seat, confirmed=part.confirmed) for seat in reversed(part.seats)]
    tally = Tally()

    async def operate(intended_ns: int) -> None:
        await writers.write(holds.pop())
        tally.note("raw SQL", Reply(OK, "", b"", time.monotonic_ns()), intended_ns)

    await desk.ready()
    used_s = time.process_time()
    await closed_loop(operate, part.connections, Limit(len(part.seats)))
    return RawResult(tally, (time.process_time() - used_s) * 1000)


async def _writers(part: RawPart) -> RawWriters:
    key = (part.url, part.connections)
    if key not in _open:
        _open[key] = await open_raw_writers(part.url, part.connections)
    return _open[key]
