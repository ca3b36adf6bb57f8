"""What the claims of others leave of each table around a window."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from server.domain.claims import Claim
from server.domain.window import Window
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.gaps import slots_within


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

    def gaps(self, position: int) -> tuple[int, int]:
        """Idle slots before and after the window on a table that is free in it, bounded by the horizon."""
        since = self._free_since.get(position, self._horizon.start)
        until = self._free_until.get(position, self._horizon.end)
        return slots_within(self._window.start - since), slots_within(until - self._window.end)


def occupancy(sets: TableSets, claims: Iterable[Claim], window: Window, horizon: Window) -> Occupancy:
    """Reads every claim once. Exact instants decide: a claim that ends when the window starts is not in its
    way.
    """
    start, end, position_of = window.start, window.end, sets.position_of
    taken = dict.fromkeys(ClaimKind, 0)
    free_from: dict[int, datetime] = {}
    since: dict[int, datetime] = {}
    until: dict[int, datetime] = {}
    for claim in claims:
        position = position_of.get(claim.table_id.int)
        if position is None:
            continue
        claimed = claim.window
        if claimed.end <= start:
            if claimed.end > since.get(position, horizon.start):
                since[position] = claimed.end
        elif claimed.start >= end:
            if claimed.start < until.get(position, horizon.end):
                until[position] = claimed.start
        else:
            taken[claim.kind] |= 1 << position
            free_from[position] = max(claim.free_from, free_from.get(position, claim.free_from))
    return Occupancy(taken, free_from, window, horizon, since, until)
