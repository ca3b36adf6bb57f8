"""What a party could have instead, and whether moving somebody would make room for it."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.aside import aside
from server.domain.booking import Booking, BookingStatus
from server.domain.limits import ALTERNATIVES_DEFAULT, MOVABLE_BOOKINGS_MAX
from server.domain.window import Window
from server.orchestrator.diary import DiarySource
from server.orchestrator.ports import Catalogue, Page
from server.orchestrator.situation import Situation
from server.planner.alternatives import (
    Alternative,
    booked_anew,
    find_alternatives,
    other_starts,
    span_of,
)
from server.planner.moving import movable, moving_one_would_help
from server.planner.plan import PlanOutcome, PlanResult, Question


@dataclass(frozen=True, slots=True)
class Help:
    alternatives: tuple[Alternative, ...] = ()
    moving_one_booking: bool = False


async def what_would_help(
    catalogue: Catalogue,
    diaries: DiarySource,
    situation: Situation,
    question: Question,
    result: PlanResult,
    booking_id: UUID | None,
    alternatives_max: int,
) -> Help:
    """Up to `alternatives_max` alternatives, or with 0 the default number, and then only when there are no
    plans.

    `question` is the one that `result` answers, for the booking or for a party that has not booked.
    """
    limit = alternatives_max or (0 if result.plans_found else ALTERNATIVES_DEFAULT)
    if not limit:
        return Help()
    policy, time_zone = situation.policy, situation.restaurant.time_zone
    slots = other_starts(policy, time_zone, question.party, question.stay.dining.start, situation.now)
    anew = booked_anew(policy, time_zone, question.party, situation.now)
    in_the_way: tuple[Booking, ...] = ()
    if result.outcome is PlanOutcome.FULLY_TAKEN:
        in_the_way = await _movable(catalogue, situation, question.stay.window)
    wanted = span_of(filter(None, (*slots, anew)), policy, time_zone, question.horizon)
    span = Window.covering([wanted, *(booking.window for booking in in_the_way)])
    live = (await diaries.covering(situation.restaurant, span)).live(situation.sets, situation.now)
    # Bookings that wait for tables overlap the window asked about, not those of other starts: they charge nothing.
    question = replace(question, claims=live.without(booking_id), waiting=())

    def search() -> Help:
        return Help(
            find_alternatives(question, slots, anew, time_zone, limit, fits=bool(result.plans_found)),
            bool(in_the_way) and moving_one_would_help(question, in_the_way, live),
        )

    # Up to a hundred starts on a large floor keep a processor busy for a while; other calls go on meanwhile.
    return await aside(search, long=situation.sets.large)


async def _movable(catalogue: Catalogue, situation: Situation, window: Window) -> tuple[Booking, ...]:
    """The first bookings by start that overlap the window and could sit elsewhere."""
    found = await catalogue.bookings(
        situation.restaurant.restaurant_id, window, (BookingStatus.CONFIRMED,), Page(MOVABLE_BOOKINGS_MAX)
    )
    return movable(found, situation.now)
