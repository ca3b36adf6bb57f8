"""Assign tables to a booking without a hold."""

from dataclasses import dataclass, field
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import require_assignable
from server.domain.restaurant import Caller
from server.errors import Reason
from server.orchestrator.assigning import Assigned, Intent, give_tables, new_assignment
from server.orchestrator.candidate import candidate
from server.orchestrator.idempotency import ADDED_LATER, Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Unit
from server.orchestrator.situation import known_booking, lock, require_etag


@dataclass(frozen=True, slots=True)
class AssignTablesCommand:
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
class AssignTables:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(self, caller: Caller, command: AssignTablesCommand, deadline: Deadline) -> Assigned:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Assigned:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            situation.require_permission(caller, command.overrides)
            booking = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, booking.etag)
            require_assignable(booking)
            situation.require_future(booking.window)
            wanted = await candidate(unit, situation, booking, command.table_ids, command.overrides)
            wanted.require_context(command.context_version)
            wanted.require_fit()
            assignment = new_assignment(wanted, caller, self.new_id)
            return await give_tables(
                unit, wanted, assignment, Intent(caller, command.request_id, command.reason)
            )

        footprint = Footprint(command.restaurant_id, command.booking_id, table_ids=command.table_ids)
        return await self.once.run_together(caller, command, Assigned, body, deadline, footprint)
