"""Give a hold back."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.claims import Hold, HoldState
from server.domain.restaurant import Caller
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.confirm_hold import hold_at, require_active
from server.orchestrator.hold_tables import closed_hold_events
from server.orchestrator.idempotency import Once
from server.orchestrator.ports import Footprint, Unit
from server.orchestrator.situation import lock_restaurant


@dataclass(frozen=True, slots=True)
class ReleaseHoldCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    once: Once

    async def __call__(self, caller: Caller, command: ReleaseHoldCommand, deadline: Deadline) -> Hold:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Hold:
            standing = await lock_restaurant(unit, caller, command.restaurant_id)
            hold = await hold_at(unit, command.restaurant_id, command.hold_id, standing.now)
            if hold.state in (HoldState.RELEASED, HoldState.EXPIRED):
                return hold
            require_active(hold, standing.restaurant.time_zone)
            states = {hold.hold_id: HoldState.RELEASED}
            changes = Changes(
                claims_dropped_of=(hold.hold_id,),
                hold_states=states,
                events=await closed_hold_events(unit, hold.restaurant_id, states, caller.actor, "released"),
                audit=(
                    AuditEntry(
                        "release", "booking", hold.booking_id, caller.actor, "", {"hold_id": hold.hold_id}
                    ),
                ),
            )
            await unit.write(hold.restaurant_id, changes)
            return replace(hold, state=HoldState.RELEASED)

        return await self.once.run_together(
            caller, command, Hold, body, deadline, Footprint(command.restaurant_id, hold_id=command.hold_id)
        )
