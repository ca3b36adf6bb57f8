"""Hold another table set for the booking of a hold, and let that hold go."""

from dataclasses import dataclass, field
from uuid import UUID

from server.clock import Deadline
from server.domain.claims import Hold
from server.domain.restaurant import Caller
from server.errors import Reason
from server.orchestrator.confirm_hold import hold_at, require_active
from server.orchestrator.hold_tables import HoldLimits, keep, new_hold, require_free, wanted_set
from server.orchestrator.idempotency import ADDED_LATER, REQUEST_FIELD, Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Unit
from server.orchestrator.situation import known_booking, lock


@dataclass(frozen=True, slots=True)
class ReplaceHoldCommand:
    """`table_ids` are those to hold instead. `ttl_s` of None means the default."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    hold_id: UUID
    table_ids: tuple[UUID, ...]
    ttl_s: float | None = field(default=None, metadata={REQUEST_FIELD: "ttl"})
    context_version: str = ""
    etag: str = ""
    overrides: tuple[Reason, ...] = field(default=(), metadata=ADDED_LATER)
    reason: str = field(default="", metadata=ADDED_LATER)


@dataclass(frozen=True, slots=True)
class Replaced:
    """`superseded` are the booking's other holds that shared a table with the new one."""

    hold: Hold
    released_hold_id: UUID
    superseded: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaceHold:
    once: Once
    inventories: InventorySource
    new_id: NewId
    limits: HoldLimits

    async def __call__(self, caller: Caller, command: ReplaceHoldCommand, deadline: Deadline) -> Replaced:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Replaced:
            ttl = self.limits.ttl(command.ttl_s)
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            situation.require_permission(caller, command.overrides)
            old = await hold_at(unit, command.restaurant_id, command.hold_id, situation.now)
            require_active(old, situation.time_zone)
            booking = await known_booking(unit, command.restaurant_id, old.booking_id)
            wanted = await wanted_set(unit, situation, booking, command)
            new = new_hold(wanted, self.new_id, ttl, caller)
            require_free(wanted, command, new, replaced=old.hold_id)
            held = await keep(unit, wanted, new, caller, command.reason, replaced=old.hold_id)
            return Replaced(held.hold, old.hold_id, held.superseded)

        footprint = Footprint(command.restaurant_id, hold_id=command.hold_id, table_ids=command.table_ids)
        return await self.once.run_together(caller, command, Replaced, body, deadline, footprint)
