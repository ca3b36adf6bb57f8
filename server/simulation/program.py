"""An evening as an integer program: who could sit where, all at once.

Requests of one size and start are alike, so there is one column for each such kind and each set that seats it: how
many of the kind sit there. At most as many as asked are seated, and no place has more parties than tables at the start
of any window, which is enough for all of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from server.domain.booking import Party
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.merges import positions
from server.simulation.evenings import Evening, Request

# A table's position, or what stands for tables that are counted together.
Place: TypeAlias = tuple[str, int]


class Kind(NamedTuple):
    """Requests that differ in nothing that matters here."""

    party_size: int
    window: Window

    @classmethod
    def of(cls, request: Request) -> "Kind":
        return cls(request.party.party_size, request.stay.window)


@dataclass(frozen=True, slots=True)
class Column:
    """A kind on a set of places: its weight in covers, the most there can be, and the rows that it uses."""

    covers: int
    most: int
    rows: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Program:
    """Seat the most covers, every row at most its limit: first those of each place and start, then one per kind."""

    columns: tuple[Column, ...]
    limits: tuple[int, ...]
    kinds: tuple[Kind, ...]

    @property
    def row_of_kind(self) -> dict[Kind, int]:
        """Where the limit stands of how many of a kind are seated."""
        return {kind: row for row, kind in enumerate(self.kinds, start=len(self.limits) - len(self.kinds))}


def by_table(evening: Evening, sets: TableSets) -> Program:
    """Its seatings are those that the rules allow.

    Tables that cannot be told apart, because nothing can be merged with them, are counted together.
    """
    tables = sets.floor.tables

    def place(position: int) -> Place:
        return ("table", position) if sets.partners[position] else ("seats", tables[position].capacity)

    return _program(evening, sets, place)


def by_seats(evening: Evening, sets: TableSets) -> Program:
    """Counts all tables of the same seats together, as if any could be merged that are of the right sizes.

    Every seating that the rules allow is one of its own, and perhaps others are. It is much smaller.
    """
    return _program(evening, sets, lambda position: ("seats", sets.floor.tables[position].capacity))


def _program(evening: Evening, sets: TableSets, place_of: Callable[[int], Place]) -> Program:
    kinds = Counter(map(Kind.of, evening.requests))
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
    return Program(tuple(columns), tuple(limits), tuple(kinds))


def _options(
    evening: Evening, sets: TableSets, kind: Kind, place_of: Callable[[int], Place]
) -> Iterable[tuple[tuple[Place, int], ...]]:
    """The places that a kind can be seated at, each with how many of them it takes, every way once."""
    fitting = sets.shortlist(Party(kind.party_size, kind.window.start), evening.policy.slack_max).fitting
    chosen: list[tuple[int, ...]] = [(position,) for position in positions(fitting.singles)]
    chosen += [merge.members for merge in fitting.picked()]
    return sorted({tuple(sorted(Counter(map(place_of, members)).items())) for members in chosen})
