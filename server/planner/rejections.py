"""Why table sets are none for a party: the sets that one reason removed, counted, with the first of them by name."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from server.domain.floor import Table
from server.domain.limits import REJECTED_COMBINATIONS_LISTED_MAX, REJECTED_TABLES_LISTED_MAX
from server.errors import Reason
from server.planner.merges import positions


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
    """How many single tables and combinations fell to a reason; `table_ids` are the first of those tables by
    id, `examples` the first of those combinations: the smaller ones first, then by ids.

    `free_from` is the first instant at which one of them is rid of everything that is in its way now, if nothing
    new comes and no party leaves early; None when no claim is the reason.
    """

    reason: Reason
    tables: int
    combinations: int
    table_ids: tuple[UUID, ...]
    examples: tuple[tuple[UUID, ...], ...] = ()
    free_from: datetime | None = None


def rejections(tables: Sequence[Table], refused: Iterable[Refused]) -> Iterator[Rejection]:
    """What was refused among these tables of a floor, with ids instead of positions."""
    for reason, singles, merges, examples in refused:
        if singles or merges:
            yield Rejection(
                reason,
                singles.bit_count(),
                merges,
                tuple(tables[at].table_id for at in positions(singles)[:REJECTED_TABLES_LISTED_MAX]),
                tuple(tuple(tables[at].table_id for at in merge.members) for merge in examples),
            )
