"""How long the planner alone takes for a plan: no server, no database, floors prepared."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter
from uuid import UUID

from server.bench.figures import Curve, Figure, Findings, middle, ratio
from server.bench.rooms import questions, room
from server.bench.sizes import MainSizes
from server.bench.stage import Stage
from server.planner.lookahead import Waiting
from server.planner.plan import Question, plan_tables

# The share of the evening that each table is taken for.
LOAD = 0.5
LOADS = (0.0, LOAD, 0.9)
SMALL, USUAL, LARGE = 100, 120, 400
WAITING = 50


async def measure_planner(stage: Stage, sizes: MainSizes, _: Collection[str]) -> Findings:
    """The median over questions about one evening, repeats of all sizes in turns."""
    return await asyncio.to_thread(_measure, stage, sizes)


def _measure(stage: Stage, sizes: MainSizes) -> Findings:
    asked = {
        (tables, load): questions(room(tables), load, sizes.questions)
        for tables in sizes.planner_sizes
        for load in LOADS
    }
    ahead = [replace(question, waiting=_waiting(asked[USUAL, LOAD])) for question in asked[USUAL, LOAD]]
    found: dict[tuple[int, float], list[float]] = {size: [] for size in asked}
    with_waiting = []
    for repeat in range(sizes.repeats + 1):
        stage.ground.report(f"the planner alone, repeat {repeat} of {sizes.repeats}")
        for size, each in asked.items():
            found[size].append(_median_ms(each))
        with_waiting.append(_median_ms(ahead))
    # What the first turn met was not prepared yet.
    counted = {size: values[1:] for size, values in found.items()}
    return Findings(
        _figures({tables: counted[tables, LOAD] for tables in sizes.planner_sizes}),
        {f"planner_ms_{WAITING}_waiting": median(with_waiting[1:])},
        (_curve(counted, sizes.planner_sizes),),
    )


def _figures(by_tables: dict[int, list[float]]) -> tuple[Figure, ...]:
    return (
        ratio("plan_growth", by_tables[LARGE], by_tables[SMALL]),
        middle("planner_ms", by_tables[USUAL]),
        middle("planner_ms_400", by_tables[LARGE]),
    )


def _curve(counted: dict[tuple[int, float], list[float]], sizes: tuple[int, ...]) -> Curve:
    series = {
        f"{load:.0%} of the evening taken": tuple(median(counted[tables, load]) for tables in sizes)
        for load in LOADS
    }
    return Curve("plan_ms_by_tables", "Time of one plan, planner alone", "tables", "ms", sizes, series)


def _median_ms(asked: Sequence[Question]) -> float:
    taken = []
    for question in asked:
        started = perf_counter()
        plan_tables(question)
        taken.append((perf_counter() - started) * 1000)
    return median(taken)


def _waiting(asked: Sequence[Question]) -> tuple[Waiting, ...]:
    """The parties of the questions as bookings that wait for tables."""
    return tuple(
        Waiting(UUID(int=number), question.party, question.stay.window)
        for number, question in enumerate(asked[:WAITING], 1)
    )
