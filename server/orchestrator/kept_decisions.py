"""What a batch decided about each booking, kept in the audit log for whoever asks later."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from server.clock import Deadline
from server.domain.restaurant import Caller
from server.errors import PASSING, Refusal, ServiceError
from server.orchestrator.auto_assigned import AutoAssigned
from server.orchestrator.changes import AuditEntry
from server.orchestrator.ports import OwnUnit, Page, Store
from server.orchestrator.situation import known_restaurant
from server.planner.batch_order import Queued

log = structlog.get_logger(__name__)

KEPT_AS = "auto_assign_decision"


@dataclass(frozen=True, slots=True)
class KeptDecisions:
    """Nothing changes on the floor by a decision itself, so it has no event and no floor version of its own."""

    store: Store

    async def __call__(
        self, caller: Caller, queued: Queued, result: AutoAssigned | Refusal, reason: str, deadline: Deadline
    ) -> None:
        """Writes the decision, unless the last thing that was done to the booking is the same decision.

        Trouble that passes by itself decides nothing. A batch goes on when a decision cannot be written.
        """
        booking = queued.booking
        details = _snapshot(queued, result)
        if details is None:
            return
        entry = AuditEntry(KEPT_AS, "booking", booking.booking_id, caller.actor, reason, details)

        async def work(unit: OwnUnit) -> None:
            standing = await known_restaurant(unit, caller, booking.restaurant_id)
            await unit.note(standing.restaurant, entry)

        try:
            if not await self._is_last(booking.restaurant_id, entry):
                await self.store.run(work, deadline, None)
        except ServiceError as problem:
            log.warning("decision_not_kept", booking_id=str(booking.booking_id), problem=str(problem))

    async def _is_last(self, restaurant_id: UUID, entry: AuditEntry) -> bool:
        last = await self.store.catalogue.audit_entries(restaurant_id, entry.resource_id, None, Page(1))
        return any((each.action, each.details) == (entry.action, entry.details) for each in last)


def _snapshot(queued: Queued, result: AutoAssigned | Refusal) -> Mapping[str, object] | None:
    """On what grounds a booking got tables or none; None when this batch decided neither."""
    seen = {"party_size": queued.party_size, "start": queued.start.isoformat(), "free_sets": queued.free_sets}
    if isinstance(result, Refusal):
        kept_out = {check.reason.value: dict(check.metadata) for check in result.checks}
        refused = {"outcome": "refused", "reason": result.reason.value, "kept_out": kept_out}
        return None if result.reason in PASSING else seen | refused
    if not result.attempts:
        return None
    attempts = [
        {"table_ids": [str(table_id) for table_id in attempt.table_ids], "reason": attempt.reason}
        for attempt in result.attempts
    ]
    given = {
        "outcome": result.outcome.value,
        "attempts": attempts,
        "cost": result.cost,
        "score": result.score,
    }
    return seen | given | {"request_id": str(result.request_id)}
