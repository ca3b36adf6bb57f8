"""Many callers at once: how long holds take among a thousand, and how rate and patience go with the crowd."""

from collections.abc import Collection
from statistics import median

from server.bench.calls import EMPTY
from server.bench.figures import Curve, Findings, ratio
from server.bench.measured import Measured, latency_counts
from server.bench.sizes import MainSizes
from server.bench.stage import Stage

# A crowd's first calls all wait for each other; enough come after them.
CALLS_PER_CALLER = 3


async def measure_crowd(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """A thousand holds in flight beside a thousand calls that do nothing, in turns. The first turn warms up."""
    place, clients = stage.place, stage.clients
    restaurants = await place.restaurants(sizes.restaurants, sizes.tables)
    holds: list[Measured] = []
    empty: list[Measured] = []
    async for _repeat in stage.repeats(f"{sizes.crowd} callers", sizes.repeats):
        seats = await place.seats(restaurants, sizes.crowd_holds)
        holds.append(await clients.hold(place.address, seats, sizes.crowd))
        calls = [EMPTY] * sizes.crowd_holds
        empty.append(await clients.send(place.address, calls, sizes.crowd))
    longest = [[each.percentile_ms(99) for each in side[1:]] for side in (holds, empty)]
    return Findings(
        (ratio("hold_p99_at_1000", longest[0], longest[1]),),
        {"crowd_hold_p99_ms": median(longest[0]), "crowd_empty_rpc_p99_ms": median(longest[1])},
        latencies={"crowd_hold": latency_counts(holds[1:]), "crowd_empty_rpc": latency_counts(empty[1:])},
    )


async def measure_callers(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Rate and latency of holds over the number of callers."""
    place = stage.place
    restaurants = await place.restaurants(sizes.restaurants, sizes.tables)
    found: dict[int, list[Measured]] = {callers: [] for callers in sizes.caller_sizes}
    for repeat in range(sizes.curve_repeats):
        stage.ground.report(f"crowds of holders, repeat {repeat + 1} of {sizes.curve_repeats}")
        for callers, measured in found.items():
            count = max(min(sizes.holds, sizes.lone * callers), CALLS_PER_CALLER * callers)
            seats = await place.seats(restaurants, count)
            measured.append(await stage.clients.hold(place.address, seats, callers))
    rates = {"holds": tuple(median(each.rate for each in measured) for measured in found.values())}
    waits = {
        f"{percent}th percentile": tuple(
            median(each.percentile_ms(percent) for each in measured) for measured in found.values()
        )
        for percent in (50, 99)
    }
    asked = tuple(found)
    return Findings(
        (),
        {},
        (
            Curve("holds_by_callers", "Holds per second", "callers", "per second", asked, rates),
            Curve("hold_ms_by_callers", "How long a hold takes", "callers", "ms", asked, waits),
        ),
    )
