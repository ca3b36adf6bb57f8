"""Who did what, when and why."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.restaurant import Caller
from server.domain.window import Window
from server.orchestrator.paging import Listed, listed, sort_key
from server.orchestrator.ports import AuditRecord, Catalogue, Page
from server.orchestrator.situation import known_restaurant


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    restaurant_id: UUID
    page: Page
    resource_id: UUID | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class ListAuditEntries:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: AuditQuestion) -> Listed[AuditRecord]:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        wanted = (question.restaurant_id, question.resource_id, question.window)
        return await listed(
            question.page,
            lambda page: self.catalogue.audit_entries(*wanted, page),
            lambda entry: sort_key(entry.occurred_at, entry.audit_id),
        )
