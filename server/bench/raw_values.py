"""What a plain client writes for a hold and its confirm: the very documents that the server writes, made beforehand."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.domain.booking import Booking, BookingStatus, Party
from server.domain.claims import Assignment, AssignmentState, Hold, HoldState
from server.domain.events import Event, EventType, assignment_event, booking_event, hold_event
from server.domain.restaurant import Caller
from server.domain.window import Stay
from server.orchestrator.assigning import Assigned
from server.orchestrator.confirm_hold import ConfirmHoldCommand
from server.orchestrator.hold_tables import Held, HoldTablesCommand
from server.orchestrator.idempotency import Command, recorded_request
from server.persistence.bench_raw import HOLD_LIFE, RawHold, Told
from server.persistence.bench_stock import Seat
from server.persistence.documents import encode
from server.persistence.writing import hash_of

ACTOR = "bench"
PARTY_SIZE = 2


def raw_hold(tenant_id: UUID, seat: Seat, *, confirmed: bool) -> RawHold:
    """A hold of the seat, and its confirm where that is to follow."""
    hold = _hold(seat)
    command = HoldTablesCommand(uuid4(), ACTOR, seat.restaurant_id, seat.booking_id, (seat.table_id,), 900.0)
    created = hold_event(EventType.HOLD_CREATED, hold, seat.table_id, ACTOR)
    held = _told(tenant_id, command, Held(hold), (created,), "hold", {"hold_id": str(hold.hold_id)})
    written = RawHold(
        tenant_id,
        seat.restaurant_id,
        seat.booking_id,
        seat.table_id,
        seat.window,
        hold.hold_id,
        ACTOR,
        held,
    )
    if not confirmed:
        return written
    assignment = _assignment(hold)
    return replace(
        written, assignment_id=assignment.assignment_id, confirmed=_confirmed(tenant_id, hold, assignment)
    )


def _confirmed(tenant_id: UUID, hold: Hold, assignment: Assignment) -> Told:
    command = ConfirmHoldCommand(uuid4(), ACTOR, hold.restaurant_id, hold.hold_id, hold.booking_id)
    booking = _booking(hold, assignment)
    events = (
        hold_event(EventType.HOLD_CONFIRMED, hold, hold.table_ids[0], ACTOR),
        assignment_event(EventType.ASSIGNMENT_SYNC, assignment, booking.revision, command.request_id),
        booking_event(EventType.BOOKING_TRANSITIONED, booking, BookingStatus.PENDING),
    )
    details: dict[str, object] = {
        "request_id": str(command.request_id),
        "assignment_id": str(assignment.assignment_id),
        "table_ids": [str(table_id) for table_id in assignment.table_ids],
    }
    return _told(tenant_id, command, Assigned(assignment, booking), events, "assign", details)


def _told(
    tenant_id: UUID,
    command: Command,
    answer: object,
    events: tuple[Event, ...],
    action: str,
    details: dict[str, object],
) -> Told:
    recorded = recorded_request(Caller(tenant_id, ACTOR, frozenset()), command)
    return Told(
        recorded.method,
        recorded.request_id,
        hash_of(recorded.field_digests),
        encode(dict(recorded.field_digests)),
        encode(answer),
        tuple((event.event_type.value, event.dedupe_key, encode(event.payload)) for event in events),
        action,
        encode({**details, "events": len(events)}),
    )


def _hold(seat: Seat) -> Hold:
    now = datetime.now(UTC)
    return Hold(
        uuid4(),
        seat.restaurant_id,
        seat.booking_id,
        (seat.table_id,),
        seat.window,
        HoldState.ACTIVE,
        now + HOLD_LIFE,
        now,
        ACTOR,
        policy_version=1,
        inventory_version=1,
        assignment_epoch=1,
    )


def _assignment(hold: Hold) -> Assignment:
    return Assignment(
        uuid4(),
        hold.restaurant_id,
        hold.booking_id,
        hold.table_ids,
        hold.window,
        AssignmentState.ACTIVE,
        assignment_epoch=1,
        party_size=PARTY_SIZE,
        actor=ACTOR,
        created_at=hold.created_at,
        hold_id=hold.hold_id,
    )


def _booking(hold: Hold, assignment: Assignment) -> Booking:
    return Booking(
        hold.restaurant_id,
        hold.booking_id,
        Party(PARTY_SIZE, hold.window.start),
        Stay(hold.window, hold.window, "day"),
        BookingStatus.CONFIRMED,
        reference="",
        revision=2,
        assignment_epoch=1,
        created_at=hold.created_at,
        updated_at=hold.created_at,
        assignment_id=assignment.assignment_id,
        assigned_epoch=1,
    )
