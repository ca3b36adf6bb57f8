"""More processes, and more callers than can be served: what a busy server makes of either."""

from collections import Counter
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import median

from loadgen.driving import Outcome, Tally
from loadgen.driving.line import OK
from loadgen.driving.loops import SECOND_NS
from server.bench import programs
from server.bench.calls import TIMEOUT_S, hold_call
from server.bench.figures import Curve, Findings, middle, ratio
from server.bench.measured import NS_PER_MS
from server.bench.sizes import MainSizes
from server.bench.stage import LINES, Stage

TIMES = 2
# How long callers wait while more arrives than can be served, by the figure that has those.
PATIENCE_S = {"overload": TIMEOUT_S, "overload_hurried": 1.0}


async def measure_processes(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds per second of `maitred serve` with one process, with two and so on, on the same database, in turns."""
    clients = replace(stage.clients, lines=LINES)
    restaurants = await stage.place.restaurants(sizes.restaurants, sizes.tables)
    rates: dict[int, list[float]] = {processes: [] for processes in sizes.process_sizes}
    async with AsyncExitStack() as stack:
        addresses = {
            processes: await stack.enter_async_context(programs.served(stage.ground.url, processes))
            for processes in sizes.process_sizes
        }
        async for repeat in stage.repeats("server processes", sizes.repeats):
            for processes in sorted(addresses, reverse=bool(repeat % 2)):
                seats = await stage.place.seats(restaurants, sizes.holds)
                calls = list(map(hold_call, seats))
                measured = await clients.send(addresses[processes], calls, sizes.callers)
                rates[processes].append(measured.rate)
    series = {"holds": tuple(median(each[1:]) for each in rates.values())}
    curve = Curve(
        "holds_by_processes", "Holds per second", "server processes", "per second", tuple(rates), series
    )
    return Findings((ratio("second_process", rates[2][1:], rates[1][1:]),), {}, (curve,))


async def measure_overload(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds per second while twice as many arrive as were served at best ÷ that best: from callers with much time, and
    from those with little.

    At twice the load they arrive at equal distances, whatever becomes of those before. What is not done is no part of
    the throughput; what became of it, and how soon it was refused, is told beside it.
    """
    place, clients = stage.place, stage.clients
    restaurants = await place.restaurants(sizes.restaurants, sizes.tables)
    kept: dict[str, list[float]] = {key: [] for key in PATIENCE_S}
    beside: list[dict[str, float]] = []
    async for _repeat in stage.repeats("twice the load", sizes.repeats):
        seats = await place.seats(restaurants, sizes.holds)
        best = (await clients.send(place.address, list(map(hold_call, seats)), sizes.callers)).rate
        told: dict[str, float] = {}
        for key, patience_s in PATIENCE_S.items():
            seats = await place.seats(restaurants, round(best * TIMES * sizes.overload_s))
            calls = list(map(hold_call, seats))
            tally = await clients.send_at_rate(place.address, calls, best * TIMES, patience_s)
            kept[key].append(_served_per_s(tally, sizes.overload_s) / best)
            told |= _beside(key, tally)
        beside.append(told)
    return Findings(
        tuple(middle(key, shares[1:]) for key, shares in kept.items()),
        {name: median(each[name] for each in beside[1:]) for name in beside[0]},
    )


def _beside(key: str, tally: Tally) -> dict[str, float]:
    """Shares of the calls that were refused, and that ended without an answer of the server; times count from when a
    call was to begin.
    """
    outcomes = tally.outcomes()
    return {
        f"{key}_refused_share": outcomes[Outcome.REFUSED] / tally.calls,
        f"{key}_unanswered_share": outcomes[Outcome.UNKNOWN] / tally.calls,
        **{
            f"{key}_{name}_p99_ms": tally.latency(outcome=outcome).percentile(99) / NS_PER_MS
            for name, outcome in (
                ("served", Outcome.OK),
                ("refused", Outcome.REFUSED),
                ("unanswered", Outcome.UNKNOWN),
            )
        },
    }


def _served_per_s(tally: Tally, arriving_s: float) -> float:
    """In the second half of the arrivals, when whatever can fill up has filled up."""
    begin, end = (tally.first_ns + round(arriving_s * share * SECOND_NS) for share in (0.5, 1.0))
    seconds = range(-(-begin // SECOND_NS), end // SECOND_NS)
    assert seconds, "it lasts some seconds"
    return sum(tally.seconds.get(second, Counter())[OK] for second in seconds) / len(seconds)
