"""The callers of a measurement: client processes that speak to a server, or write the same with SQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from loadgen.driving import CallsPart, ClientProcesses, metadata_of, send_calls
from loadgen.driving.tally import Tally
from server.bench.calls import Call, OpenPart, PairsPart, hold_call, send_at_rate, send_pairs
from server.bench.measured import Measured, measured_of
from server.bench.processor import watched
from server.bench.raw_side import RawPart, write_raw
from server.persistence.bench_stock import Seat

WorkT = TypeVar("WorkT")


@dataclass(frozen=True, slots=True)
class Clients:
    """Client processes of one tenant. What is in flight is shared out among them.

    Each process has `lines` connections of its own to a server: several, so that they reach every process of it. A
    process with fewer calls in flight has no more connections than calls.
    """

    tenant_id: UUID
    count: int
    processes: ClientProcesses
    lines: int = 1
    metadata: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", metadata_of(self.tenant_id, "bench"))

    async def send(self, address: str, calls: Sequence[Call], in_flight: int) -> Measured:
        """Each call once, so many at a time. Raises `RefusedError` unless all succeed."""
        parts = [
            CallsPart(address, self.metadata, share, each, lines=min(self.lines, each))
            for share, each in self._shares(calls, in_flight)
        ]
        with watched() as processor:
            tallies = await self.processes.run(send_calls, parts)
        return measured_of(tallies, processor.ms)

    async def hold(self, address: str, seats: Sequence[Seat], in_flight: int) -> Measured:
        """Each seat is held. Raises `RefusedError` unless all succeed."""
        return await self.send(address, list(map(hold_call, seats)), in_flight)

    async def hold_and_confirm(self, address: str, seats: Sequence[Seat], in_flight: int) -> Measured:
        """A hold and its confirm are one operation. Raises `RefusedError` unless all succeed."""
        parts = [
            PairsPart(address, self.metadata, tuple(share), each, min(self.lines, each))
            for share, each in self._shares(seats, in_flight)
        ]
        with watched() as processor:
            tallies = await self.processes.run(send_pairs, parts)
        return measured_of(tallies, processor.ms)

    async def send_at_rate(
        self, address: str, calls: Sequence[Call], per_s: float, timeout_s: float
    ) -> Tally:
        """Each call once, at its time, whatever became of those before. Refusals are counted."""
        parts = [
            OpenPart(address, self.metadata, tuple(share), per_s / each_of, timeout_s, self.lines)
            for share, each_of in ((calls[n :: self.count], self.count) for n in range(self.count))
        ]
        together = Tally()
        for tally in await self.processes.run(send_at_rate, parts):
            together.merge(tally)
        return together

    async def write_raw(
        self, url: str, seats: Sequence[Seat], connections: int, *, confirmed: bool = False
    ) -> Measured:
        """Holds, or holds with their confirms, by plain SQL. Raises what PostgreSQL refuses."""
        parts = [
            RawPart(url, each, self.tenant_id, tuple(share), confirmed)
            for share, each in self._shares(seats, connections)
        ]
        with watched() as processor:
            results = await self.processes.run(write_raw, parts)
        own = sum(result.processor_ms for result in results)
        return measured_of((result.tally for result in results), {**processor.ms, "clients": own})

    def _shares(self, work: Sequence[WorkT], in_flight: int) -> list[tuple[Sequence[WorkT], int]]:
        """Work and places of each process; a process without a place gets no work."""
        places = [len(range(number, in_flight, self.count)) for number in range(self.count)]
        busy = [each for each in places if each]
        return [(work[number :: len(busy)], each) for number, each in enumerate(busy)]


@asynccontextmanager
async def clients_of(tenant_id: UUID, count: int, lines: int) -> AsyncIterator[Clients]:
    """So many processes, gone when the block is left."""
    async with ClientProcesses(count) as processes:
        yield Clients(tenant_id, count, processes, lines)
