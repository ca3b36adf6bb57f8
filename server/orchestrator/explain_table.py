"""Why one table set is, or is not, possible."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.context import context_version
from server.domain.limits import CONFLICTS_EXPLAINED_MAX
from server.domain.restaurant import Caller
from server.domain.rules import Selection, check_selection, failed, in_the_way
from server.errors import Check, Conflict, Reason
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import foreign, look
from server.orchestrator.subject import Subject, need_of


@dataclass(frozen=True, slots=True)
class ExplainTableQuestion:
    restaurant_id: UUID
    subject: Subject
    table_ids: tuple[UUID, ...]
    overrides: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """`conflicts` are the first CONFLICTS_EXPLAINED_MAX of the `conflicts_found` claims in the way."""

    selection: Selection
    period: str
    checks: tuple[Check, ...]
    conflicts: tuple[Conflict, ...]
    conflicts_found: int
    context_version: str

    @property
    def possible(self) -> bool:
        return not failed(self.checks)


@dataclass(frozen=True, slots=True)
class ExplainTable:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: ExplainTableQuestion) -> Explained:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        situation.require_permission(caller, question.overrides)
        party, stay = await need_of(self.catalogue, situation, question.subject)
        selection = situation.select(party, stay.window, question.table_ids, question.overrides)
        claims = await self.catalogue.claims(question.restaurant_id, selection.window, selection.table_ids)
        others = foreign(claims, situation.now, question.subject.booking_id)
        return Explained(
            selection,
            stay.period,
            check_selection(selection, others),
            in_the_way(others, CONFLICTS_EXPLAINED_MAX),
            len(others),
            context_version(selection, situation.restaurant.policy_version, others),
        )
