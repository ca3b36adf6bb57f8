"""Why table sets are none for a party: the sets that one reason removed, counted, with the first of them by name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from server.domain.floor import Table
from server.domain.limits import REJECTED_TABLES_LISTED_MAX
from server.errors import Reason
from server.planner.merges import as_mask, chosen, positions
from server.planner.some_sets import SomeSets
from server.planner.table_set import TableSet

Describe: TypeAlias = Callable[[tuple[int, ...]], TableSet]
"""Says what there is at some positions of a floor."""


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
    tables: Sequence[Table],
    describe: Describe,
    fallen: Mapping[Reason, SomeSets],
    free_from: Callable[[SomeSets], datetime | None] = lambda _: None,
) -> Iterator[Rejection]:
    """What fell to each reason, in their order, of the sets of these tables of a floor; `free_from` says when the first
    of some sets comes free.
    """
    for reason, sets in fallen.items():
        if sets.size:
            count, combinations = sets.singles.bit_count(), sets.merges.bit_count()
            named = tuple([describe(merge.members) for merge in sets.examples])
            listed = _first_of(sets.singles, count)
            yield Rejection(reason, count, combinations, listed, named, free_from(sets), tables)


def _first_of(singles: int, count: int) -> int:
    if count <= REJECTED_TABLES_LISTED_MAX:
        return singles
    return as_mask(positions(singles)[:REJECTED_TABLES_LISTED_MAX])
