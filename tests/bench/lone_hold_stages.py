"""Where the time of a hold goes when nobody else asks for anything.

`python -m tests.bench.lone_hold_stages` has one caller hold tables: by raw SQL, through a server, and by the use case
in this process: with every statement timed, and with what a server does around it. Prints milliseconds, the medians of
repeats that take turns, and what they are to those of raw SQL. A server's call that does nothing stands beside them.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import uvloop

from maitred.v1 import assignment_service_pb2 as pb
from server.bench.calls import EMPTY, hold_call
from server.bench.ground import Ground, own_ground
from server.bench.sizes import MAIN_FULL
from server.bench.stage import TENANT, Stage, stage_on
from server.bootstrap import serving
from server.cache.inventories import CachedInventories, CacheLimits
from server.clock import Deadline
from server.domain.restaurant import Caller
from server.orchestrator.hold_tables import HoldTables, HoldTablesCommand
from server.orchestrator.idempotency import Once
from server.persistence.announcer import Announcer
from server.persistence.bench_stock import Seat
from server.persistence.pool import DriverConnection, PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.rpc.messages.assignment import hold_tables_response, read_hold_tables
from server.telemetry.metrics import CacheMetrics
from tests.races.crew import LIMITS
from tests.races.faults import FaultPlan, Run, faulty_connection

REPEATS = 5
HOLDS = 200
WORDS = {
    "BEGIN": "  statement: begin",
    "pg_try_advisory_xact_lock": "  statement: lock, ledger, look",
    "INSERT INTO": "  statement: write",
    "COMMIT": "  statement: commit",
}
RAW = "by raw SQL"
EMPTY_CALL = "a call that does nothing"
CALL = "through a server"
BESIDES = "  the rest, without a call that does nothing"
USE_CASE = "the use case alone"
DECIDING = "  the rest"
AROUND = "the same from bytes to bytes, others told of it"


@dataclass(slots=True)
class Watch(FaultPlan):
    """Lets every statement pass, and notes how many milliseconds it took from the question to the answer."""

    spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def passing(self, connection: DriverConnection, query: str, run: Run) -> Any:
        started_s = perf_counter()
        try:
            return await run()
        finally:
            name = next((name for words, name in WORDS.items() if words in query), "  statement: another")
            self.spent[name].append((perf_counter() - started_s) * 1e3)

    def medians(self, where: str) -> dict[str, float]:
        """Of each statement since the last time, by name and `where` it was asked."""
        found = {f"{name}{where}": median(times) for name, times in self.spent.items()}
        self.spent.clear()
        return found


Hold: TypeAlias = Callable[[Seat], Awaitable[object]]
CALLER = Caller(TENANT, "bench", frozenset())


def on_commands(hold: HoldTables) -> Hold:
    """By the use case alone."""

    def held(seat: Seat) -> Awaitable[object]:
        command = HoldTablesCommand(uuid4(), "", seat.restaurant_id, seat.booking_id, (seat.table_id,))
        return hold(CALLER, command, Deadline.after(30.0))

    return held


def on_bytes(hold: HoldTables) -> Hold:
    """With the request read and the answer written, as a server does."""

    async def held(seat: Seat) -> object:
        request = pb.HoldTablesRequest.FromString(hold_call(seat)[1])
        answer = await hold(CALLER, read_hold_tables(request), Deadline.after(30.0))
        return hold_tables_response(answer).SerializeToString()

    return held


async def median_ms(hold: Hold, seats: Iterable[Seat]) -> float:
    took: list[float] = []
    for seat in seats:
        started_s = perf_counter()
        await hold(seat)
        took.append((perf_counter() - started_s) * 1e3)
    return median(took)


@dataclass(frozen=True, slots=True)
class Ways:
    """A server in this process, and the use case without one: alone, and with all that a server does around it but the
    call. `watch` sees the statements of the server and of the use case alone.
    """

    watch: Watch
    address: str
    alone: Hold
    around: Hold


@asynccontextmanager
async def ways_on(ground: Ground) -> AsyncIterator[Ways]:
    watch, wanted = Watch(), PoolSettings(ground.url, size_min=1, size_max=4)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(ground.settings, ground.url, faulty_connection(watch))
        )
        timed = await open_pool(wanted, faulty_connection(watch))
        stack.push_async_callback(timed.close)
        plain = await open_pool(wanted)
        stack.push_async_callback(plain.close)
        announcer = Announcer(plain, ground.settings.announce_interval_s)
        await announcer.start()
        stack.push_async_callback(announcer.stop)
        inventories = CachedInventories(CacheLimits(100, 600.0), CacheMetrics())
        alone, around = (
            HoldTables(Once(store), inventories, uuid4, LIMITS)
            for store in (
                SqlStore(timed, StoreSettings()),
                SqlStore(plain, StoreSettings(), announcer.announce),
            )
        )
        yield Ways(watch, server.address, on_commands(alone), on_bytes(around))


async def one_repeat(stage: Stage, restaurants: Sequence[UUID], ways: Ways) -> dict[str, float]:
    place, clients = stage.place, stage.clients
    seats = await place.seats(restaurants, 4 * HOLDS)
    turns = [seats[first : first + HOLDS] for first in range(0, 4 * HOLDS, HOLDS)]
    raw = (await clients.write_raw(place.url, turns[0], 1)).percentile_ms(50)
    empty = (await clients.send(place.address, [EMPTY] * HOLDS, 1)).percentile_ms(50)
    ways.watch.spent.clear()
    called = (await clients.send(ways.address, list(map(hold_call, turns[1])), 1)).percentile_ms(50)
    in_server = ways.watch.medians(", in the server")
    alone = await median_ms(ways.alone, turns[2])
    statements = ways.watch.medians("")
    return {
        RAW: raw,
        EMPTY_CALL: empty,
        CALL: called,
        **in_server,
        BESIDES: called - empty - sum(in_server.values()),
        USE_CASE: alone,
        **statements,
        DECIDING: alone - sum(statements.values()),
        AROUND: await median_ms(ways.around, turns[3]),
    }


async def main() -> None:
    async with (
        own_ground(print) as ground,
        stage_on(ground, 1) as stage,
        ways_on(ground) as ways,
    ):
        restaurants = await stage.place.restaurants(MAIN_FULL.restaurants, MAIN_FULL.tables)
        repeats = stage.repeats("a lone hold", REPEATS)
        found = [await one_repeat(stage, restaurants, ways) async for _repeat in repeats]
    for name in found[-1]:
        values = [each[name] for each in found[1:]]
        ratios = [each[name] / each[RAW] for each in found[1:]]
        print(
            f"{name:47} {median(values):6.2f} ms  {median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    uvloop.run(main())
