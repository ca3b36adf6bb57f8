"""Questions about bookings."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.booking import Booking, BookingChange, BookingStatus
from server.domain.limits import HISTORY_MAX
from server.domain.restaurant import Caller
from server.domain.window import Window
from server.orchestrator.paging import Listed, booking_sort_key, listed
from server.orchestrator.ports import Catalogue, Page
from server.orchestrator.situation import known_booking, known_restaurant


@dataclass(frozen=True, slots=True)
class BookingQuestion:
    restaurant_id: UUID
    booking_id: UUID


@dataclass(frozen=True, slots=True)
class BookingsQuestion:
    """No statuses means all."""

    restaurant_id: UUID
    window: Window
    page: Page
    statuses: tuple[BookingStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class BookingFound:
    """`history` has the newest change first."""

    booking: Booking
    history: tuple[BookingChange, ...]


@dataclass(frozen=True, slots=True)
class GetBooking:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: BookingQuestion) -> BookingFound:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        booking = await known_booking(self.catalogue, question.restaurant_id, question.booking_id)
        history = await self.catalogue.history(question.restaurant_id, question.booking_id, HISTORY_MAX)
        return BookingFound(booking, history)


@dataclass(frozen=True, slots=True)
class ListBookings:
    catalogue: Catalogue

    async def __call__(self, caller: Caller, question: BookingsQuestion) -> Listed[Booking]:
        await known_restaurant(self.catalogue, caller, question.restaurant_id)
        wanted = (question.restaurant_id, question.window, question.statuses)
        return await listed(
            question.page, lambda page: self.catalogue.bookings(*wanted, page), booking_sort_key
        )
