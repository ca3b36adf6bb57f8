"""Move a booking to other tables."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import SEATED_OR_CONFIRMED, Booking, wrong_status
from server.domain.claims import Assignment
from server.domain.restaurant import Caller
from server.errors import Reason, refuse
from server.orchestrator.assigning import Assigned, Intent, moved_on, new_assignment, settle
from server.orchestrator.candidate import Candidate, candidate, from_now_on
from server.orchestrator.idempotency import ADDED_LATER, Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Unit
from server.orchestrator.situation import known_booking, lock, require_etag
from server.orchestrator.unassign_tables import active_assignment


@dataclass(frozen=True, slots=True)
class ReassignTablesCommand:
    """`table_ids` are all tables that the booking shall have."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...]
    context_version: str = ""
    etag: str = ""
    reason: str = ""
    overrides: tuple[Reason, ...] = field(default=(), metadata=ADDED_LATER)


@dataclass(frozen=True, slots=True)
class ReassignTables:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(self, caller: Caller, command: ReassignTablesCommand, deadline: Deadline) -> Assigned:
        caller = caller.acting_for(command.actor)
        intent = Intent(caller, command.request_id, command.reason)

        async def body(unit: Unit) -> Assigned:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            situation.require_permission(caller, command.overrides)
            booking = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, booking.etag)
            present = await active_assignment(unit, booking)
            if booking.status not in SEATED_OR_CONFIRMED:
                raise wrong_status(booking, "reassign tables")
            _require_other_tables(booking, present, command.table_ids)
            situation.require_future(booking.window)
            wanted = await candidate(unit, situation, booking, command.table_ids, command.overrides)
            wanted.require_context(command.context_version)
            wanted = await from_now_on(unit, wanted)
            wanted.require_fit()
            assignment, after = self._moved(wanted, caller)
            return await settle(unit, wanted, assignment, after, intent, "reassign")

        footprint = Footprint(command.restaurant_id, command.booking_id, table_ids=command.table_ids)
        return await self.once.run_together(caller, command, Assigned, body, deadline, footprint)

    def _moved(self, wanted: Candidate, caller: Caller) -> tuple[Assignment, Booking]:
        """The assignment and the booking of a new epoch: what was asked for before is answered differently now."""
        booking = wanted.booking
        epoch = booking.assignment_epoch + 1
        assignment = replace(new_assignment(wanted, caller, self.new_id), assignment_epoch=epoch)
        after = moved_on(
            booking, wanted.situation.now, status=booking.status, assignment=assignment, new_need=True
        )
        return assignment, after


def _require_other_tables(booking: Booking, present: Assignment, table_ids: tuple[UUID, ...]) -> None:
    """BOOKING_ALREADY_ASSIGNED when nothing would move: it sits there already, for its present time and party."""
    if booking.has_current_tables and set(table_ids) == set(present.table_ids):
        raise refuse(
            Reason.BOOKING_ALREADY_ASSIGNED,
            "The booking already has exactly these tables.",
            booking_id=booking.booking_id,
            assignment_id=present.assignment_id,
        )
