"""What a floor's watchers read: a snapshot at one floor version, and the changes after it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.domain.claims import Assignment, Block, Hold
from server.domain.events import CommittedEvent
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.orchestrator.ports import Inventory


@dataclass(frozen=True, slots=True)
class FloorPlace:
    """Where somebody has come to in a restaurant's history: everything up to a floor version was told.

    `event_id` is the last event of that version, None where it is not known any more. After a restore another history
    comes to the same version, with another event.
    """

    floor_version: int
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FloorChange:
    """All events of one floor version, in their order. Shared between the watchers of a restaurant."""

    restaurant_id: UUID
    floor_version: int
    events: tuple[CommittedEvent, ...]

    @property
    def place(self) -> FloorPlace:
        return FloorPlace(self.floor_version, self.events[-1].event_id if self.events else None)


@dataclass(frozen=True, slots=True)
class FloorView:
    """A floor and what is claimed on it, read at one instant: `place` says after which change.

    Holds are live by the database's clock `now`, assignments active, blocks not released; all overlap `window`.
    """

    restaurant: Restaurant
    place: FloorPlace
    now: datetime
    window: Window
    inventory: Inventory
    holds: tuple[Hold, ...]
    assignments: tuple[Assignment, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class FloorChanges:
    """Changes of a restaurant in a row from a version on, read at one instant.

    `newest` is the last there is. Events up to `compacted_version` may be gone. `before` is the last event of the
    version that they follow, None where there is none.
    """

    newest: FloorPlace
    compacted_version: int
    changes: tuple[FloorChange, ...]
    before: UUID | None = None

    @property
    def floor_version(self) -> int:
        return self.newest.floor_version

    def follow(self, place: FloorPlace) -> bool:
        """Whether they are what follows this place: not where another history has come to its version, and not where
        some of them are gone.
        """
        if not self.compacted_version <= place.floor_version <= self.floor_version:
            return False
        # Which event was the last one is known for certain only of a version of which none was deleted.
        known = place.floor_version > self.compacted_version and place.event_id is not None
        return self.before == place.event_id or not known


class FloorLog(Protocol):
    """Reads for watchers, outside of any transaction.

    Raises STORE_CONTENTION, STORE_UNAVAILABLE or DEADLINE_EXCEEDED.
    """

    async def view(
        self, tenant_id: UUID, restaurant_id: UUID, starts_at: datetime | None, ends_at: datetime | None
    ) -> FloorView | None:
        """The floor now. The window starts now and is a year long where it is not said otherwise."""
        ...

    async def changes(
        self, tenant_id: UUID, restaurant_id: UUID, after: int, versions_max: int
    ) -> FloorChanges | None:
        """Up to so many changes after a floor version; None when the tenant has no such restaurant."""
        ...

    async def floor_versions(self, restaurant_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The newest floor version of each restaurant that exists."""
        ...
