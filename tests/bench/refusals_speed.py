"""Many callers who are refused the same table at the same time: refused holds per second.

`python -m tests.bench.refusals_speed` prints the median of its repeats and their spread. Compare two versions by
running them in turn.
"""

import asyncio
from contextlib import suppress
from statistics import median
from time import perf_counter
from uuid import uuid4

from maitred_client import AsyncMaitredClient, TableConflictHeldError
from server.bootstrap import serving
from server.config import load_settings
from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.persistence.migrator import Migrator, find_migrations, read_migrations
from tests.builders.world import World, small_world
from tests.support.postgres import scratch_directory

REPEATS = 7
CALLERS = 32
CALLS_EACH = 25


async def storm(world: World, bookings: list[str]) -> float:
    """How many holds per second are refused while every caller asks again as soon as it has its answer."""

    async def ask(booking_id: str) -> None:
        for _ in range(CALLS_EACH):
            with suppress(TableConflictHeldError):
                await world.client.hold_tables(world.hold_request(booking_id, ["T1"]))
                raise AssertionError("the table is held by somebody else")

    started = perf_counter()
    await asyncio.gather(*(ask(booking_id) for booking_id in bookings))
    return CALLERS * CALLS_EACH / (perf_counter() - started)


async def measure() -> list[float]:
    """Rates, one per repeat, on a durable PostgreSQL of their own."""
    with scratch_directory(on_disk=True) as folder:
        postgres = EmbeddedPostgres(folder, find_installation())
        url = await postgres.start()
        try:
            await Migrator(url, read_migrations(find_migrations())).up()
            async with (
                serving(load_settings(port=0, log_level="error"), url) as server,
                AsyncMaitredClient(server.address, tenant_id=uuid4()) as client,
            ):
                world = await small_world(client)
                await world.hold(await world.booking(), "T1")
                bookings = [(await world.booking()).booking_id for _ in range(CALLERS)]
                return [await storm(world, bookings) for _ in range(REPEATS + 1)][1:]
        finally:
            await postgres.stop()


def main() -> None:
    rates = asyncio.run(measure())
    print(f"{CALLERS} callers: {median(rates):.0f} refused holds/s ({min(rates):.0f}-{max(rates):.0f})")


if __name__ == "__main__":
    main()
