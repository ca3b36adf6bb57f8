"""Which of many waiting bookings gets its tables first."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from server.domain.booking import Booking
from server.domain.claims import Claim
from server.planner.catalog import TableSets
from server.planner.timeline import Timeline


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


def queued(
    sets: TableSets, slack_max: int, bookings: Sequence[Booking], live: Iterable[Claim]
) -> Iterator[Queued]:
    """The bookings with how many sets `plan_tables` would find for each, with nothing avoided or relaxed.

    `live` are all live claims. A booking that waits for other tables, or for its hold to be confirmed, is not in its
    own way.
    """
    owners = Timeline.of(sets, live).owners_within(booking.window for booking in bookings)
    for booking in bookings:
        busy = owners[booking.window].but(booking.booking_id)
        yield Queued(booking, sets.shortlist(booking.party, slack_max).fitting.without(busy).size)
