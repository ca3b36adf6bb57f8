"""Solves programs with the package highspy, which may be absent."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from server.simulation.program import Program

if TYPE_CHECKING:
    from highspy import Highs


# Covers are whole; sums of rounded numbers may be off by so much.
TOLERANCE = 1e-4


class SolverMissing(Exception):
    """The package that solves integer programs is not installed."""


@dataclass(frozen=True, slots=True)
class Found:
    """No seating of a program has more covers than `at_most`, which is infinite when the time was up too soon.

    When it was not, `covers` is that of a seating: the best there is, or one with as many as were aimed at.
    """

    covers: float
    at_most: float
    time_up: bool


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The most covers of a program when parties may be split. A seating that uses a column *n* times has fewer by at
    least *n* times the `loss` of that column, which is 0 or more.
    """

    covers: float
    losses: tuple[float, ...]


def solve(program: Program, seconds_max: float, aim: int | None = None) -> Found:
    """The best seating, or any that reaches `aim`. Raises SolverMissing."""
    solver = _loaded(program, seconds_max, whole=True)
    if aim is not None:
        solver.setOptionValue("objective_target", aim - 0.5)
    solver.run()
    info = solver.getInfo()
    return Found(info.objective_function_value, info.mip_dual_bound, time_up=_time_up(solver))


def relax(program: Program, seconds_max: float) -> Relaxed | None:
    """The reduced costs of the linear relaxation are the losses. None when the time is up. Raises SolverMissing."""
    solver = _loaded(program, seconds_max, whole=False)
    solver.run()
    if _time_up(solver):
        return None
    losses = tuple(max(0.0, -price) for price in solver.getSolution().col_dual)
    return Relaxed(solver.getInfo().objective_function_value, losses)


class Relaxation:
    """A program in which parties may be split, for limits that change one by one. Raises SolverMissing."""

    def __init__(self, program: Program) -> None:
        # Each solution starts from the one before, so that it is only a few steps away.
        self._solver = _loaded(program, inf, whole=False)

    def limit(self, row: int, most: int) -> None:
        self._solver.changeRowBounds(row, -inf, most)

    def covers(self) -> float:
        """The most covers within the limits of now."""
        self._solver.run()
        return self._solver.getInfo().objective_function_value


def _time_up(solver: "Highs") -> bool:
    from highspy import HighsModelStatus

    ended = solver.getModelStatus()
    return ended not in (HighsModelStatus.kOptimal, HighsModelStatus.kObjectiveTarget)


def _loaded(program: Program, seconds_max: float, *, whole: bool) -> "Highs":
    """A solver that has the program column by column: maximise covers, every row at most its limit."""
    try:
        from highspy import Highs
    except ImportError as missing:
        raise SolverMissing("the optimum needs the package highspy") from missing
    make: Callable[[], Highs] = Highs
    solver = make()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("time_limit", seconds_max),
        ("mip_rel_gap", 0.0),
    ):
        solver.setOptionValue(option, value)
    _pass(solver, program, whole=whole)
    return solver


def _pass(solver: "Highs", program: Program, *, whole: bool) -> None:
    import numpy as np
    from highspy import HighsLp, HighsVarType, MatrixFormat, ObjSense, kHighsInf

    columns, limits = program.columns, program.limits
    starts, rows, values = [0], list[int](), list[int]()
    for column in columns:
        rows += sorted(column.rows)
        values += [column.rows[row] for row in sorted(column.rows)]
        starts.append(len(rows))
    given = HighsLp()
    given.num_col_, given.num_row_ = len(columns), len(limits)
    given.sense_ = ObjSense.kMaximize
    given.col_cost_ = np.array([column.covers for column in columns], dtype=float)
    given.col_lower_ = np.zeros(len(columns))
    given.col_upper_ = np.array([column.most for column in columns], dtype=float)
    given.row_lower_ = np.full(len(limits), -kHighsInf)
    given.row_upper_ = np.array(limits, dtype=float)
    given.a_matrix_.format_ = MatrixFormat.kColwise
    given.a_matrix_.start_ = np.array(starts)
    given.a_matrix_.index_ = np.array(rows)
    given.a_matrix_.value_ = np.array(values, dtype=float)
    if whole:
        given.integrality_ = [HighsVarType.kInteger] * len(columns)
    solver.passModel(given)
