"""Have the worker find tables for a booking."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import (
    Booking,
    BookingAction,
    BookingStatus,
    next_status,
    require_assignable,
    require_before_cutoff,
)
from server.domain.hours import local_time
from server.domain.restaurant import Caller
from server.errors import bad_field
from server.orchestrator.assigning import Intent, audit
from server.orchestrator.auto_assign_jobs import queue
from server.orchestrator.idempotency import REQUEST_FIELD, Once
from server.orchestrator.ports import InventorySource, OwnUnit
from server.orchestrator.situation import known_booking, lock, require_etag
from server.orchestrator.transition_booking import step


@dataclass(frozen=True, slots=True)
class DispatchAutoAssignCommand:
    """Without `not_before` the worker tries at once; without `cutoff_s` until the policy's cutoff."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    not_before: datetime | None = None
    cutoff_s: int | None = field(default=None, metadata={REQUEST_FIELD: "cutoff"})
    etag: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DispatchAutoAssign:
    once: Once
    inventories: InventorySource

    async def __call__(
        self, caller: Caller, command: DispatchAutoAssignCommand, deadline: Deadline
    ) -> Booking:
        """The booking as it is queued. Raises what AutoAssign would be refused with whatever is free."""
        caller = caller.acting_for(command.actor)
        intent = Intent(caller, command.request_id, command.reason)

        async def body(unit: OwnUnit) -> Booking:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            before = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, before.etag)
            require_assignable(before)
            situation.require_future(before.window)
            cutoff_s = command.cutoff_s
            if cutoff_s is None:
                cutoff_s = situation.policy.auto_assign_cutoff_s
            require_before_cutoff(before, cutoff_s, situation.now, situation.time_zone)
            cutoff_at = before.party.start - timedelta(seconds=cutoff_s)
            _require_in_time(command.not_before, cutoff_at, situation.time_zone)
            after = before
            if before.status is BookingStatus.PENDING:
                status = next_status(before, BookingAction.QUEUE)
                after, changes = await step(unit, situation, before, status, intent)
                await unit.write(command.restaurant_id, changes)
            else:
                await unit.note(situation.restaurant, audit("queue", before, intent, None))
            return await queue(
                unit, situation, after, caller.actor, first_try_at=command.not_before, cutoff_s=cutoff_s
            )

        return await self.once.run(caller, command, Booking, body, deadline)


def _require_in_time(not_before: datetime | None, cutoff_at: datetime, time_zone: str) -> None:
    if not_before is not None and not_before >= cutoff_at:
        message = f"must lie before the cutoff, {local_time(cutoff_at, time_zone)}"
        raise bad_field("not_before", message, limit=cutoff_at.isoformat())
