"""What the world is told about committed changes. No personal data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class EventType(StrEnum):
    HOLD_CREATED = "capacity.hold.created"
    HOLD_CONFIRMED = "capacity.hold.confirmed"
    HOLD_RELEASED = "capacity.hold.released"
    HOLD_EXPIRED = "capacity.hold.expired"
    ASSIGNMENT_SYNC = "capacity.assignment.sync"
    ASSIGNMENT_RELEASED = "capacity.assignment.released"
    BOOKING_CHANGED = "capacity.booking.changed"
    BOOKING_TRANSITIONED = "capacity.booking.transitioned"
    BLOCK_CREATED = "capacity.block.created"
    BLOCK_RELEASED = "capacity.block.released"
    INVENTORY_CHANGED = "capacity.inventory.changed"


@dataclass(frozen=True, slots=True)
class Event:
    """One outbox row in the making. `dedupe_key` names the fact, so that the same fact is enqueued once per tenant."""

    event_type: EventType
    dedupe_key: str
    payload: Mapping[str, object]
    booking_id: UUID | None = None
