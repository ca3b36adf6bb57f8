"""More processes, and more callers than can be served: what a busy server makes of either."""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
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
HURRIED_S = 1.0
# Together as many calls as are served in about two thirds of that time; docs/operations.md has the rule.
FOR_HURRIED = {"calls_waiting_max": "256", "calls_in_flight_max": "384"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """Callers who wait so long, and what the server is told besides its defaults."""

    patience_s: float
    bounds: Mapping[str, str] = field(default_factory=dict)


CROWDS = {
    "overload": Crowd(TIMEOUT_S),
    "overload_hurried": Crowd(HURRIED_S, FOR_HURRIED),
    "overload_hurried_untold": Crowd(HURRIED_S),
}


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
                measured = await clients.hold(addresses[processes], seats, sizes.callers)
                rates[processes].append(measured.rate)
    series = {"holds": tuple(median(each[1:]) for each in rates.values())}
    curve = Curve(
        "holds_by_processes", "Holds per second", "server processes", "per second", tuple(rates), series
    )
    return Findings((ratio("second_process", rates[2][1:], rates[1][1:]),), {}, (curve,))


async def measure_overload(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Holds per second while twice as many arrive as were served at best ÷ that best: from callers with much time, from
    those with little and a server that is set for them, and from those with little and a server that is not.

    At twice the load they arrive at equal distances, whatever becomes of those before. What is not done is no part of
    the throughput; what became of it, and how soon it was refused, is told beside it.
    """
    place, clients = stage.place, stage.clients
    restaurants = await place.restaurants(sizes.restaurants, sizes.tables)
    kept: dict[str, list[float]] = {key: [] for key in CROWDS}
    beside: list[dict[str, float]] = []
    async with AsyncExitStack() as stack:
        addresses = {
            key: await stack.enter_async_context(programs.server(stage.ground.url, bounds=crowd.bounds))
            for key, crowd in CROWDS.items()
        }
        async for _repeat in stage.repeats("twice the load", sizes.repeats):
            told: dict[str, float] = {}
            for key, crowd in CROWDS.items():
                seats = await place.seats(restaurants, sizes.holds)
                best = (await clients.hold(addresses[key], seats, sizes.callers)).rate
                seats = await place.seats(restaurants, round(best * TIMES * sizes.overload_s))
                calls = list(map(hold_call, seats))
                tally = await clients.send_at_rate(addresses[key], calls, best * TIMES, crowd.patience_s)
                kept[key].append(_served_per_s(tally, sizes.overload_s) / best)
                told |= _beside(key, tally)
            beside.append(told)
    return Findings(
        tuple(middle(key, shares[1:]) for key, shares in kept.items()),
        {name: median(each[name] for each in beside[1:]) for name in beside[0]},
    )


def _beside(key: str, tally: Tally) -> dict[str, float]:
    """What became of the calls: refused with a reason, ended by gRPC, or given up because their time was over; and how
    late the last hundredth of each was told, counted from when a call was to begin.
    """
    latencies = {
        "served": tally.latency(outcome=Outcome.OK),
        "refused": tally.latency(outcome=Outcome.REFUSED),
        "ended": tally.latency(status="CANCELLED"),
        "given_up": tally.latency(status="DEADLINE_EXCEEDED"),
    }
    return {
        **{f"{key}_{name}_share": each.count / tally.calls for name, each in latencies.items()},
        **{f"{key}_{name}_p99_ms": each.percentile(99) / NS_PER_MS for name, each in latencies.items()},
    }


def _served_per_s(tally: Tally, arriving_s: float) -> float:
    """In the second half of the arrivals, when whatever can fill up has filled up."""
    begin, end = (tally.first_ns + round(arriving_s * share * SECOND_NS) for share in (0.5, 1.0))
    seconds = range(-(-begin // SECOND_NS), end // SECOND_NS)
    assert seconds, "it lasts some seconds"
    return sum(tally.seconds.get(second, Counter())[OK] for second in seconds) / len(seconds)
