"""Give a hold more time."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from server.clock import Deadline
from server.domain.claims import Hold
from server.domain.events import EventType, hold_event
from server.domain.hours import local_time
from server.domain.restaurant import Caller
from server.errors import Reason, refuse
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.confirm_hold import hold_at, require_active
from server.orchestrator.hold_tables import HoldLimits
from server.orchestrator.idempotency import REQUEST_FIELD, Once
from server.orchestrator.ports import Footprint, Unit
from server.orchestrator.situation import lock_restaurant


@dataclass(frozen=True, slots=True)
class ExtendHoldCommand:
    """`ttl_s` counts from now; None means the default."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    hold_id: UUID
    ttl_s: float | None = field(default=None, metadata={REQUEST_FIELD: "ttl"})


@dataclass(frozen=True, slots=True)
class ExtendHold:
    once: Once
    limits: HoldLimits

    async def __call__(self, caller: Caller, command: ExtendHoldCommand, deadline: Deadline) -> Hold:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Hold:
            ttl = self.limits.ttl(command.ttl_s)
            standing = await lock_restaurant(unit, caller, command.restaurant_id)
            hold = await hold_at(unit, command.restaurant_id, command.hold_id, standing.now)
            require_active(hold, standing.restaurant.time_zone)
            expires_at = standing.now + ttl
            if expires_at <= hold.expires_at:
                return hold
            _require_life(hold, expires_at, self.limits.life_s_max, standing.restaurant.time_zone)
            extended = replace(hold, expires_at=expires_at)
            await unit.write(hold.restaurant_id, _changes(hold, extended, caller))
            return extended

        footprint = Footprint(command.restaurant_id, hold_id=command.hold_id)
        return await self.once.run_together(caller, command, Hold, body, deadline, footprint)


def _require_life(hold: Hold, expires_at: datetime, life_s_max: float, time_zone: str) -> None:
    """HOLD_EXTENSION_LIMIT when the hold would live too long in all."""
    if (expires_at - hold.created_at).total_seconds() <= life_s_max:
        return
    raise refuse(
        Reason.HOLD_EXTENSION_LIMIT,
        f"A hold lives {life_s_max:g} s at most; this one was made at {local_time(hold.created_at, time_zone)} and "
        f"still expires at {local_time(hold.expires_at, time_zone)}.",
        hold_id=hold.hold_id,
        life_s_max=f"{life_s_max:g}",
        created_at=hold.created_at.isoformat(),
        expires_at=hold.expires_at.isoformat(),
    )


def _changes(before: Hold, extended: Hold, caller: Caller) -> Changes:
    details = {
        "hold_id": extended.hold_id,
        "previous_expires_at": before.expires_at.isoformat(),
        "expires_at": extended.expires_at.isoformat(),
    }
    return Changes(
        hold_expiries={extended.hold_id: extended.expires_at},
        events=(hold_event(EventType.HOLD_EXTENDED, extended, None, caller.actor),),
        audit=(AuditEntry("extend", "booking", extended.booking_id, caller.actor, "", details),),
    )
