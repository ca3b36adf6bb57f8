"""A floor's table sets as bits: some of them are two numbers, and what is asked of them all takes a few operations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import or_
from typing import NamedTuple

from server.domain.floor import Table
from server.domain.limits import REJECTED_COMBINATIONS_LISTED_MAX
from server.domain.rules import CONFLICT_REASON
from server.errors import ClaimKind, Reason
from server.planner.merges import as_mask, chosen, positions

# From here on going through all tables is quicker than looking for those that are meant.
FEW = 8


class Merge(NamedTuple):
    """Tables pushed together: as a mask, as positions in the floor's order, and the seats they have
    together.
    """

    mask: int
    members: tuple[int, ...]
    seats: int


class Alike(NamedTuple):
    """The merges of so many tables with so many seats together."""

    tables: int
    seats: int
    merges: int


@dataclass(frozen=True, slots=True, eq=False)
class SetIndex:
    """The tables of a floor and merges in their order. Some of the merges are a number with bit n for the n-th."""

    merges: tuple[Merge, ...]
    # Fewest tables first, then fewest seats.
    alike: tuple[Alike, ...]
    # The merges of two tables, of three and so on, each with those of more tables than that.
    by_tables: tuple[tuple[int, int], ...]
    # The tables of each number of seats, fewest first.
    tables_alike: tuple[int, ...]
    # For each table the merges that it is part of.
    _merges_with: Sequence[int]
    # The tables that are part of any.
    _merged: int

    @classmethod
    def of(cls, tables: Sequence[Table], merges: tuple[Merge, ...]) -> "SetIndex":
        length = len(merges) // 8 + 1
        kinds: dict[tuple[int, int], bytearray] = {}
        with_table = [bytearray(length) for _ in tables]
        for number, (_, members, seats) in enumerate(merges):
            byte, bit = number >> 3, 1 << (number & 7)
            kind = len(members), seats
            if kind not in kinds:
                kinds[kind] = bytearray(length)
            kinds[kind][byte] |= bit
            for at in members:
                with_table[at][byte] |= bit
        alike = tuple(Alike(*kind, int.from_bytes(kinds[kind], "little")) for kind in sorted(kinds))
        merges_with = [int.from_bytes(found, "little") for found in with_table]
        return cls(
            merges,
            alike,
            tuple(_by_tables(alike)),
            _by_seats(tables),
            merges_with,
            as_mask(at for at, found in enumerate(merges_with) if found),
        )

    @property
    def all(self) -> int:
        return (1 << len(self.merges)) - 1

    def touching(self, tables: int) -> int:
        """The merges that some of the tables are part of."""
        merged = tables & self._merged
        if merged.bit_count() > FEW:
            return reduce(or_, chosen(self._merges_with, merged))
        return reduce(or_, [self._merges_with[at] for at in positions(merged)], 0)

    def seating(self, seats: int) -> int:
        """The merges of at least so many seats."""
        return reduce(or_, [each.merges for each in self.alike if each.seats >= seats], 0)

    def larger_than(self, some: int) -> int:
        """The merges that have all tables of one of these, and others besides."""
        found = having = 0
        begun: tuple[int, ...] = ()
        for merge in self.picked(some):
            # Many in a row have all tables in common but the last.
            if merge.members[:-1] != begun:
                begun = merge.members[:-1]
                having = reduce(lambda left, at: left & self._merges_with[at], begun, -1)
            found |= having & self._merges_with[merge.members[-1]]
        return found & ~some

    def first(self, some: int) -> int:
        """The mask of the first of these merges."""
        return self.merges[(some & -some).bit_length() - 1].mask

    def picked(self, some: int) -> Iterator[Merge]:
        """These merges, in order."""
        return chosen(self.merges, some)


class SomeSets(NamedTuple):
    """Single tables as a mask, and merges as those of the index."""

    singles: int
    merges: int
    among: SetIndex

    @property
    def size(self) -> int:
        """How many sets these are."""
        return self.singles.bit_count() + self.merges.bit_count()

    @property
    def examples(self) -> tuple[Merge, ...]:
        """The first of the merges."""
        return tuple(islice(self.picked(), REJECTED_COMBINATIONS_LISTED_MAX))

    def picked(self) -> Iterator[Merge]:
        """The merges, in order."""
        return self.among.picked(self.merges)

    def without(self, tables: int) -> "SomeSets":
        """Those that none of the tables is part of."""
        if not tables:
            return self
        merges = self.merges and self.merges & ~self.among.touching(tables)
        return SomeSets(self.singles & ~tables, merges, self.among)

    def first(self) -> int:
        """The mask of one of them; 0 without any."""
        if self.singles:
            return self.singles & -self.singles
        if self.merges:
            return self.among.first(self.merges)
        return 0

    def snuggest(self, busy: int) -> int:
        """Of those without busy tables the mask of the one with the fewest tables, then the fewest seats, then the
        smallest ids; 0 without any.
        """
        if singles := self.singles & ~busy:
            found = next(found for tables in self.among.tables_alike if (found := singles & tables))
            return found & -found
        if merges := self.merges and self.merges & ~self.among.touching(busy):
            found = next(found for each in self.among.alike if (found := merges & each.merges))
            return self.among.first(found)
        return 0


def filed(sets: SomeSets, grounds: Iterable[tuple[Reason, int]]) -> tuple[SomeSets, dict[Reason, SomeSets]]:
    """What is left without the sets that some table of a ground is part of, and each of those under the first such."""
    fallen = {}
    for reason, tables in grounds:
        if tables:
            left = sets.without(tables)
            fallen[reason] = SomeSets(sets.singles & tables, sets.merges & ~left.merges, sets.among)
            sets = left
    return sets, fallen


def filed_by_claims(
    sets: SomeSets, taken: Mapping[ClaimKind, int]
) -> tuple[SomeSets, dict[Reason, SomeSets]]:
    """The same with the tables that each kind of claim takes."""
    return filed(sets, ((reason, taken[kind]) for kind, reason in CONFLICT_REASON.items()))


def _by_tables(alike: Sequence[Alike]) -> Iterator[tuple[int, int]]:
    for tables in range(2, max((each.tables for each in alike), default=1) + 1):
        merges = reduce(or_, (each.merges for each in alike if each.tables == tables), 0)
        yield merges, reduce(or_, (each.merges for each in alike if each.tables > tables), 0)


def _by_seats(tables: Sequence[Table]) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for at, table in enumerate(tables):
        found[table.capacity] = found.get(table.capacity, 0) | 1 << at
    return tuple(found[seats] for seats in sorted(found))
