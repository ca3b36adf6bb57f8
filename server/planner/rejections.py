"""Why table sets are none for a party: the sets that one reason removed, counted, with the first of them by name."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from server.domain.floor import Table
from server.domain.limits import REJECTED_COMBINATIONS_LISTED_MAX, REJECTED_TABLES_LISTED_MAX
from server.errors import Reason
from server.planner.merges import as_mask, chosen, positions
from server.planner.table_set import TableSet

Describe: TypeAlias = Callable[[tuple[int, ...]], TableSet]
"""Says what there is at some positions of a floor."""


class Merge(NamedTuple):
    """Tables pushed together: as a mask, as positions in the floor's order, and the seats they have
    together.
    """

    mask: int
    members: tuple[int, ...]
    seats: int


class Refused(NamedTuple):
    """What one reason removed: the single tables as a mask, how many merges, and the first of those in their order."""

    reason: Reason
    singles: int
    merges: int
    examples: tuple[Merge, ...]

    @classmethod
    def of(cls, reason: Reason, singles: int, merges: Sequence[Merge]) -> "Refused":
        return cls(reason, singles, len(merges), tuple(merges[:REJECTED_COMBINATIONS_LISTED_MAX]))


@dataclass(frozen=True, slots=True)
class Rejection:
    """How many single tables and combinations fell to a reason. `listed` are the first of those tables by id, as a
    mask, `sets` the first of those combinations: the smaller ones first, then by ids.

    `free_from` is the first instant at which one of them is rid of everything that is in its way now, if nothing
    new comes and no party leaves early; None when no claim is the reason.
    """

    reason: Reason
    tables: int
    combinations: int
    listed: int
    sets: tuple[TableSet, ...]
    free_from: datetime | None
    # All tables of the floor.
    _tables: Sequence[Table] = field(repr=False, compare=False)

    @property
    def table_ids(self) -> tuple[UUID, ...]:
        return tuple(table.table_id for table in chosen(self._tables, self.listed))

    @property
    def examples(self) -> tuple[tuple[UUID, ...], ...]:
        return tuple(each.table_ids for each in self.sets)


def rejections(
    tables: Sequence[Table], describe: Describe, refused: Iterable[Refused]
) -> Iterator[Rejection]:
    """What was refused among these tables of a floor."""
    for each in refused:
        if each.singles or each.merges:
            yield rejection(tables, describe, each)


def rejection(
    tables: Sequence[Table], describe: Describe, refused: Refused, free_from: datetime | None = None
) -> Rejection:
    """What refused something among these tables of a floor."""
    reason, singles, merges, examples = refused
    sets = tuple([describe(merge.members) for merge in examples])
    count = singles.bit_count()
    return Rejection(reason, count, merges, _first_of(singles, count), sets, free_from, tables)


def _first_of(singles: int, count: int) -> int:
    if count <= REJECTED_TABLES_LISTED_MAX:
        return singles
    return as_mask(positions(singles)[:REJECTED_TABLES_LISTED_MAX])
