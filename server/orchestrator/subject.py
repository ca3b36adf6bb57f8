"""For whom the planner is asked: a booking that is stored, or one that does not exist yet."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.booking import Party
from server.domain.window import Stay
from server.orchestrator.ports import Reader
from server.orchestrator.situation import Situation, known_booking


@dataclass(frozen=True, slots=True)
class Subject:
    """A stored booking (`booking_id`) or a hypothetical one (`party`): exactly one of them is set."""

    booking_id: UUID | None = None
    party: Party | None = None


async def need_of(reader: Reader, situation: Situation, subject: Subject) -> tuple[Party, Stay]:
    """What the subject wants and when. A stay that is over is refused, and a party that could not book."""
    if subject.booking_id is not None:
        booking = await known_booking(reader, situation.restaurant.restaurant_id, subject.booking_id)
        party, stay = booking.party, booking.stay
    else:
        assert subject.party is not None, "a question names a booking or a party"
        situation.require_zones(subject.party)
        party, stay = subject.party, situation.stay_of(subject.party)
    situation.require_future(stay.window)
    return party, stay
