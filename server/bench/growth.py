"""How holds and plans go on when there is more of everything: tables, restaurants, live claims."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from uuid import UUID

from server.bench import programs
from server.bench.figures import Curve, Findings, ratio
from server.bench.measured import Measured
from server.bench.rates import floors_to_plan_on, plan_calls
from server.bench.sizes import MainSizes
from server.bench.stage import Place, Stage, opening, place_at

CLAIMED_RESTAURANTS, CLAIMED_TABLES = 100, 40
# Enough to keep a server busy; more would only wait for each other's large rooms.
PLANNERS = 16


async def measure_tables(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds and plans per second over the tables of a restaurant, half of which are taken all day.

    Each has restaurants of its own: where holds have taken the other half, plans are answers of another kind.
    """
    place, clients = stage.place, stage.clients
    restaurants = {tables: await floors_to_plan_on(stage, tables) for tables in sizes.table_sizes}
    held = {tables: await floors_to_plan_on(stage, tables) for tables in sizes.table_sizes}
    holds: dict[int, list[float]] = {tables: [] for tables in restaurants}
    plans: dict[int, list[float]] = {tables: [] for tables in restaurants}
    async for _repeat in stage.repeats("growth with tables", sizes.curve_repeats):
        for tables, chosen in restaurants.items():
            calls = plan_calls(chosen, sizes.plans)
            plans[tables].append((await clients.send(place.address, calls, PLANNERS)).rate)
            holds[tables].append((await _holds(stage, place, held[tables], sizes.holds, sizes.callers)).rate)
    series = {
        "plans": tuple(median(rates[1:]) for rates in plans.values()),
        "holds": tuple(median(rates[1:]) for rates in holds.values()),
    }
    curve = Curve(
        "rates_by_tables", "Plans and holds per second", "tables", "per second", tuple(restaurants), series
    )
    return Findings((), {}, (curve,))


async def measure_restaurants(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds per second over the number of restaurants that they are spread over."""
    place = stage.place
    chosen = {count: await place.restaurants(count, sizes.tables) for count in sizes.restaurant_sizes}
    rates: dict[int, list[float]] = {count: [] for count in chosen}
    async for _repeat in stage.repeats("growth with restaurants", sizes.curve_repeats):
        for count, restaurants in chosen.items():
            measured = await _holds(stage, place, restaurants, sizes.holds, sizes.callers)
            rates[count].append(measured.rate)
    series = {"holds": tuple(median(each[1:]) for each in rates.values())}
    title = "Holds per second, spread over restaurants"
    curve = Curve("holds_by_restaurants", title, "restaurants", "per second", tuple(chosen), series)
    return Findings((), {}, (curve,))


async def measure_claims(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds per second over live claims: a database and a server for each number of them, which take turns.

    All have the same restaurants, and holds fall on the days that the claims are on, at other tables.
    """
    rates: dict[int, list[float]] = {claims: [] for claims in sizes.claim_sizes}
    async with AsyncExitStack() as stack:
        filled = {
            claims: await stack.enter_async_context(_filled(stage, sizes, claims))
            for claims in sizes.claim_sizes
        }
        for repeat in range(sizes.repeats + 1):
            stage.ground.report(f"growth with live claims, repeat {repeat} of {sizes.repeats}")
            for claims in sorted(filled, reverse=bool(repeat % 2)):
                place, restaurants = filled[claims]
                measured = await _holds(stage, place, restaurants, sizes.holds, sizes.callers)
                rates[claims].append(measured.rate)
    fewest, most = min(rates), max(rates)
    note = "" if most == 1_000_000 else f"only up to {most} claims"
    figure = ratio("claims_growth", rates[most][1:], rates[fewest][1:], note)
    series = {"holds": tuple(median(each[1:]) for each in rates.values())}
    title = "Holds per second beside live claims"
    curve = Curve("holds_by_claims", title, "live claims", "per second", tuple(rates), series)
    return Findings((figure,), {}, (curve,))


async def _holds(
    stage: Stage, place: Place, restaurants: tuple[UUID, ...], count: int, callers: int
) -> Measured:
    seats = await place.seats(restaurants, count)
    return await stage.clients.hold(place.address, seats, callers)


@asynccontextmanager
async def _filled(
    stage: Stage, sizes: MainSizes, claims: int
) -> AsyncIterator[tuple[Place, tuple[UUID, ...]]]:
    """A database of its own with so many live claims, and a server on it."""
    stage.ground.report(f"a database with {claims} live claims")
    url = await stage.ground.another_database()
    async with programs.server(url, processes=sizes.processes) as address, place_at(url, address) as place:
        restaurants = await place.restaurants(CLAIMED_RESTAURANTS, CLAIMED_TABLES)
        await place.stock.fill(restaurants, claims // CLAIMED_RESTAURANTS, opening())
        await place.stock.settle()
        assert await place.stock.claims() == claims, "each restaurant has its share"
        yield place, restaurants
