"""What perfect foresight would have seated: an integer program over the whole evening.

Requests of one size and start are alike, so there is one variable for each such kind and each set that seats it: how
many of the kind sit there. At most as many as asked are seated, and no table has two parties at the start of any
window, which is enough for all of it. Tables that cannot be told apart, because nothing can be merged with them, are
counted together. Without `exact` all tables of the same seats are counted together and adjacency is forgotten: the
answer is then an upper bound that is found sooner.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from server.domain.booking import Party
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.merges import positions
from server.simulation.evenings import Evening

if TYPE_CHECKING:
    from highspy import Highs

# A table's position, or what stands for tables that are counted together.
Place: TypeAlias = tuple[str, int]


class Kind(NamedTuple):
    """Requests that differ in nothing that matters here."""

    party_size: int
    window: Window


class SolverMissing(Exception):
    """The package that solves integer programs is not installed."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """No seating of the evening has more than `bound` covers. `exact` says that some seating has as many."""

    bound: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A kind on a set of places: its weight in covers, the most there can be, and the rows that it uses."""

    covers: int
    most: int
    rows: Mapping[int, int]


def best_covers(evening: Evening, sets: TableSets, *, exact: bool, seconds_max: float) -> Optimum:
    """The most covers of an evening, or a bound when `exact` is false or the time is up.

    Raises SolverMissing without the package highspy.
    """
    place_of = _places(sets, exact=exact)
    columns, limits = _program(evening, sets, place_of)
    solver = _solver(seconds_max)
    _pass(solver, columns, limits)
    solver.run()
    info = solver.getInfo()
    proven = abs(info.mip_dual_bound - info.objective_function_value) < 1 - 1e-6
    return Optimum(
        round(info.objective_function_value) if proven else info.mip_dual_bound, exact=exact and proven
    )


def _places(sets: TableSets, *, exact: bool) -> Callable[[int], Place]:
    tables = sets.floor.tables

    def place(position: int) -> Place:
        if exact and sets.partners[position]:
            return ("table", position)
        return ("seats", tables[position].capacity)

    return place


def _program(
    evening: Evening, sets: TableSets, place_of: Callable[[int], Place]
) -> tuple[list[Column], list[int]]:
    """The columns, and the upper limit of each row: first one per place and start, then one per kind."""
    kinds = Counter(Kind(each.party.party_size, each.stay.window) for each in evening.requests)
    starts = sorted({kind.window.start for kind in kinds})
    tables = Counter(place_of(position) for position in range(len(sets.floor.tables)))
    row_of = {
        (place, start): row for row, (place, start) in enumerate((p, s) for p in tables for s in starts)
    }
    limits = [tables[place] for place, _ in row_of]
    columns = []
    for kind, asked in kinds.items():
        within = [start for start in starts if kind.window.start <= start < kind.window.end]
        for option in _options(evening, sets, kind, place_of):
            rows = Counter({row_of[place, start]: used for place, used in option for start in within})
            rows[len(limits)] = 1
            columns.append(Column(kind.party_size, asked, rows))
        limits.append(asked)
    return columns, limits


def _options(
    evening: Evening, sets: TableSets, kind: Kind, place_of: Callable[[int], Place]
) -> Iterable[tuple[tuple[Place, int], ...]]:
    """The places that a kind can be seated at, each with how many of them it takes, every way once."""
    shortlist = sets.shortlist(Party(kind.party_size, kind.window.start), evening.policy.slack_max)
    chosen: list[tuple[int, ...]] = [(position,) for position in positions(shortlist.singles)]
    chosen += [merge.members for merge in shortlist.merges]
    return sorted({tuple(sorted(Counter(map(place_of, members)).items())) for members in chosen})


def _solver(seconds_max: float) -> "Highs":
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
    return solver


def _pass(solver: "Highs", columns: list[Column], limits: list[int]) -> None:
    """Hands the program over, column by column: maximise covers, every row at most its limit."""
    import numpy as np
    from highspy import HighsLp, HighsVarType, MatrixFormat, ObjSense, kHighsInf

    starts, rows, values = [0], list[int](), list[int]()
    for column in columns:
        rows += sorted(column.rows)
        values += [column.rows[row] for row in sorted(column.rows)]
        starts.append(len(rows))
    program = HighsLp()
    program.num_col_, program.num_row_ = len(columns), len(limits)
    program.sense_ = ObjSense.kMaximize
    program.col_cost_ = np.array([column.covers for column in columns], dtype=float)
    program.col_lower_ = np.zeros(len(columns))
    program.col_upper_ = np.array([column.most for column in columns], dtype=float)
    program.row_lower_ = np.full(len(limits), -kHighsInf)
    program.row_upper_ = np.array(limits, dtype=float)
    program.a_matrix_.format_ = MatrixFormat.kColwise
    program.a_matrix_.start_ = np.array(starts)
    program.a_matrix_.index_ = np.array(rows)
    program.a_matrix_.value_ = np.array(values, dtype=float)
    program.integrality_ = [HighsVarType.kInteger] * len(columns)
    solver.passModel(program)
