"""What a use case decided to write: a value, so that deciding and writing stay apart and all of it is one commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.domain.booking import Booking, BookingChange
from server.domain.claims import Assignment, AssignmentState, Block, Claim, Hold, HoldState
from server.domain.events import Event
from server.domain.floor import Floor
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Restaurant
from server.domain.window import Window


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which resource, and why. The time is the transaction's."""

    action: str
    resource: str
    resource_id: UUID
    actor: str
    reason: str
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows to write in one transaction, set by set, in this order.

    Claims are dropped, cut and moved before any are added, so that a set can take over what its own booking gives up.
    Owners in `claims_dropped_of` are holds, assignments or blocks; `claims_cut` shortens an assignment and its claims;
    `claims_moved` turns a hold's claims into an assignment's; `hold_expiries` moves the end of a hold's life and of all
    its claims.
    """

    claims_dropped_of: tuple[UUID, ...] = ()
    claims_cut: tuple[tuple[UUID, Window], ...] = ()
    claims_moved: tuple[tuple[UUID, UUID], ...] = ()
    claims_added: tuple[Claim, ...] = ()
    holds_added: tuple[Hold, ...] = ()
    hold_states: Mapping[UUID, HoldState] = field(default_factory=dict)
    hold_expiries: Mapping[UUID, datetime] = field(default_factory=dict)
    assignments_added: tuple[Assignment, ...] = ()
    assignment_states: Mapping[UUID, AssignmentState] = field(default_factory=dict)
    blocks_added: tuple[Block, ...] = ()
    blocks_released: tuple[UUID, ...] = ()
    booking: Booking | None = None
    booking_change: BookingChange | None = None
    restaurant: Restaurant | None = None
    policy: ServicePolicy | None = None
    floor: Floor | None = None
    events: tuple[Event, ...] = ()
    audit: tuple[AuditEntry, ...] = ()

    @property
    def ended(self) -> frozenset[UUID]:
        """Holds and assignments that are over, become something else, or end at another time."""
        return frozenset(
            (*self.claims_dropped_of, *self.hold_states, *self.assignment_states, *self.hold_expiries)
        )

    @property
    def bookings(self) -> frozenset[UUID]:
        """Bookings that change or get a hold. Which tables a booking sits on decides what a hold of it claims."""
        changed = () if self.booking is None else (self.booking.booking_id,)
        return frozenset((*changed, *(hold.booking_id for hold in self.holds_added)))
