"""Questions about assignments."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.claims import Assignment
from server.domain.restaurant import Caller
from server.domain.window import Window
from server.orchestrator.paging import Listed, assignment_sort_key, listed
from server.orchestrator.ports import Catalogue, Page
from server.orchestrator.situation import known_booking, known_restaurant
from server.orchestrator.unassign_tables import active_assignment


@dataclass(frozen=True, slots=True)
class AssignmentQuestion:
    restaurant_id: UUID
    booking_id: UUID


@dataclass(frozen=True, slots=True)
class AssignmentsQuestion:
    restaurant_id: UUID
    window: Window
    page: Page


@dataclass(frozen=True, slots=True)
class GetAssignment:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: AssignmentQuestion) -> Assignment:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        booking = await known_booking(self.catalogue, question.restaurant_id, question.booking_id)
        return await active_assignment(self.catalogue, booking)


@dataclass(frozen=True, slots=True)
class ListAssignments:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: AssignmentsQuestion) -> Listed[Assignment]:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        return await listed(
            question.page,
            lambda page: self.catalogue.assignments(question.restaurant_id, question.window, page),
            assignment_sort_key,
        )
