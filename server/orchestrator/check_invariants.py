"""Whether the stored data contradicts itself."""

from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.invariants import InvariantReport
from server.domain.restaurant import Caller
from server.orchestrator.ports import Store
from server.orchestrator.situation import known_restaurant


@dataclass(frozen=True, slots=True)
class InvariantsQuestion:
    """No restaurant means all of the tenant's."""

    restaurant_id: UUID | None


@dataclass(frozen=True, slots=True)
class CheckInvariants:
    store: Store

    async def __call__(
        self, caller: Caller, question: InvariantsQuestion, deadline: Deadline
    ) -> InvariantReport:
        if question.restaurant_id is not None:
            await known_restaurant(self.store.catalogue, caller, question.restaurant_id)
        return await self.store.check_invariants(caller.tenant_id, question.restaurant_id, deadline)
