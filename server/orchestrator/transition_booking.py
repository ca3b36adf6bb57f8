"""Take one step in a booking's life."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import (
    ASSIGNABLE,
    Booking,
    BookingAction,
    BookingStatus,
    next_status,
    require_check_in_time,
)
from server.domain.claims import Assignment, AssignmentState, HoldState
from server.domain.events import Event, EventType, assignment_event, booking_event
from server.domain.restaurant import Caller
from server.domain.window import Window
from server.errors import InvariantError
from server.orchestrator.assigning import (
    Intent,
    assignment_claims,
    audit,
    change_of,
    end_holds,
    moved_on,
    new_assignment,
)
from server.orchestrator.auto_assign_jobs import queue
from server.orchestrator.candidate import candidate, from_now_on, overrides_noted
from server.orchestrator.changes import Changes
from server.orchestrator.hold_tables import closed_hold_events
from server.orchestrator.idempotency import Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import InventorySource, OwnUnit
from server.orchestrator.situation import Situation, known_booking, lock, require_etag
from server.orchestrator.unassign_tables import active_assignment


@dataclass(frozen=True, slots=True)
class TransitionBookingCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    action: BookingAction
    etag: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TransitionBooking:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(
        self, caller: Caller, command: TransitionBookingCommand, deadline: Deadline
    ) -> Booking:
        caller = caller.acting_for(command.actor)
        intent = Intent(caller, command.request_id, command.reason)

        async def body(unit: OwnUnit) -> Booking:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            before = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, before.etag)
            status = next_status(before, command.action)
            if command.action is BookingAction.CHECK_IN:
                require_check_in_time(
                    before, situation.policy.check_in_lead, situation.now, situation.time_zone
                )
            if command.action is BookingAction.UNDO_NO_SHOW:
                after, changes = await self._undo_no_show(unit, situation, before, intent)
            else:
                after, changes = await step(unit, situation, before, status, intent)
            await unit.write(command.restaurant_id, changes)
            if command.action is BookingAction.QUEUE:
                return await queue(unit, situation, after, caller.actor)
            return after

        return await self.once.run(caller, command, Booking, body, deadline)

    async def _undo_no_show(
        self, unit: OwnUnit, situation: Situation, before: Booking, intent: Intent
    ) -> tuple[Booking, Changes]:
        """Confirmed again on the tables it had, if they are still free for what is left of its window."""
        had = await unit.last_assignment_of(before.restaurant_id, before.booking_id)
        if had is None:
            raise InvariantError(f"no-show booking {before.booking_id} never had tables")
        situation.require_future(before.window)
        again = await candidate(unit, situation, before, had.table_ids, had.overrides)
        wanted = await from_now_on(unit, again)
        wanted.require_fit()
        assignment = new_assignment(wanted, intent.caller, self.new_id)
        after = moved_on(before, situation.now, status=BookingStatus.CONFIRMED, assignment=assignment)
        expired = dict.fromkeys(wanted.expired, HoldState.EXPIRED)
        changes = Changes(
            claims_dropped_of=wanted.expired,
            claims_added=assignment_claims(assignment),
            assignments_added=(assignment,),
            hold_states=expired,
            booking=after,
            booking_change=change_of(before, after, intent),
            events=(
                *await closed_hold_events(unit, before.restaurant_id, expired, intent.caller.actor, ""),
                assignment_event(EventType.ASSIGNMENT_SYNC, assignment, after.revision, intent.request_id),
                booking_event(EventType.BOOKING_TRANSITIONED, after, before.status),
            ),
            audit=(audit("undo_no_show", after, intent, assignment, overrides_noted(wanted)),),
        )
        return after, changes


async def step(
    unit: OwnUnit, situation: Situation, before: Booking, status: BookingStatus, intent: Intent
) -> tuple[Booking, Changes]:
    """The booking one step further, and what is to be written for it."""
    now = situation.now
    holds, released = await _ended_holds(unit, before, status, intent)
    assignment = None if before.assignment_id is None else await active_assignment(unit, before)
    after = _after(before, status, now, assignment)
    changes = Changes(
        claims_dropped_of=tuple(holds),
        hold_states=holds,
        booking=after,
        booking_change=change_of(before, after, intent),
        events=(*released, booking_event(EventType.BOOKING_TRANSITIONED, after, before.status)),
        audit=(audit(status.value, after, intent, assignment),),
    )
    if assignment is None:
        return after, changes
    if status is BookingStatus.COMPLETED:
        return after, _completed(changes, assignment, now, after, intent)
    if status in (BookingStatus.CANCELLED, BookingStatus.NO_SHOW):
        return after, _released(changes, assignment, after, intent)
    return after, changes


async def _ended_holds(
    unit: OwnUnit, before: Booking, status: BookingStatus, intent: Intent
) -> tuple[dict[UUID, HoldState], tuple[Event, ...]]:
    """A booking that can no longer be given tables keeps no holds."""
    if status in ASSIGNABLE:
        return {}, ()
    return await end_holds(unit, before, intent, f"booking {status}")


def _after(before: Booking, status: BookingStatus, now: datetime, assignment: Assignment | None) -> Booking:
    ends_need = status in (BookingStatus.CANCELLED, BookingStatus.NO_SHOW)
    after = moved_on(
        before, now, status=status, assignment=None if ends_need else assignment, new_need=ends_need
    )
    if status is BookingStatus.CHECKED_IN:
        return replace(after, checked_in_at=now)
    if status is BookingStatus.COMPLETED:
        # Nobody leaves before they came, though the database's clock may have been set back meanwhile.
        return replace(after, checked_out_at=max(now, before.checked_in_at or now))
    if status is BookingStatus.NO_SHOW:
        return replace(after, checked_in_at=None)
    return after


def _released(changes: Changes, assignment: Assignment, after: Booking, intent: Intent) -> Changes:
    event = assignment_event(EventType.ASSIGNMENT_RELEASED, assignment, after.revision, intent.request_id)
    return replace(
        changes,
        claims_dropped_of=(*changes.claims_dropped_of, assignment.assignment_id),
        assignment_states={assignment.assignment_id: AssignmentState.RELEASED},
        events=(*changes.events, event),
    )


def _completed(
    changes: Changes, assignment: Assignment, now: datetime, after: Booking, intent: Intent
) -> Changes:
    """The party has left: what is left of the window is given back."""
    event = assignment_event(EventType.ASSIGNMENT_RELEASED, assignment, after.revision, intent.request_id)
    done = {assignment.assignment_id: AssignmentState.COMPLETED}
    changes = replace(changes, assignment_states=done, events=(*changes.events, event))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight < assignment.window.end <= now:
        return changes
    # Upkeep clears past claims away, but each day once: what ended on an earlier one it may have passed by.
    if now <= assignment.window.start or assignment.window.end <= midnight:
        return replace(changes, claims_dropped_of=(*changes.claims_dropped_of, assignment.assignment_id))
    return replace(changes, claims_cut=((assignment.assignment_id, Window(assignment.window.start, now)),))
