"""Questions about holds."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.claims import Hold, HoldState
from server.domain.restaurant import Caller
from server.domain.window import Window
from server.orchestrator.confirm_hold import known_hold
from server.orchestrator.paging import Listed, hold_sort_key, listed
from server.orchestrator.ports import Catalogue, Page
from server.orchestrator.situation import known_restaurant


@dataclass(frozen=True, slots=True)
class HoldQuestion:
    restaurant_id: UUID
    hold_id: UUID


@dataclass(frozen=True, slots=True)
class HoldsQuestion:
    """No states means active ones."""

    restaurant_id: UUID
    page: Page
    window: Window | None = None
    booking_id: UUID | None = None
    states: tuple[HoldState, ...] = ()


@dataclass(frozen=True, slots=True)
class GetHold:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: HoldQuestion) -> Hold:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        return await known_hold(self.catalogue, question.restaurant_id, question.hold_id)


@dataclass(frozen=True, slots=True)
class ListHolds:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: HoldsQuestion) -> Listed[Hold]:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        states = question.states or (HoldState.ACTIVE,)
        wanted = (question.restaurant_id, question.window, question.booking_id, states)
        return await listed(question.page, lambda page: self.catalogue.holds(*wanted, page), hold_sort_key)
