"""What it means to give tables to a booking and to take them away: the part that several use cases share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from server.domain.booking import Booking, BookingChange, BookingStatus
from server.domain.claims import Assignment, AssignmentState, Claim, Hold, HoldState
from server.domain.events import Event, EventType, assignment_event, booking_event, hold_event
from server.domain.restaurant import Caller
from server.errors import ClaimKind
from server.orchestrator.candidate import Candidate, overrides_noted
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.hold_tables import closed_hold_events, ended_as, hold_claims
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Unit


@dataclass(frozen=True, slots=True)
class Assigned:
    assignment: Assignment
    booking: Booking


@dataclass(frozen=True, slots=True)
class Intent:
    """Who wants a change, under which request, and why."""

    caller: Caller
    request_id: UUID
    reason: str


def new_assignment(
    wanted: Candidate, caller: Caller, new_id: NewId, hold_id: UUID | None = None
) -> Assignment:
    selection, booking = wanted.selection, wanted.booking
    return Assignment(
        new_id(),
        booking.restaurant_id,
        booking.booking_id,
        selection.table_ids,
        selection.window,
        AssignmentState.ACTIVE,
        booking.assignment_epoch,
        booking.party.party_size,
        caller.actor,
        wanted.situation.now,
        new_id() if len(selection.tables) > 1 else None,
        hold_id,
        selection.overrides,
    )


async def give_tables(
    unit: Unit,
    wanted: Candidate,
    assignment: Assignment,
    intent: Intent,
    confirmed: Hold | None = None,
    action: str = "assign",
    told: tuple[Event, ...] = (),
) -> Assigned:
    """Writes the assignment and confirms the booking; `confirmed` is the hold that becomes the assignment.

    `told` are events of the caller's own that come last.
    """
    after = moved_on(
        wanted.booking, wanted.situation.now, status=BookingStatus.CONFIRMED, assignment=assignment
    )
    return await settle(unit, wanted, assignment, after, intent, action, confirmed, told)


async def settle(
    unit: Unit,
    wanted: Candidate,
    assignment: Assignment,
    after: Booking,
    intent: Intent,
    action: str,
    confirmed: Hold | None = None,
    told: tuple[Event, ...] = (),
) -> Assigned:
    """Writes the assignment and the booking as it is `after`; `action` is the audit log's word for it.

    The booking's other holds end, and so do the tables it had until now. A confirmed hold's claims are moved, unless
    they lean on those tables and have to be made anew in one piece.
    """
    booking = wanted.booking
    ended = await _ended_holds(unit, wanted, confirmed)
    states = ended if confirmed is None else {**ended, confirmed.hold_id: HoldState.CONFIRMED}
    previous = await _previous(unit, booking)
    moved = confirmed is not None and previous is None
    dropped = [*ended, *([previous.assignment_id] if previous else [])]
    if confirmed is not None and not moved:
        dropped.append(confirmed.hold_id)
    changes = Changes(
        claims_dropped_of=tuple(dropped),
        claims_moved=((confirmed.hold_id, assignment.assignment_id),) if confirmed and moved else (),
        claims_added=() if moved else assignment_claims(assignment),
        assignments_added=(assignment,),
        hold_states=states,
        assignment_states={previous.assignment_id: AssignmentState.RELEASED} if previous else {},
        booking=after,
        booking_change=change_of(booking, after, intent),
        events=(
            *await closed_hold_events(
                unit, booking.restaurant_id, ended, intent.caller.actor, "booking assigned"
            ),
            *_given_events(wanted, assignment, after, previous, intent, confirmed),
            *told,
        ),
        audit=(audit(action, after, intent, assignment, overrides_noted(wanted)),),
    )
    await unit.write(booking.restaurant_id, changes)
    return Assigned(assignment, after)


def moved_on(
    booking: Booking,
    now: datetime,
    *,
    status: BookingStatus,
    assignment: Assignment | None,
    new_need: bool = False,
) -> Booking:
    """The booking one revision later. `new_need` starts a new assignment epoch."""
    return replace(
        booking,
        status=status,
        revision=booking.revision + 1,
        assignment_epoch=booking.assignment_epoch + (1 if new_need else 0),
        assignment_id=assignment.assignment_id if assignment else None,
        assigned_epoch=assignment.assignment_epoch if assignment else None,
        updated_at=now,
    )


def change_of(before: Booking | None, after: Booking, intent: Intent) -> BookingChange:
    return BookingChange(
        after.revision,
        before.status if before else None,
        after.status,
        intent.caller.actor,
        intent.reason,
        after.updated_at,
    )


def assignment_claims(assignment: Assignment) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            table_id, assignment.window, ClaimKind.ASSIGNMENT, assignment.assignment_id, assignment.booking_id
        )
        for table_id in assignment.table_ids
    )


def audit(
    action: str,
    booking: Booking,
    intent: Intent,
    assignment: Assignment | None,
    noted: Mapping[str, object] = MappingProxyType({}),
) -> AuditEntry:
    details: dict[str, object] = {"request_id": intent.request_id, **noted}
    if assignment is not None:
        details["assignment_id"] = assignment.assignment_id
        details["table_ids"] = assignment.table_ids
    return AuditEntry(action, "booking", booking.booking_id, intent.caller.actor, intent.reason, details)


async def end_holds(
    unit: Unit, booking: Booking, intent: Intent, cause: str
) -> tuple[dict[UUID, HoldState], tuple[Event, ...]]:
    """States and events that end every open hold of a booking."""
    holds = await unit.open_holds_of(booking.restaurant_id, booking.booking_id)
    states = {hold.hold_id: ended_as(hold) for hold in holds}
    events = await closed_hold_events(unit, booking.restaurant_id, states, intent.caller.actor, cause)
    return states, events


def reclaimed(
    holds: Iterable[Hold], given_up: frozenset[UUID], rest: Assignment | None
) -> tuple[tuple[UUID, ...], tuple[Claim, ...]]:
    """Holds that leaned on tables the booking gives up now: drop their claims and add them anew.

    They claim their whole window, except where `rest`, what the booking keeps, still covers it.
    """
    leaning = [hold for hold in holds if given_up & set(hold.table_ids)]
    kept, kept_id = (assignment_claims(rest), rest.assignment_id) if rest else ((), None)
    claims = tuple(claim for hold in leaning for claim in hold_claims(hold, kept, kept_id))
    return tuple(hold.hold_id for hold in leaning), claims


async def _previous(unit: Unit, booking: Booking) -> Assignment | None:
    if booking.assignment_id is None:
        return None
    return await unit.assignment(booking.restaurant_id, booking.assignment_id)


async def _ended_holds(unit: Unit, wanted: Candidate, confirmed: Hold | None) -> dict[UUID, HoldState]:
    """The booking's other open holds, and expired holds of anybody that stood in the way."""
    booking, kept_id = wanted.booking, confirmed.hold_id if confirmed else None
    holds = await unit.open_holds_of(booking.restaurant_id, booking.booking_id)
    states = {hold.hold_id: ended_as(hold) for hold in holds if hold.hold_id != kept_id}
    return {**states, **dict.fromkeys(wanted.expired, HoldState.EXPIRED)}


def _given_events(
    wanted: Candidate,
    assignment: Assignment,
    after: Booking,
    previous: Assignment | None,
    intent: Intent,
    confirmed: Hold | None,
) -> Iterable[Event]:
    if previous is not None:
        yield assignment_event(EventType.ASSIGNMENT_RELEASED, previous, after.revision, intent.request_id)
    if confirmed is not None:
        actor, zone_id = intent.caller.actor, wanted.selection.zone_id
        yield hold_event(EventType.HOLD_CONFIRMED, confirmed, zone_id, actor)
    yield assignment_event(EventType.ASSIGNMENT_SYNC, assignment, after.revision, intent.request_id)
    before = wanted.booking
    if (before.status, before.needs_tables) != (after.status, after.needs_tables):
        yield booking_event(EventType.BOOKING_TRANSITIONED, after, before.status)
