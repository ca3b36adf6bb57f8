"""Events of every type, made by the domain's own constructors, on their way out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from server.domain.auto_assign_job import AutoAssignJob, Trigger
from server.domain.booking import BookingStatus
from server.domain.claims import Assignment, AssignmentState, Block, BlockCause, Hold, HoldState
from server.domain.events import (
    Event,
    EventType,
    assignment_event,
    auto_assign_event,
    block_event,
    booking_event,
    hold_event,
    inventory_event,
)
from server.domain.restaurant import Restaurant
from server.domain.retry_plan import assigned_job, queued_job, refused_job
from server.domain.window import Window
from server.errors import Reason, Refusal
from server.outbox.events import OutboxEvent
from tests.builders.bookings import ASSIGNMENT, BOOKING, RESTAURANT, booking
from tests.builders.questions import at

TENANT = UUID(int=0x7E << 120)
HOLD = UUID(int=0x401D << 112)
BLOCK = UUID(int=0xB10C << 112)
ZONE = UUID(int=0x20 << 120)
TABLES = (UUID(int=1), UUID(int=2))
MERGE_GROUP = UUID(int=0x66 << 120)
WINDOW = Window(at(19), at(20, 30))
REQUEST = UUID(int=0x4E << 120)
COMMITTED_AT = datetime(2031, 5, 1, 17, 30, 15, 250_000, UTC)


def hold(actor: str = "host-7", expires_at: datetime | None = None) -> Hold:
    until = expires_at or at(18, 3)
    return Hold(HOLD, RESTAURANT, BOOKING, TABLES, WINDOW, HoldState.ACTIVE, until, at(18), actor, 2, 3, 1)


def assignment(tables: tuple[UUID, ...] = TABLES) -> Assignment:
    group = MERGE_GROUP if len(tables) > 1 else None
    state = AssignmentState.ACTIVE
    return Assignment(
        ASSIGNMENT, RESTAURANT, BOOKING, tables, WINDOW, state, 1, 4, "host-7", at(18), group, HOLD
    )


def block() -> Block:
    cause = BlockCause.PRIVATE_EVENT
    return Block(BLOCK, RESTAURANT, TABLES, WINDOW, cause, "for the Lovelaces", False, "host-7", at(12))


def restaurant() -> Restaurant:
    return Restaurant(RESTAURANT, TENANT, "Small World", "UTC", 4, 2, 3, 17)


def refused_background_job() -> AutoAssignJob:
    queued = queued_job("host-7", at(18), at(18), 600)
    return refused_job(queued, Refusal(Reason.NO_FEASIBLE_PLAN, "nothing fits"), at(18, 50), at(18))


def every_event() -> tuple[Event, ...]:
    """At least one event of every type, with each optional part there once and missing once."""
    types = EventType
    confirmed, pending = booking(BookingStatus.CONFIRMED, assigned_epoch=1), booking(BookingStatus.PENDING)
    return (
        hold_event(types.HOLD_CREATED, hold(), ZONE, "host-7"),
        hold_event(types.HOLD_EXTENDED, hold(), None, "host-7"),
        hold_event(types.HOLD_CONFIRMED, hold(), ZONE, "host-7"),
        hold_event(types.HOLD_RELEASED, hold(), None, "host-7", "replaced"),
        hold_event(types.HOLD_EXPIRED, hold(), None, "", "expired"),
        assignment_event(types.ASSIGNMENT_SYNC, assignment(), 5, REQUEST),
        assignment_event(types.ASSIGNMENT_RELEASED, assignment(TABLES[:1]), 6, REQUEST),
        booking_event(types.BOOKING_CHANGED, pending, None),
        booking_event(types.BOOKING_TRANSITIONED, confirmed, BookingStatus.PENDING),
        block_event(types.BLOCK_CREATED, block()),
        block_event(types.BLOCK_RELEASED, block()),
        inventory_event(restaurant(), "floor"),
        auto_assign_event(
            RESTAURANT, BOOKING, assigned_job(None, Trigger.INLINE, "host-7", at(18)), assignment()
        ),
        auto_assign_event(RESTAURANT, BOOKING, refused_background_job()),
    )


def on_its_way(
    event: Event | None = None,
    *,
    floor_version: int = 17,
    position: int = 1,
    restaurant_id: UUID = RESTAURANT,
    event_type: str | None = None,
    payload: Mapping[str, Any] | None = None,
) -> OutboxEvent:
    """A committed event with an id of its own, as the relay hands it out: its payload has been through the database."""
    made = event or hold_event(EventType.HOLD_CREATED, hold(), ZONE, "host-7")
    stored = msgspec.json.decode(msgspec.json.encode(payload if payload is not None else made.payload))
    return OutboxEvent(
        event_id=uuid4(),
        tenant_id=TENANT,
        restaurant_id=restaurant_id,
        floor_version=floor_version,
        position=position,
        created_at=COMMITTED_AT,
        event_type=event_type or made.event_type.value,
        attempt_count=0,
        booking_id=made.booking_id,
        idempotency_key=str(REQUEST),
        payload=stored,
    )
