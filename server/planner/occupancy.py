"""What the claims of others leave of each table around a window."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from server.domain.claims import Claim
from server.domain.window import Window
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.gaps import slots_covering, slots_within


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Which tables are taken in the window, as a mask per kind of claim and with the instant from which nothing
    that is in the way now keeps them, and the idle slots beside the window on the others.
    """

    taken: dict[ClaimKind, int]
    free_from: dict[int, datetime]
    _window: Window
    _horizon: Window
    _free_since: dict[int, datetime]
    _free_until: dict[int, datetime]
    # The part of the window that each of the tables taken in it is taken for, in slots.
    _taken_slots: dict[int, int]
    # What an engine has worked out from nothing but this, under a key of its own.
    kept: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def busy(self) -> int:
        """The tables that are taken in the window, whatever takes them."""
        return either(self.taken)

    def releases(self) -> Sequence[tuple[datetime, int]]:
        """The instants at which taken tables come free, rising, each with the tables that are still taken then."""
        found: list[tuple[datetime, int]] | None = self.kept.get("releases")
        if found is None:
            still_taken, found = 0, []
            for position, instant in sorted(self.free_from.items(), key=lambda item: item[1], reverse=True):
                found.append((instant, still_taken))
                still_taken |= 1 << position
            found = self.kept["releases"] = found[::-1]
        return found

    def gaps(self, position: int) -> tuple[int, int]:
        """Idle slots before and after the window on a table that is free in it, bounded by the horizon."""
        since = self._free_since.get(position, self._horizon.start)
        until = self._free_until.get(position, self._horizon.end)
        return slots_within(self._window.start - since), slots_within(until - self._window.end)

    def partners_free(self, sets: TableSets, slots: int) -> list[int]:
        """For each table how many of the window's `slots` the tables that it can be merged with are free, together."""
        free = [slots * partners.bit_count() for partners in sets.partners]
        for position, taken in self._taken_slots.items():
            lost = min(taken, slots)
            for partner in sets.partner_of[position]:
                free[partner] -= lost
        return free


def occupancy(sets: TableSets, claims: Iterable[Claim], window: Window, horizon: Window) -> Occupancy:
    """Reads every claim once. Exact instants decide: a claim that ends when the window starts is not in its
    way.
    """
    start, end, position_of = window.start, window.end, sets.position_of
    opens, closes = horizon.start, horizon.end
    taken = dict.fromkeys(ClaimKind, 0)
    free_from: dict[int, datetime] = {}
    since: dict[int, datetime] = {}
    until: dict[int, datetime] = {}
    taken_slots: dict[int, int] = {}
    for claim in claims:
        position = position_of.get(claim.table_id.int)
        if position is None:
            continue
        begins, ends = claim.window.start, claim.window.end
        if ends <= start:
            if ends > since.get(position, opens):
                since[position] = ends
        elif begins >= end:
            if begins < until.get(position, closes):
                until[position] = begins
        else:
            taken[claim.kind] |= 1 << position
            lets_go = claim.free_from
            free_from[position] = max(lets_go, free_from.get(position, lets_go))
            overlap = min(ends, end) - max(begins, start)
            taken_slots[position] = taken_slots.get(position, 0) + slots_covering(overlap)
    return Occupancy(taken, free_from, window, horizon, since, until, taken_slots)


class Claimed(NamedTuple):
    """A claim with its table as a mask. A block is no booking's."""

    start: datetime
    end: datetime
    kind: ClaimKind
    table: int
    booking_id: UUID | None


def either(taken: Mapping[ClaimKind, int]) -> int:
    """Masks by kind as one."""
    mask = 0
    for tables in taken.values():
        mask |= tables
    return mask


def in_order_of_time(sets: TableSets, claims: Iterable[Claim]) -> list[Claimed]:
    """The claims on tables of the floor by their start."""
    found = []
    for claim in claims:
        position = sets.position_of.get(claim.table_id.int)
        if position is not None:
            window = claim.window
            found.append(Claimed(window.start, window.end, claim.kind, 1 << position, claim.booking_id))
    return sorted(found, key=attrgetter("start"))


def meeting(coming: Sequence[Claimed], windows: Iterable[Window]) -> Iterator[tuple[Window, list[Claimed]]]:
    """For each window, in their order, those of the claims in order of time that overlap it.

    One sweep: a claim is looked at from the first window that ends after its start until a window begins at its end
    or later.
    """
    met = 0
    around: list[Claimed] = []
    for window in sorted(windows):
        start, end = window.start, window.end
        while met < len(coming) and coming[met].start < end:
            around.append(coming[met])
            met += 1
        around = [claim for claim in around if claim.end > start]
        yield window, [claim for claim in around if claim.start < end]


def masks_of(claims: Iterable[Claimed]) -> dict[ClaimKind, int]:
    """The tables of the claims, as a mask per kind."""
    masks = dict.fromkeys(ClaimKind, 0)
    for claim in claims:
        masks[claim.kind] |= claim.table
    return masks
