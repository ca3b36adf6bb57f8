"""Calls per second beside what stands next to them: the same rows by raw SQL, and calls that do nothing."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import TypeAlias
from uuid import UUID

from server.bench.calls import EMPTY, Call, plan_call
from server.bench.figures import Figure, Findings, middle, ratio
from server.bench.floors import PARTIES, SEATINGS
from server.bench.measured import Measured, latency_counts
from server.bench.sizes import MainSizes
from server.bench.stage import Stage, opening

Side: TypeAlias = Callable[[], Awaitable[Measured]]

# What is divided by what.
RATIOS: Mapping[str, tuple[str, str]] = {
    "hold_vs_raw_sql": ("hold", "raw_hold"),
    "hold_vs_empty_rpc": ("hold", "empty_rpc"),
    "hold_confirm_vs_raw_sql": ("hold_confirm", "raw_hold_confirm"),
    "plan_warm_vs_empty_rpc": ("plan_warm", "empty_rpc"),
}
RAW = frozenset({"raw_hold", "raw_hold_confirm"})
# Floors to plan on, with every second table taken for a whole day.
PLANNED_RESTAURANTS = 4


async def measure_rates(stage: Stage, sizes: MainSizes, wanted: Collection[str]) -> Findings:
    """Every side that a wanted figure needs, in turns; who begins takes turns as well. The first turn warms up."""
    needed = {side for key in wanted for side in RATIOS[key]}
    sides = {name: side for name, side in (await _sides(stage, sizes, needed)).items() if name in needed}
    found: dict[str, list[Measured]] = {name: [] for name in sides}
    async for repeat in stage.repeats("rates", sizes.repeats):
        names = list(sides) if repeat % 2 else list(reversed(sides))
        for name in names:
            found[name].append(await sides[name]())
    counted = {name: measured[1:] for name, measured in found.items()}
    figures = [figure for key in RATIOS if key in wanted for figure in _figures(key, counted)]
    return Findings(
        tuple(figures),
        {key: value for name, measured in counted.items() for key, value in _behind(name, measured).items()},
        latencies={name: latency_counts(measured) for name, measured in counted.items()},
    )


async def _sides(stage: Stage, sizes: MainSizes, needed: Collection[str]) -> Mapping[str, Side]:
    work = _Work(stage, sizes, await stage.place.restaurants(sizes.restaurants, sizes.tables), ())
    if "plan_warm" in needed:
        work = _Work(stage, sizes, work.restaurants, await floors_to_plan_on(stage, sizes.planned_tables))
    await stage.place.stock.settle()
    return {
        "empty_rpc": work.empty,
        "raw_hold": work.raw_hold,
        "hold": work.hold,
        "raw_hold_confirm": work.raw_hold_confirm,
        "hold_confirm": work.hold_confirm,
        "plan_warm": work.plan_warm,
    }


async def floors_to_plan_on(stage: Stage, tables: int) -> tuple[UUID, ...]:
    """Restaurants of so many tables, every second one taken all day."""
    planned = await stage.place.restaurants(PLANNED_RESTAURANTS, tables)
    await stage.place.stock.fill(planned, SEATINGS * tables // 2, opening())
    return planned


def plan_calls(restaurants: Sequence[UUID], number: int) -> list[Call]:
    """So many questions for the same evening, restaurants and party sizes in turns."""
    asked = islice(zip(cycle(restaurants), cycle(PARTIES), strict=False), number)
    return [plan_call(restaurant_id, size, opening()) for restaurant_id, size in asked]


@dataclass(frozen=True, slots=True)
class _Work:
    """One repeat of each side."""

    stage: Stage
    sizes: MainSizes
    restaurants: tuple[UUID, ...]
    planned: tuple[UUID, ...]

    async def empty(self) -> Measured:
        calls = [EMPTY] * self.sizes.calls
        return await self.stage.clients.send(self.stage.place.address, calls, self.sizes.callers)

    async def raw_hold(self) -> Measured:
        place = self.stage.place
        seats = await place.seats(self.restaurants, self.sizes.holds)
        return await self.stage.clients.write_raw(place.url, seats, self.sizes.connections)

    async def hold(self) -> Measured:
        place = self.stage.place
        seats = await place.seats(self.restaurants, self.sizes.holds)
        return await self.stage.clients.hold(place.address, seats, self.sizes.callers)

    async def raw_hold_confirm(self) -> Measured:
        place = self.stage.place
        seats = await place.seats(self.restaurants, self.sizes.pairs)
        return await self.stage.clients.write_raw(place.url, seats, self.sizes.connections, confirmed=True)

    async def hold_confirm(self) -> Measured:
        place = self.stage.place
        seats = await place.seats(self.restaurants, self.sizes.pairs)
        return await self.stage.clients.hold_and_confirm(place.address, seats, self.sizes.callers)

    async def plan_warm(self) -> Measured:
        calls = plan_calls(self.planned, self.sizes.plans)
        return await self.stage.clients.send(self.stage.place.address, calls, self.sizes.callers)


def _figures(key: str, counted: Mapping[str, list[Measured]]) -> tuple[Figure, Figure]:
    """The ratio of the rates, and for comparison that of the processor time of whatever does the work."""
    over, under = (counted[side] for side in RATIOS[key])
    rates = ratio(key, [each.rate for each in over], [each.rate for each in under])
    costs = [_cost_ms(side, counted[side]) for side in RATIOS[key]]
    # Upside down, because less is more here.
    processor = [theirs / max(ours, 1e-9) for ours, theirs in zip(*costs, strict=True)]
    return rates, middle(f"{key}_processor", processor, "the same by processor time of a call")


def _cost_ms(side: str, measured: list[Measured]) -> list[float]:
    """A raw client is to its rows what a server is to its: both turn a wish into statements."""
    doing = "clients" if side in RAW else "server"
    return [each.processor_per_call_ms(doing, "database") for each in measured]


def _behind(name: str, measured: list[Measured]) -> Mapping[str, float]:
    programs = ("clients" if name in RAW else "server", "database")
    return {
        f"{name}_per_s": median(each.rate for each in measured),
        f"{name}_p50_ms": median(each.percentile_ms(50) for each in measured),
        f"{name}_p99_ms": median(each.percentile_ms(99) for each in measured),
        **{
            f"{name}_{program}_processor_ms": median(each.processor_per_call_ms(program) for each in measured)
            for program in programs
        },
    }
