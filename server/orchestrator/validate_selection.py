"""Check a table set for a booking, every rule of it."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.restaurant import Caller
from server.domain.rules import Selection, failed
from server.errors import Check, Reason
from server.orchestrator.candidate import candidate
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import known_booking, look


@dataclass(frozen=True, slots=True)
class SelectionQuestion:
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...]
    overrides: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Validated:
    selection: Selection
    checks: tuple[Check, ...]
    context_version: str

    @property
    def valid(self) -> bool:
        return not failed(self.checks)


@dataclass(frozen=True, slots=True)
class ValidateSelection:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: SelectionQuestion) -> Validated:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        situation.require_permission(caller, question.overrides)
        booking = await known_booking(self.catalogue, question.restaurant_id, question.booking_id)
        situation.require_future(booking.window)
        wanted = await candidate(self.catalogue, situation, booking, question.table_ids, question.overrides)
        return Validated(wanted.selection, wanted.checks, wanted.context_version)
