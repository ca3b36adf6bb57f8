"""Which of many waiting bookings gets its tables first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from server.domain.booking import Booking, Party
from server.domain.claims import Claim
from server.domain.window import Window
from server.planner.catalog import TableSets


class BatchOrder(StrEnum):
    TIME = "time"
    SIZE_DESC = "size_desc"
    CONSTRAINED_FIRST = "constrained_first"


@dataclass(frozen=True, slots=True)
class Queued:
    """A booking that waits, and how many table sets would seat it as things are."""

    booking: Booking
    free_sets: int

    @property
    def start(self) -> datetime:
        return self.booking.party.start

    @property
    def party_size(self) -> int:
        return self.booking.party.party_size


_KEYS: Mapping[BatchOrder, Callable[[Queued], tuple[Any, ...]]] = {
    BatchOrder.TIME: lambda each: (each.start, -each.party_size),
    BatchOrder.SIZE_DESC: lambda each: (-each.party_size, each.start),
    BatchOrder.CONSTRAINED_FIRST: lambda each: (each.free_sets, -each.party_size, each.start),
}


def in_order(queue: Iterable[Queued], order: BatchOrder) -> tuple[Queued, ...]:
    """The first in line first, the same whatever order the queue was given in: equal ones go by id."""
    key = _KEYS[order]
    return tuple(sorted(queue, key=lambda each: (*key(each), each.booking.booking_id)))


def count_free_sets(
    sets: TableSets, slack_max: int, party: Party, window: Window, claims: Iterable[Claim]
) -> int:
    """How many sets `plan_tables` would find with nothing avoided or relaxed. `claims` are the live ones of others."""
    taken = sets.mask_of(claim.table_id for claim in claims if claim.window.overlaps(window))
    return sets.shortlist(party, slack_max).fitting.without(taken).size
