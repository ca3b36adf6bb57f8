"""Take tables away from a booking."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import Booking, BookingStatus, wrong_status
from server.domain.claims import Assignment, AssignmentState, Claim
from server.domain.events import Event, EventType, assignment_event, booking_event
from server.domain.restaurant import Caller
from server.domain.rules import check_set, require
from server.errors import InvariantError, Reason, refuse
from server.orchestrator.assigning import Intent, assignment_claims, audit, change_of, moved_on, reclaimed
from server.orchestrator.changes import Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Reader, Unit
from server.orchestrator.situation import Situation, known_booking, lock, require_etag


@dataclass(frozen=True, slots=True)
class UnassignTablesCommand:
    """No `table_ids` means all tables."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...] = ()
    etag: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unassigned:
    """`assignment` is what is left, if anything."""

    booking: Booking
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class UnassignTables:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(
        self, caller: Caller, command: UnassignTablesCommand, deadline: Deadline
    ) -> Unassigned:
        caller = caller.acting_for(command.actor)
        intent = Intent(caller, command.request_id, command.reason)

        async def body(unit: Unit) -> Unassigned:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            booking = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, booking.etag)
            assignment = await active_assignment(unit, booking)
            if booking.status is not BookingStatus.CONFIRMED:
                raise wrong_status(booking, "unassign tables")
            kept = _kept(assignment, command.table_ids)
            if kept:
                return await self._shrink(unit, situation, booking, assignment, kept, intent)
            return await _give_up(unit, situation, booking, assignment, intent)

        footprint = Footprint(command.restaurant_id, command.booking_id)
        return await self.once.run_together(caller, command, Unassigned, body, deadline, footprint)

    async def _shrink(
        self,
        unit: Unit,
        situation: Situation,
        booking: Booking,
        assignment: Assignment,
        kept: tuple[UUID, ...],
        intent: Intent,
    ) -> Unassigned:
        """Leaves fewer tables, which still have to seat the party by the same rules.

        What was overridden for the assignment stays so, but never that the party has seats: how few it puts up with was
        decided for the tables it had. As after a move, what was answered for the need so far is no answer any more.
        """
        overrides = tuple(each for each in assignment.overrides if each is not Reason.CAPACITY_INSUFFICIENT)
        require(check_set(situation.select(booking.party, assignment.window, kept, overrides)))
        new_need = booking.has_current_tables
        rest = replace(
            assignment,
            assignment_id=self.new_id(),
            assignment_epoch=assignment.assignment_epoch + (1 if new_need else 0),
            table_ids=kept,
            merge_group_id=self.new_id() if len(kept) > 1 else None,
            actor=intent.caller.actor,
            created_at=situation.now,
            overrides=overrides,
        )
        after = moved_on(booking, situation.now, status=booking.status, assignment=rest, new_need=new_need)
        told = assignment_event(EventType.ASSIGNMENT_SYNC, rest, after.revision, intent.request_id)
        return await _write(unit, booking, assignment, after, rest, told, intent)


async def _give_up(
    unit: Unit, situation: Situation, booking: Booking, assignment: Assignment, intent: Intent
) -> Unassigned:
    # A changed booking that still sat on its old tables has stated its new need already, and may hold tables for it.
    new_need = booking.has_current_tables
    after = moved_on(booking, situation.now, status=BookingStatus.PENDING, assignment=None, new_need=new_need)
    told = booking_event(EventType.BOOKING_TRANSITIONED, after, booking.status)
    return await _write(unit, booking, assignment, after, None, told, intent)


async def _write(
    unit: Unit,
    booking: Booking,
    assignment: Assignment,
    after: Booking,
    rest: Assignment | None,
    told: Event,
    intent: Intent,
) -> Unassigned:
    """The assignment goes, and `rest` is what the booking keeps of it; `told` says so after the release."""
    leaning, claims = await _leaning(unit, booking, assignment, rest)
    released = assignment_event(EventType.ASSIGNMENT_RELEASED, assignment, after.revision, intent.request_id)
    noted = {"kept_assignment_id": rest.assignment_id, "kept_table_ids": rest.table_ids} if rest else {}
    changes = Changes(
        claims_dropped_of=(assignment.assignment_id, *leaning),
        claims_added=(assignment_claims(rest) if rest else ()) + claims,
        assignments_added=(rest,) if rest else (),
        assignment_states={assignment.assignment_id: AssignmentState.RELEASED},
        booking=after,
        booking_change=change_of(booking, after, intent),
        events=(released, told),
        audit=(audit("unassign", after, intent, assignment, noted),),
    )
    await unit.write(booking.restaurant_id, changes)
    return Unassigned(after, rest)


async def active_assignment(reader: Reader, booking: Booking) -> Assignment:
    """The assignment that the booking sits on, or ASSIGNMENT_NOT_FOUND."""
    if booking.assignment_id is None:
        raise refuse(
            Reason.ASSIGNMENT_NOT_FOUND,
            f"The booking is {booking.status} and has no tables.",
            restaurant_id=booking.restaurant_id,
            booking_id=booking.booking_id,
        )
    assignment = await reader.assignment(booking.restaurant_id, booking.assignment_id)
    if assignment is None:
        raise InvariantError(f"booking {booking.booking_id} names an assignment that does not exist")
    return assignment


def _kept(assignment: Assignment, taken_away: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """The tables that stay; TABLE_NOT_FOUND when one to take away is not the booking's."""
    strangers = sorted(set(taken_away) - set(assignment.table_ids))
    if strangers:
        listed = ",".join(str(table_id) for table_id in strangers)
        raise refuse(
            Reason.TABLE_NOT_FOUND,
            f"The booking does not have these tables: {listed}.",
            restaurant_id=assignment.restaurant_id,
            table_ids=listed,
        )
    if not taken_away:
        return ()
    return tuple(table_id for table_id in assignment.table_ids if table_id not in taken_away)


async def _leaning(
    unit: Unit, booking: Booking, assignment: Assignment, rest: Assignment | None
) -> tuple[tuple[UUID, ...], tuple[Claim, ...]]:
    """Open holds of the booking that leaned on tables it gives up, and what they have to claim now."""
    holds = await unit.open_holds_of(booking.restaurant_id, booking.booking_id)
    kept = frozenset(rest.table_ids) if rest else frozenset()
    return reclaimed(holds, frozenset(assignment.table_ids) - kept, rest)
