"""What became of a mutating call whose answer was lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Block, Hold
from server.domain.restaurant import Caller, Restaurant
from server.errors import Refusal
from server.orchestrator.assigning import Assigned
from server.orchestrator.auto_assigned import AutoAssigned
from server.orchestrator.hold_tables import Held
from server.orchestrator.outbox_operations import Redriven
from server.orchestrator.ports import Catalogue
from server.orchestrator.put_floor import FloorPut
from server.orchestrator.put_service_policy import PolicyPut
from server.orchestrator.replace_hold import Replaced
from server.orchestrator.unassign_tables import Unassigned
from server.orchestrator.update_table import TableUpdated

# What each mutating method answers, by the name under which the ledger keeps it.
ANSWERS: Mapping[str, type] = {
    "HoldTables": Held,
    "ExtendHold": Hold,
    "ReplaceHold": Replaced,
    "ReleaseHold": Hold,
    "ConfirmHold": Assigned,
    "AssignTables": Assigned,
    "AutoAssign": AutoAssigned,
    "DispatchAutoAssign": Booking,
    "ReassignTables": Assigned,
    "UnassignTables": Unassigned,
    "PutRestaurant": Restaurant,
    "PutServicePolicy": PolicyPut,
    "PutFloor": FloorPut,
    "UpdateTable": TableUpdated,
    "BlockTables": Block,
    "UnblockTables": Block,
    "PutBooking": Booking,
    "TransitionBooking": Booking,
    "RedriveOutboxEvents": Redriven,
}


class OperationState(StrEnum):
    UNKNOWN = "unknown"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OperationQuestion:
    """`method` is one of `ANSWERS`."""

    method: str
    request_id: UUID


@dataclass(frozen=True, slots=True)
class Operation:
    """`answer` is what the use case answered, or the `Refusal`; None while there is none."""

    method: str
    state: OperationState
    answer: object = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GetOperation:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: OperationQuestion) -> Operation:
        """Looks for an answer twice: a call that ends between the look and the question whether it runs has one."""
        key, method = (caller.tenant_id, question.method, question.request_id), question.method
        found = await self.catalogue.recorded(*key, ANSWERS[method])
        if found is None:
            if await self.catalogue.in_progress(*key):
                return Operation(method, OperationState.IN_PROGRESS)
            found = await self.catalogue.recorded(*key, ANSWERS[method])
        if found is None:
            return Operation(method, OperationState.UNKNOWN)
        refused = isinstance(found.answer, Refusal)
        state = OperationState.REFUSED if refused else OperationState.SUCCEEDED
        return Operation(method, state, found.answer, found.recorded_at)
