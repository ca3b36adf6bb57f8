"""The raw side of a measurement: client processes that write holds with nothing but SQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import UUID

from server.bench.measured import Measured, measured_of
from server.bench.processor import watched
from server.bench.raw_values import raw_hold
from server.persistence.bench_raw import Stamps, open_raw_pool, write_all
from server.persistence.bench_stock import Seat

SPAWN = get_context("spawn")
END_S = 10.0


class RawClientFailedError(Exception):
    """PostgreSQL refused what a raw client wrote, so its rate says nothing."""


@dataclass(frozen=True, slots=True)
class RawWork:
    """What one client process is to write."""

    tenant_id: UUID
    seats: tuple[Seat, ...]
    confirmed: bool


class RawClients:
    """Processes with a share of the connections each, which stay open from one piece of work to the next."""

    def __init__(self, clients: Sequence[tuple[BaseProcess, "Connection[Any, Any]"]]) -> None:
        self._clients = clients

    async def write(self, tenant_id: UUID, seats: Sequence[Seat], *, confirmed: bool = False) -> Measured:
        """Holds all of the seats, and confirms each hold where that is wanted. Values are made before the clock runs.

        Raises `RawClientFailedError`.
        """
        count = len(self._clients)
        for number, (_, pipe) in enumerate(self._clients):
            pipe.send(RawWork(tenant_id, tuple(seats[number::count]), confirmed))
        await self._heard()
        with watched() as processor:
            for _, pipe in self._clients:
                pipe.send(None)
            stamps = await self._heard()
        return measured_of([stamp for each in stamps for stamp in each], processor.ms)

    async def _heard(self) -> list[list[Stamps]]:
        """What each client says next."""
        heard = [await asyncio.to_thread(pipe.recv) for _, pipe in self._clients]
        for said in heard:
            if isinstance(said, str):
                raise RawClientFailedError(said)
        return heard


@asynccontextmanager
async def raw_clients(url: str, connections: int, processes: int) -> AsyncIterator[RawClients]:
    """Clients of their own, so that no single Python process limits what raw SQL can do; gone afterwards."""
    started = []
    for number in range(processes):
        here, there = SPAWN.Pipe()
        share = len(range(number, connections, processes))
        process = SPAWN.Process(target=_client, args=(url, share, there), daemon=True)
        process.start()
        there.close()
        started.append((process, here))
    try:
        yield RawClients(started)
    finally:
        for process, pipe in started:
            pipe.close()
            await asyncio.to_thread(process.join, END_S)
            process.kill()


def _client(url: str, connections: int, pipe: "Connection[Any, Any]") -> None:
    """The whole life of a client process."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(url, connections, pipe))


async def _serve(url: str, connections: int, pipe: "Connection[Any, Any]") -> None:
    pool = await open_raw_pool(url, connections)
    while True:
        try:
            work: RawWork = pipe.recv()
        except EOFError:
            break
        holds = [raw_hold(work.tenant_id, seat, confirmed=work.confirmed) for seat in work.seats]
        pipe.send([])
        pipe.recv()
        try:
            pipe.send(await write_all(pool, holds))
        except Exception as error:  # noqa: BLE001  # whatever it is, the parent has to hear of it
            pipe.send(f"{type(error).__name__}: {error}")
    await pool.close()
