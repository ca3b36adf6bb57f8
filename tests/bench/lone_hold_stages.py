"""Where the time of a hold goes when nobody else asks for anything.

`python -m tests.bench.lone_hold_stages` has one caller hold tables: by raw SQL, through a server, and by the use case
in this process with every statement timed. Prints milliseconds, the medians of repeats that take turns, and what they
are to those of raw SQL. A server's call that does nothing stands beside them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import uvloop

from server.bench.calls import EMPTY, hold_call
from server.bench.ground import own_ground
from server.bench.sizes import MAIN_FULL
from server.bench.stage import TENANT, Stage, stage_on
from server.cache.inventories import CachedInventories, CacheLimits
from server.clock import Deadline
from server.domain.restaurant import Caller
from server.orchestrator.hold_tables import HoldTables, HoldTablesCommand
from server.orchestrator.idempotency import Once
from server.persistence.bench_stock import Seat
from server.persistence.pool import DriverConnection, PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.telemetry.metrics import CacheMetrics
from tests.races.crew import LIMITS
from tests.races.faults import FaultPlan, Run, faulty_connection

REPEATS = 5
HOLDS = 200
WORDS = {
    "BEGIN": "  statement: begin",
    "pg_try_advisory_xact_lock": "  statement: lock, ledger",
    "to_jsonb(j) AS auto_assign_job": "  statement: look",
    "INSERT INTO": "  statement: write",
    "COMMIT": "  statement: commit",
}
RAW = "by raw SQL"
EMPTY_CALL = "a call that does nothing"
CALL = "through a server"
USE_CASE = "the use case alone"
DECIDING = "  everything else of it"


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


async def hold_one_by_one(hold: HoldTables, seats: Iterable[Seat], watch: Watch) -> Mapping[str, float]:
    """Median milliseconds of the use case and of what it consists of."""
    caller = Caller(TENANT, "bench", frozenset())
    watch.spent.clear()
    whole: list[float] = []
    for seat in seats:
        command = HoldTablesCommand(uuid4(), "", seat.restaurant_id, seat.booking_id, (seat.table_id,))
        started_s = perf_counter()
        await hold(caller, command, Deadline.after(30.0))
        whole.append((perf_counter() - started_s) * 1e3)
    statements = {name: median(times) for name, times in watch.spent.items()}
    return {USE_CASE: median(whole), **statements, DECIDING: median(whole) - sum(statements.values())}


async def one_repeat(
    stage: Stage, restaurants: Sequence[UUID], hold: HoldTables, watch: Watch
) -> dict[str, float]:
    place, clients = stage.place, stage.clients
    seats = await place.seats(restaurants, 3 * HOLDS)
    raw = await clients.write_raw(place.url, seats[:HOLDS], 1)
    empty = await clients.send(place.address, [EMPTY] * HOLDS, 1)
    called = await clients.send(place.address, list(map(hold_call, seats[HOLDS : 2 * HOLDS])), 1)
    return {
        RAW: raw.percentile_ms(50),
        EMPTY_CALL: empty.percentile_ms(50),
        CALL: called.percentile_ms(50),
        **await hold_one_by_one(hold, seats[2 * HOLDS :], watch),
    }


async def main() -> None:
    watch = Watch()
    async with own_ground(print) as ground, stage_on(ground, 1) as stage:
        pool = await open_pool(PoolSettings(ground.url, size_min=1, size_max=4), faulty_connection(watch))
        try:
            store = SqlStore(pool, StoreSettings(), lambda _announcement: None)
            inventories = CachedInventories(CacheLimits(100, 600.0), CacheMetrics())
            hold = HoldTables(Once(store), inventories, uuid4, LIMITS)
            restaurants = await stage.place.restaurants(MAIN_FULL.restaurants, MAIN_FULL.tables)
            repeats = stage.repeats("a lone hold", REPEATS)
            found = [await one_repeat(stage, restaurants, hold, watch) async for _repeat in repeats]
        finally:
            await pool.close()
    for name in found[-1]:
        values = [each[name] for each in found[1:]]
        ratios = [each[name] / each[RAW] for each in found[1:]]
        print(
            f"{name:27} {median(values):6.2f} ms  {median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    uvloop.run(main())
