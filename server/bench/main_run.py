"""The main run: every figure of speed with its target, in one run on one database."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from loadgen.driving import ClientEndedError, HinderedError, JobFailedError
from server.bench.crowd import measure_callers, measure_crowd
from server.bench.figures import Figure, Findings, Target
from server.bench.ground import Ground
from server.bench.growth import measure_claims, measure_restaurants, measure_tables
from server.bench.load import measure_overload, measure_processes
from server.bench.lone import measure_availability, measure_lone_holds
from server.bench.measured import RefusedError
from server.bench.planning import measure_planner
from server.bench.plans import TARGETS as PLAN_TARGETS
from server.bench.plans import measure_plans
from server.bench.rates import RATIOS, measure_rates
from server.bench.sizes import MainSizes, PlanSizes
from server.bench.stage import Stage, stage_on
from server.bootstrap import StartError

TARGETS = {
    "hold_vs_raw_sql": Target(
        "durable holds ÷ the same rows by raw SQL, a transaction each, 32 connections", 1.0, True
    ),
    "hold_vs_empty_rpc": Target("durable holds ÷ calls that do nothing", 0.55, True),
    "hold_confirm_vs_raw_sql": Target("hold and confirm ÷ the same rows by raw SQL", 1.0, True),
    "plan_warm_vs_empty_rpc": Target(
        "plans on 120 tables, floor prepared ÷ calls that do nothing", 0.5, True
    ),
    **PLAN_TARGETS,
    "availability_per_slot": Target("server time of a plan ÷ of a slot in a search of 200", 10.0, True),
    "hold_p99_at_1000": Target(
        "99th percentile of 1,000 holds in flight ÷ of calls that do nothing", 2.0, False
    ),
    "lone_hold_p50_vs_raw_sql": Target("one caller: median hold ÷ median raw SQL hold", 2.5, False),
    "plan_growth": Target("planner time at 400 tables ÷ at 100, same load, merges on", 5.0, False),
    "claims_growth": Target("holds at 1,000,000 live claims ÷ at 1,000", 0.7, True),
    "overload": Target("holds served at twice the bearable load ÷ the best", 0.85, True),
    "overload_hurried": Target(
        "the same from callers with one second, on a server that is set for them", 0.85, True
    ),
    "second_process": Target("holds with two server processes ÷ one", 1.2, True),
    "planner_ms": Target("one plan, 120 tables, merges of up to three, planner alone, ms", 1.0, False),
    "planner_ms_400": Target("the same with 400 tables, ms", 4.0, False),
}

Measure: TypeAlias = Callable[[Stage, MainSizes, Collection[str]], Awaitable[Findings]]


async def _warm_and_cold(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """Restaurants that are asked about for the first time, as many as would be in a full repeat of `bench plans`."""
    restaurants = max(2, sizes.plans // 50)
    wanted = PlanSizes(sizes.repeats, restaurants, sizes.planned_tables, max(2, sizes.plans // 5))
    found = await measure_plans(stage.ground, wanted)
    return Findings(tuple(each for each in found.figures if each.key in TARGETS), found.behind)


@dataclass(frozen=True, slots=True)
class Part:
    """A measurement, the figures that it gives, and the names of the curves it draws."""

    measure: Measure
    keys: tuple[str, ...]
    curves: tuple[str, ...] = ()
    # The name of the sizes without which there is nothing to measure.
    over: str = ""

    @property
    def gives(self) -> frozenset[str]:
        return frozenset((*self.keys, *self.curves))


PARTS: tuple[Part, ...] = (
    Part(measure_planner, ("planner_ms", "planner_ms_400", "plan_growth"), ("plan_ms_by_tables",)),
    Part(measure_rates, tuple(RATIOS)),
    Part(measure_lone_holds, ("lone_hold_p50_vs_raw_sql",)),
    Part(measure_availability, ("availability_per_slot",)),
    Part(measure_crowd, ("hold_p99_at_1000",)),
    Part(measure_callers, (), ("holds_by_callers", "hold_ms_by_callers"), "caller_sizes"),
    Part(measure_tables, (), ("rates_by_tables",), "table_sizes"),
    Part(measure_restaurants, (), ("holds_by_restaurants",), "restaurant_sizes"),
    Part(measure_claims, ("claims_growth",), ("holds_by_claims",), "claim_sizes"),
    Part(measure_processes, ("second_process",), ("holds_by_processes",), "process_sizes"),
    Part(measure_overload, ("overload", "overload_hurried"), (), "overload_s"),
    # Last: it begins with an empty database.
    Part(_warm_and_cold, ("plan_warm_vs_cold",)),
)
NAMES = frozenset(name for part in PARTS for name in part.gives)
"""Every figure and curve that can be asked for."""


def left_out(sizes: MainSizes) -> tuple[str, ...]:
    """Figures and curves that these sizes leave no room for."""
    return tuple(
        name
        for part in PARTS
        if part.over and not getattr(sizes, part.over)
        for name in (*part.keys, *part.curves)
    )


async def measure_main(
    ground: Ground, sizes: MainSizes, only: Collection[str], profile: Path | None
) -> Findings:
    """The parts that give anything of `only`, one after the other on the same database.

    What could not be measured, because calls were refused for example, is among the figures without a value. With a
    `profile` the server that most is measured on writes there where its time went.
    """
    wanted = set(only) - set(left_out(sizes))
    found = Findings((), {})
    async with stage_on(ground, sizes.clients, sizes.processes, profile) as stage:
        for part in PARTS:
            if part.gives & wanted:
                found += await measured_or_missing(part, stage, sizes, wanted & set(part.keys))
    return found


MISSED = (RefusedError, HinderedError, ClientEndedError, JobFailedError, OSError, StartError)


async def measured_or_missing(
    part: Part, stage: Stage, sizes: MainSizes, wanted: Collection[str]
) -> Findings:
    """What the part found, or figures without a value that say why: the rest of a long run is not lost with it."""
    try:
        return await part.measure(stage, sizes, wanted)
    except MISSED as error:
        why = str(error) or repr(error)
        stage.ground.report(f"NOT MEASURED: {', '.join(sorted(part.gives))}: {why}")
        names = (*wanted, *part.curves)
        return Findings(tuple(Figure(name, None, note=why) for name in names), {})
