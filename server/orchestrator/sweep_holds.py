"""Clear away the holds whose time is over. They have blocked nobody since; rows and events are what is left."""

from dataclasses import dataclass, field
from uuid import UUID

import structlog

from server.clock import Deadline
from server.domain.claims import Hold, HoldState
from server.domain.events import EventType, hold_event
from server.errors import Reason, ServiceError
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.ports import Named, Store, Unit, Upkeep

log = structlog.get_logger(__name__)

SWEEPER = "maitred-sweeper"
BUSY = frozenset({Reason.STORE_CONTENTION, Reason.DEADLINE_EXCEEDED})


@dataclass(frozen=True, slots=True)
class SweepHolds:
    """One round looks at up to `restaurants_max` restaurants, and at up to `holds_max` holds of each.

    It takes up to `round_s` seconds, and no restaurant keeps it longer than `restaurant_s`.
    """

    store: Store
    upkeep: Upkeep
    restaurants_max: int
    holds_max: int
    round_s: float
    restaurant_s: float
    _busy: set[UUID] = field(default_factory=set, init=False)

    async def __call__(self) -> int:
        """How many holds were cleared away. A restaurant that is busy is left for the next round, and is its last."""
        deadline = Deadline.after(self.round_s)
        swept = 0
        found = await self.upkeep.restaurants_with_expired_holds(self.restaurants_max)
        busy = self._busy.copy()
        self._busy.clear()
        for tenant_id, restaurant_id in sorted(found, key=lambda each: each[1] in busy):
            if deadline.passed:
                break
            try:
                swept += await self._sweep(tenant_id, restaurant_id)
            except ServiceError as problem:
                if problem.reason not in BUSY:
                    raise
                self._busy.add(restaurant_id)
                log.warning("holds_not_swept", restaurant_id=str(restaurant_id), problem=str(problem))
        return swept

    async def _sweep(self, tenant_id: UUID, restaurant_id: UUID) -> int:
        async def work(unit: Unit) -> int:
            await unit.lock_restaurant(tenant_id, restaurant_id)
            expired = await unit.expired_holds(restaurant_id, self.holds_max)
            if expired:
                await unit.write(restaurant_id, _swept(expired))
            return len(expired)

        return await self.store.run(work, Deadline.after(self.restaurant_s), Named(tenant_id, restaurant_id))


def _swept(expired: tuple[Hold, ...]) -> Changes:
    return Changes(
        claims_dropped_of=tuple(hold.hold_id for hold in expired),
        hold_states={hold.hold_id: HoldState.EXPIRED for hold in expired},
        events=tuple(hold_event(EventType.HOLD_EXPIRED, hold, None, SWEEPER, "expired") for hold in expired),
        audit=tuple(
            AuditEntry("expire", "booking", hold.booking_id, SWEEPER, "", {"hold_id": hold.hold_id})
            for hold in expired
        ),
    )
