"""The claims of others on a floor's tables, prepared for many questions."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload
from uuid import UUID

from server.domain.claims import Claim
from server.domain.window import Window
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.occupancy import (
    Claimed,
    Occupancy,
    in_order_of_time,
    masks_of,
    meeting,
    occupancy,
)

# Bounds the memory of one timeline; a day with starts at every quarter of an hour and four lengths of stay needs fewer.
KEPT_MAX = 512


class Owners(NamedTuple):
    """Whose the tables taken in a window are: those taken at all, those that more than one has, and each one's own."""

    taken: int
    shared: int
    own: Mapping[UUID | None, int]

    def but(self, booking_id: UUID) -> int:
        """The tables taken by anybody else."""
        own = self.own.get(booking_id)
        return self.taken if own is None else self.shared | self.taken & ~own


class Timeline(Sequence[Claim]):
    """Claims in the order they were given. What was worked out from them for one window is kept for the next question.

    Every answer is the one that the bare claims would give. Nothing that it was made of ever changes, and threads may
    share it: two that miss the same thing work it out twice.
    """

    def __init__(self, sets: TableSets, claims: Iterable[Claim]) -> None:
        self.sets = sets
        # For whoever works something out from nothing but this, under a key of its own.
        self.kept: dict[Hashable, Any] = {}
        self._claims = tuple(claims)
        self._occupancies: dict[tuple[Window, Window], Occupancy] = {}
        self._taken: dict[Window, Mapping[ClaimKind, int]] = {}
        self._owners: dict[Window, Owners] = {}

    @classmethod
    def of(cls, sets: TableSets, claims: Iterable[Claim]) -> "Timeline":
        """These claims, prepared for these sets; themselves if they are already."""
        return claims if isinstance(claims, Timeline) and claims.sets is sets else cls(sets, claims)

    @overload
    def __getitem__(self, index: int) -> Claim: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Claim, ...]: ...

    def __getitem__(self, index: int | slice) -> Claim | tuple[Claim, ...]:
        return self._claims[index]

    def __len__(self) -> int:
        return len(self._claims)

    def without(self, booking_id: UUID | None) -> "Timeline":
        """The claims of everybody but this booking."""
        if booking_id is None or booking_id not in self._bookings:
            return self
        return Timeline(self.sets, (claim for claim in self._claims if claim.booking_id != booking_id))

    def occupancy(self, window: Window, horizon: Window) -> Occupancy:
        """See `occupancy`."""
        key = window, horizon
        found = self._occupancies.get(key)
        if found is None:
            found = occupancy(self.sets, self._claims, window, horizon)
            keep(self._occupancies, key, found)
        return found

    def taken_within(self, windows: Iterable[Window]) -> Mapping[Window, Mapping[ClaimKind, int]]:
        """For each window the tables taken in it, as a mask per kind of claim."""
        wanted = set(windows)
        taken = {window: found for window in wanted if (found := self._taken.get(window)) is not None}
        for window, claims in meeting(self._in_order, wanted - taken.keys()):
            taken[window] = masks_of(claims)
            keep(self._taken, window, taken[window])
        return taken

    def owners_within(self, windows: Iterable[Window]) -> Mapping[Window, Owners]:
        """For each window whose the tables taken in it are."""
        wanted = set(windows)
        owners = {window: found for window in wanted if (found := self._owners.get(window)) is not None}
        for window, claims in meeting(self._in_order, wanted - owners.keys()):
            owners[window] = _owners(claims)
            keep(self._owners, window, owners[window])
        return owners

    @cached_property
    def _in_order(self) -> Sequence[Claimed]:
        return in_order_of_time(self.sets, self._claims)

    @cached_property
    def _bookings(self) -> frozenset[UUID | None]:
        return frozenset(claim.booking_id for claim in self._claims)


def keep(kept: dict[Any, Any], key: Hashable, value: object) -> None:
    """Remembers a value; when there are too many, starts anew."""
    if len(kept) >= KEPT_MAX:
        kept.clear()
    kept[key] = value


def _owners(claims: Iterable[Claimed]) -> Owners:
    own: dict[UUID | None, int] = {}
    for claim in claims:
        own[claim.booking_id] = own.get(claim.booking_id, 0) | claim.table
    taken = shared = 0
    for tables in own.values():
        shared |= taken & tables
        taken |= tables
    return Owners(taken, shared, own)
