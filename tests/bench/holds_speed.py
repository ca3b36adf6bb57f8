"""One caller: HoldTables and PlanTables through the real server beside the same durable rows written by raw SQL.

`python -m tests.bench.holds_speed` prints the medians of interleaved repeats and their ratios with the spread.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from statistics import median
from time import perf_counter
from uuid import uuid4

import asyncpg

from maitred_client import AsyncMaitredClient
from maitred_client.messages import GetRestaurantRequest, PlanTablesRequest
from server.bootstrap import serving
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.persistence.migrator import Migrator, find_migrations, read_migrations
from tests.builders.world import World, evening, small_world
from tests.support.postgres import scratch_directory

REPEATS = 5
CALLS = 60
RAW = "raw SQL hold"

# What a hold writes, as a plain client would write it: one transaction, one statement per table.
RAW_STATEMENTS = (
    "UPDATE restaurants SET floor_version = floor_version + 1 WHERE restaurant_id = $1 RETURNING floor_version",
    """INSERT INTO holds (restaurant_id, hold_id, booking_id, table_ids, window_start, window_end, expires_at,
           created_at, actor, policy_version, inventory_version, assignment_epoch)
       VALUES ($1, $2, $3, ARRAY[$4::uuid], $5, $6, now() + interval '180 s', now(), 'raw', 1, 1, 1)""",
    """INSERT INTO table_claims (restaurant_id, table_id, during, kind, hold_id, booking_id, expires_at)
       VALUES ($1, $4, tstzrange($5, $6), 'hold', $2, $3, now() + interval '180 s')""",
    """INSERT INTO idempotency_ledger (tenant_id, method, request_id, request_hash, field_digests, refused, answer,
           expires_at)
       VALUES ($1, 'raw', $2, '\\x00', '{}', false, '{}', now() + interval '7 days')""",
    """INSERT INTO capacity_outbox (restaurant_id, tenant_id, floor_version, position, created_at, updated_at,
           next_attempt_at, event_type, dedupe_key, booking_id, idempotency_key, payload)
       VALUES ($1, $1, $2, 1, now(), now(), now(), 'capacity.hold.created', $3, $4, $3, '{}')""",
    """INSERT INTO audit_log (restaurant_id, tenant_id, floor_version, occurred_at, actor, action, resource,
           resource_id, reason, details)
       VALUES ($1, $1, $2, now(), 'raw', 'hold', 'booking', $3, '', '{}')""",
)


class Bench:
    """One small restaurant, and windows that nobody else uses: every call of the run gets a day of its own."""

    def __init__(self, world: World, raw: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._world = world
        self._raw = raw
        self._days = count(1)
        self._table = world.tables["T1"]

    async def _booking(self) -> tuple[str, timedelta]:
        ahead = timedelta(days=next(self._days))
        booking = await self._world.client.put_booking(self._world.booking_request(start=evening() + ahead))
        return booking.booking.booking_id, ahead

    async def empty_call(self) -> float:
        request = GetRestaurantRequest(restaurant_id=self._world.restaurant_id)
        return await _timed(lambda: self._world.client.get_restaurant(request))

    async def plan(self) -> float:
        booking_id, _ = await self._booking()
        request = PlanTablesRequest(restaurant_id=self._world.restaurant_id, booking_id=booking_id)
        return await _timed(lambda: self._world.client.plan_tables(request))

    async def hold(self) -> float:
        booking_id, _ = await self._booking()
        request = self._world.hold_request(booking_id, ["T1"])
        return await _timed(lambda: self._world.client.hold_tables(request))

    async def raw_hold(self) -> float:
        booking_id, ahead = await self._booking()
        start, hold_id = evening() + ahead, uuid4()
        restaurant_id, table_id = self._world.restaurant_id, self._table

        async def transaction() -> None:
            async with self._raw.transaction():
                bump, hold, claim, ledger, outbox, audit = RAW_STATEMENTS
                version = await self._raw.fetchval(bump, restaurant_id)
                owner = (restaurant_id, hold_id, booking_id, table_id, start, start + timedelta(hours=2))
                await self._raw.execute(hold, *owner)
                await self._raw.execute(claim, *owner)
                await self._raw.execute(ledger, restaurant_id, hold_id)
                await self._raw.execute(outbox, restaurant_id, version, str(hold_id), booking_id)
                await self._raw.execute(audit, restaurant_id, version, booking_id)

        return await _timed(transaction)


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = perf_counter()
    await work()
    return (perf_counter() - started) * 1_000


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """A durable PostgreSQL, a server and a client of their own, gone afterwards."""
    with scratch_directory(on_disk=True) as folder:
        postgres = EmbeddedPostgres(folder, find_installation())
        url = await postgres.start()
        try:
            await Migrator(url, read_migrations(find_migrations())).up()
            raw = await asyncpg.connect(url)
            async with serving(load_settings(port=0, log_level="error"), url) as server:
                async with AsyncMaitredClient(server.address, tenant_id=uuid4()) as client:
                    yield Bench(await small_world(client), raw)
                await raw.close()
        finally:
            await postgres.stop()


async def measure() -> dict[str, list[float]]:
    """Medians in milliseconds, one per repeat and kind; the kinds take turns within each repeat."""
    async with bench() as running:
        kinds = {
            "GetRestaurant": running.empty_call,
            "PlanTables": running.plan,
            RAW: running.raw_hold,
            "HoldTables": running.hold,
        }
        medians: dict[str, list[float]] = {name: [] for name in kinds}
        for repeat in range(REPEATS + 1):
            print(f"repeat {repeat} of {REPEATS}" + ("" if repeat else " (not counted)"))
            for name, call in kinds.items():
                timings = [await call() for _ in range(CALLS)]
                if repeat:
                    medians[name].append(median(timings))
    return medians


def main() -> None:
    medians = asyncio.run(measure())
    raw = medians[RAW]
    print(f"\n{'one caller':16} {'median ms':>10} {'÷ raw SQL hold':>16} {'spread':>15}")
    for name, values in medians.items():
        ratios = [value / base for value, base in zip(values, raw, strict=True)]
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(f"{name:16} {median(values):10.2f} {median(ratios):16.2f} {spread:>15}")


if __name__ == "__main__":
    main()
