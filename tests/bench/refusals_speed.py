"""Many callers who are refused the same table at the same time: what it costs that refusals are told.

`python -m tests.bench.refusals_speed` has one server tell them at its own pace, each of them, and none, in turns, and
prints refused holds per second and what they are to those of a server that tells none.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from statistics import median
from time import perf_counter
from typing import TypeAlias
from unittest.mock import patch
from uuid import uuid4

from maitred_client import AsyncMaitredClient, TableConflictHeldError
from server.bootstrap import serving
from server.config import load_settings
from server.orchestrator.telling import Pace
from server.persistence.embedded import EmbeddedPostgres, find_installation
from server.persistence.migrator import Migrator, find_migrations, read_migrations
from tests.builders.world import World, small_world
from tests.support.postgres import scratch_directory

REPEATS = 16
CALLERS = 32
CALLS_EACH = 10
HOLD_TTL_S = 900

Turn: TypeAlias = Callable[[Pace, Hashable], AbstractContextManager[bool]]


def _always(due: bool) -> Turn:
    @contextmanager
    def turn(_: Pace, __: Hashable) -> Iterator[bool]:
        yield due

    return turn


WAYS: Mapping[str, Turn] = {"none": _always(False), "at its pace": Pace.turn, "each": _always(True)}


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


async def measure() -> Mapping[str, list[float]]:
    """Rates of each way, one per repeat, on a durable PostgreSQL of their own. The first turns only warm up."""
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    with scratch_directory(on_disk=True) as folder:
        postgres = EmbeddedPostgres(folder, find_installation())
        url = await postgres.start()
        try:
            await Migrator(url, read_migrations(find_migrations())).up()
            async with (
                serving(load_settings(port=0, log_level="error"), url) as server,
                AsyncMaitredClient(server.address, tenant_id=uuid4(), timeout_s=60.0) as client,
            ):
                world = await small_world(client)
                await world.hold(await world.booking(), "T1", ttl_s=HOLD_TTL_S)
                bookings = [(await world.booking()).booking_id for _ in range(CALLERS)]
                for repeat in range(REPEATS + 1):
                    for way in WAYS if repeat % 2 else reversed(list(WAYS)):
                        with patch.object(Pace, "turn", WAYS[way]):
                            rates[way].append(await storm(world, bookings))
        finally:
            await postgres.stop()
    return {way: each[1:] for way, each in rates.items()}


def main() -> None:
    rates = asyncio.run(measure())
    print(
        f"{CALLERS} callers, {REPEATS} turns each; refused holds per second, and ÷ those of the same turn without"
    )
    for way, each in rates.items():
        ratios = [rate / without for rate, without in zip(each, rates["none"], strict=True)]
        print(
            f"told {way:12} {median(each):6.0f}/s   {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
