"""How long a plan takes with a floor that is prepared, with one that is not yet, and without keeping any."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from statistics import median
from uuid import UUID, uuid4

from maitred_client import AsyncMaitredClient
from server.bench.figures import Findings, Target, ratio
from server.bench.floors import PARTIES, House, floor_in_rows, open_house
from server.bench.ground import Ground, Stopwatch
from server.bench.sizes import PlanSizes
from server.bootstrap import serving
from server.config import Settings

TARGETS = {
    "plan_warm_vs_cold": Target("first plan of a floor ÷ a later one, medians", 3.0, True),
}


async def measure_plans(ground: Ground, sizes: PlanSizes) -> Findings:
    """One caller asks a real server for plans, each time about the next of several restaurants.

    Each repeat has a new server: its first question about a restaurant meets an empty cache, the later ones a full one.
    A second server keeps one floor, and is never asked twice in a row about the same: it prepares every time.
    """
    await ground.events.clear()
    tenant = uuid4()
    async with (
        serving(ground.settings, ground.url) as server,
        AsyncMaitredClient(server.address, tenant_id=tenant) as client,
    ):
        ground.report(f"{sizes.restaurants} restaurants of {sizes.tables} tables")
        houses = [await open_house(client, floor_in_rows(sizes.tables)) for _ in range(sizes.restaurants)]
        first = await open_house(client, floor_in_rows(sizes.tables))
    without_cache = ground.settings.model_copy(update={"inventories_cached_max": 1})
    cold, warm, without = [], [], []
    for repeat in range(sizes.repeats):
        ground.report(f"plans, repeat {repeat + 1} of {sizes.repeats}")
        async with _asking(ground.settings, ground.url, tenant, first) as client:
            cold.append(await _median_ms(client, houses, len(houses)))
            warm.append(await _median_ms(client, houses, sizes.calls))
        async with _asking(without_cache, ground.url, tenant, first) as client:
            without.append(await _median_ms(client, houses, sizes.calls))
    return Findings(
        (ratio("plan_warm_vs_cold", cold, warm), ratio("plan_warm_vs_uncached", without, warm)),
        {"cold_ms": median(cold), "warm_ms": median(warm), "without_cache_ms": median(without)},
    )


@asynccontextmanager
async def _asking(
    settings: Settings, url: str, tenant: UUID, first: House
) -> AsyncIterator[AsyncMaitredClient]:
    """The client of a new server that has met everything once except the restaurants to be asked about."""
    async with (
        serving(settings, url) as server,
        AsyncMaitredClient(server.address, tenant_id=tenant) as client,
    ):
        await _median_ms(client, [first], len(PARTIES))
        yield client


async def _median_ms(client: AsyncMaitredClient, houses: Sequence[House], calls: int) -> float:
    taken = []
    for house, party_size in islice(zip(cycle(houses), cycle(PARTIES), strict=False), calls):
        request = house.question(party_size)
        watch = Stopwatch()
        await client.plan_tables(request)
        taken.append(watch.seconds * 1000)
    return median(taken)
