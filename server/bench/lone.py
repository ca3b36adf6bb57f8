"""One caller who waits for each answer: a hold beside the same rows by raw SQL, a search beside plans."""

from collections.abc import Collection
from datetime import timedelta
from itertools import cycle, islice
from statistics import median

from server.bench.calls import plan_call, search_call
from server.bench.figures import Findings, ratio
from server.bench.floors import PARTIES
from server.bench.measured import Measured, latency_counts
from server.bench.rates import floors_to_plan_on
from server.bench.sizes import MainSizes
from server.bench.stage import Stage, opening

QUARTER = timedelta(minutes=15)
# Quarters of an hour at which a stay can begin on a day of the measured restaurants.
STARTS_A_DAY = 40


async def measure_lone_holds(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Medians of one caller, and of one connection, in turns. The first turn warms up."""
    place, clients = stage.place, stage.clients
    restaurants = await place.restaurants(sizes.restaurants, sizes.tables)
    ours: list[Measured] = []
    raw: list[Measured] = []
    async for repeat in stage.repeats("a lone hold", sizes.repeats):
        seats = await place.seats(restaurants, 2 * sizes.lone)
        if repeat % 2:
            ours.append(await clients.hold(place.address, seats[: sizes.lone], 1))
            raw.append(await clients.write_raw(place.url, seats[sizes.lone :], 1))
        else:
            raw.append(await clients.write_raw(place.url, seats[sizes.lone :], 1))
            ours.append(await clients.hold(place.address, seats[: sizes.lone], 1))
    medians = [[each.percentile_ms(50) for each in side[1:]] for side in (ours, raw)]
    return Findings(
        (ratio("lone_hold_p50_vs_raw_sql", medians[0], medians[1]),),
        {"lone_hold_p50_ms": median(medians[0]), "lone_raw_hold_p50_ms": median(medians[1])},
        latencies={"lone_hold": latency_counts(ours[1:]), "lone_raw_hold": latency_counts(raw[1:])},
    )


async def measure_availability(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Processor time of the server for one plan ÷ for one slot of a search, on the same floors with the same claims.

    Half of the tables are taken all day; parties and starts are spread over the day in both. One plan for each slot
    would be as many calls, of which each pays for its own way in and out.
    """
    place, clients = stage.place, stage.clients
    planned = await floors_to_plan_on(stage, sizes.planned_tables)
    starts = [opening() + QUARTER * number for number in range(STARTS_A_DAY)]
    slots = list(islice(zip(cycle(PARTIES), cycle(starts), strict=False), sizes.slots))
    searches = [search_call(restaurant_id, slots) for restaurant_id in islice(cycle(planned), sizes.searches)]
    asked = list(zip(cycle(planned), slots, strict=False))
    plans = [plan_call(restaurant_id, size, start) for restaurant_id, (size, start) in asked]
    per_plan, per_slot = [], []
    async for _repeat in stage.repeats("a search beside plans", sizes.repeats):
        searched = await clients.send(place.address, searches, 1)
        planning = await clients.send(place.address, plans, 1)
        per_slot.append(searched.processor_per_call_ms("server") / sizes.slots)
        per_plan.append(planning.processor_per_call_ms("server"))
    return Findings(
        (ratio("availability_per_slot", per_plan[1:], [max(ms, 1e-6) for ms in per_slot[1:]]),),
        {"plan_processor_ms": median(per_plan[1:]), "slot_processor_ms": median(per_slot[1:])},
    )
