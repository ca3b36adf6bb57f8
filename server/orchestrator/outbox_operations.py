"""What those who run the service see of the outbox, and what they can do about dead events."""

from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.limits import REDRIVEN_EVENTS_MAX
from server.domain.restaurant import Caller
from server.errors import bad_field
from server.orchestrator.changes import AuditEntry
from server.orchestrator.idempotency import Once
from server.orchestrator.paging import Listed, event_sort_key, listed
from server.orchestrator.ports import (
    Catalogue,
    OutboxRecord,
    OutboxStats,
    OutboxStatus,
    OwnUnit,
    Page,
    WantedEvents,
)
from server.orchestrator.situation import known_restaurant, lock_restaurant


@dataclass(frozen=True, slots=True)
class OutboxQuestion:
    page: Page
    wanted: WantedEvents


@dataclass(frozen=True, slots=True)
class GetOutboxStats:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, restaurant_id: UUID | None) -> OutboxStats:
        """`restaurant_id` of None means all of the tenant's."""
        if restaurant_id is not None:
            await known_restaurant(self.catalogue, caller, restaurant_id)
        return await self.catalogue.outbox_stats(caller.tenant_id, restaurant_id)


@dataclass(frozen=True, slots=True)
class ListOutboxEvents:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: OutboxQuestion) -> Listed[OutboxRecord]:
        """Oldest first. Raises for events of all restaurants that are not the dead ones."""
        wanted = question.wanted
        if wanted.restaurant_id is not None:
            await known_restaurant(self.catalogue, caller, wanted.restaurant_id)
        elif wanted.status is not OutboxStatus.DEAD:
            raise bad_field("restaurant_id", "is required unless status is DEAD", limit="required")
        return await listed(
            question.page,
            lambda page: self.catalogue.outbox_events(caller.tenant_id, wanted, page),
            event_sort_key,
        )


@dataclass(frozen=True, slots=True)
class RedriveOutboxEventsCommand:
    """No ids means every dead event of the restaurant, up to REDRIVEN_EVENTS_MAX of them."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    event_ids: tuple[UUID, ...] = ()
    event_type: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Redriven:
    event_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class RedriveOutboxEvents:
    once: Once

    async def __call__(
        self, caller: Caller, command: RedriveOutboxEventsCommand, deadline: Deadline
    ) -> Redriven:
        caller = caller.acting_for(command.actor)

        async def body(unit: OwnUnit) -> Redriven:
            standing = await lock_restaurant(unit, caller, command.restaurant_id)
            redriven = await unit.redrive_events(
                caller.tenant_id,
                command.restaurant_id,
                command.event_ids,
                command.event_type,
                REDRIVEN_EVENTS_MAX,
            )
            # Nothing on the floor changes, so its version doesn't either.
            await unit.note(standing.restaurant, _entry(caller, command, redriven))
            return Redriven(redriven)

        return await self.once.run(caller, command, Redriven, body, deadline)


def _entry(caller: Caller, command: RedriveOutboxEventsCommand, redriven: tuple[UUID, ...]) -> AuditEntry:
    details = {"request_id": command.request_id, "event_ids": redriven}
    return AuditEntry(
        "redrive_events", "restaurant", command.restaurant_id, caller.actor, command.reason, details
    )
