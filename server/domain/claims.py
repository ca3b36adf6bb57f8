"""Claims and what makes them: holds, assignments, blocks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from server.domain.window import Window
from server.errors import ClaimKind, Conflict, Reason


@dataclass(frozen=True, slots=True)
class Claim:
    """One table taken for one window. `owner_id` is the hold, assignment or block; a block has no booking."""

    table_id: UUID
    window: Window
    kind: ClaimKind
    owner_id: UUID
    booking_id: UUID | None = None
    expires_at: datetime | None = None

    def live_at(self, now: datetime) -> bool:
        """Whether the claim still keeps others out; only holds expire."""
        return self.expires_at is None or self.expires_at > now

    @property
    def free_from(self) -> datetime:
        """When it lets go of the table by itself: at the end of its window, or when it expires before."""
        return self.window.end if self.expires_at is None else min(self.window.end, self.expires_at)

    def as_conflict(self) -> Conflict:
        return Conflict(self.table_id, self.kind, self.window.start, self.window.end, self.free_from)


class HoldState(StrEnum):
    ACTIVE = "active"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """Tables kept for a booking until `expires_at`. `state` is what it is by the database's clock when read.

    `overrides` are the rules that were set aside for it, in order of precedence.
    """

    hold_id: UUID
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...]
    window: Window
    state: HoldState
    expires_at: datetime
    created_at: datetime
    actor: str
    policy_version: int
    inventory_version: int
    assignment_epoch: int
    overrides: tuple[Reason, ...] = ()


class AssignmentState(StrEnum):
    ACTIVE = "active"
    COMPLETED = "completed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The tables of a booking. `merge_group_id` is set exactly when there is more than one; `overrides` are the rules
    that were set aside for it, in order of precedence.
    """

    assignment_id: UUID
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...]
    window: Window
    state: AssignmentState
    assignment_epoch: int
    party_size: int
    actor: str
    created_at: datetime
    merge_group_id: UUID | None = None
    hold_id: UUID | None = None
    overrides: tuple[Reason, ...] = ()


class BlockCause(StrEnum):
    MAINTENANCE = "maintenance"
    PRIVATE_EVENT = "private_event"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Block:
    """Tables taken for nobody."""

    block_id: UUID
    restaurant_id: UUID
    table_ids: tuple[UUID, ...]
    window: Window
    cause: BlockCause
    note: str
    released: bool
    actor: str
    created_at: datetime
