"""What perfect foresight would have seated, and whether that is proven.

Two upper bounds come first: tables of the same seats counted together, and the program table by table with parties that
may be split. A seating of as many covers is then looked for. It can do without every column whose use alone would cost
more than the relaxed program has to give away, and that leaves little to search. If there is no such seating, the bound
was one too high, and the next lower one is aimed at.
"""

from dataclasses import dataclass, replace
from math import floor

from server.planner.catalog import TableSets
from server.simulation.evenings import Evening
from server.simulation.program import Program, by_seats, by_table
from server.simulation.solver import TOLERANCE, Relaxed, relax, solve


@dataclass(frozen=True, slots=True)
class Optimum:
    """No seating of the evening has more than `bound` covers. `exact` says that some seating has as many."""

    bound: int
    exact: bool


def best_covers(evening: Evening, sets: TableSets, *, seconds_max: float) -> Optimum:
    """The most covers of an evening, or a bound when one of its steps takes longer than `seconds_max`.

    Raises SolverMissing without the package highspy.
    """
    bound = covers_at_most(evening, sets, seconds_max=seconds_max)
    program = by_table(evening, sets)
    relaxed = relax(program, seconds_max)
    if relaxed is None:
        return Optimum(bound, exact=False)
    bound = min(bound, _whole(relaxed.covers))
    while True:
        found = solve(_enough_for(bound, program, relaxed), seconds_max, aim=bound)
        if found.time_up:
            return Optimum(bound, exact=False)
        if found.covers > bound - 0.5:
            return Optimum(bound, exact=True)
        bound -= 1


def covers_at_most(evening: Evening, sets: TableSets, *, seconds_max: float) -> int:
    """An upper bound that is found soon: tables of the same seats are counted together."""
    asked = sum(request.party.party_size for request in evening.requests)
    return _whole(min(asked, solve(by_seats(evening, sets), seconds_max).at_most))


def _enough_for(covers: int, program: Program, relaxed: Relaxed) -> Program:
    """The program with only those columns that a seating of so many covers can use."""
    spare = relaxed.covers - covers + TOLERANCE
    each = zip(program.columns, relaxed.losses, strict=True)
    return replace(program, columns=tuple(column for column, loss in each if loss <= spare))


def _whole(covers: float) -> int:
    return floor(covers + TOLERANCE)
