"""Bookings in any state."""

from uuid import UUID

from server.domain.booking import Booking, BookingStatus, Party
from server.domain.window import Stay, Window
from tests.builders.questions import at

RESTAURANT = UUID(int=0xEA7 << 112)
BOOKING = UUID(int=0xB00C << 108)
ASSIGNMENT = UUID(int=0xA55 << 112)


def booking(status: BookingStatus, *, assigned_epoch: int | None = None, epoch: int = 1) -> Booking:
    """A party of four at 19:00; with tables when `assigned_epoch` is given."""
    window = Window(at(19), at(20, 30))
    return Booking(
        RESTAURANT,
        BOOKING,
        Party(4, at(19)),
        Stay(window, window, "dinner"),
        status,
        reference="R-1",
        revision=3,
        assignment_epoch=epoch,
        created_at=at(17),
        updated_at=at(17),
        assignment_id=None if assigned_epoch is None else ASSIGNMENT,
        assigned_epoch=assigned_epoch,
    )
