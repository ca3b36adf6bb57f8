"""Whether parties that have not booked yet would get tables: many questions, one look at the restaurant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

from server.aside import aside
from server.domain.booking import Party
from server.domain.restaurant import Caller
from server.domain.window import Stay, Window
from server.errors import Reason, ServiceError
from server.orchestrator.diary import DiarySource
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import Situation, look
from server.planner.vacancies import Slot, Vacancy, find_vacancies

T = TypeVar("T")

# How many questions are looked at without a look at whether anybody still waits for the answer.
PORTION = 50

# What keeps a party from booking at all. Anything else that goes wrong with a question is a failure of the call.
NO_SUCH_STAY = frozenset({Reason.OUTSIDE_SERVICE_HOURS, Reason.SERVICE_OVERRUN, Reason.WINDOW_IN_PAST})


@dataclass(frozen=True, slots=True)
class AvailabilityQuestion:
    restaurant_id: UUID
    parties: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer for one party. `stay` is None when it has none; a stay that is over has one."""

    vacancy: Vacancy
    stay: Stay | None


@dataclass(frozen=True, slots=True)
class SearchAvailability:
    catalogue: Catalogue
    inventories: InventorySource
    diaries: DiarySource

    async def __call__(self, caller: Caller, question: AvailabilityQuestion) -> tuple[Availability, ...]:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        asked: list[Slot | Availability] = []
        for parties in _portions(question.parties):
            asked += await aside(partial(_slots_or_answers, situation, parties))
        slots = [each for each in asked if isinstance(each, Slot)]
        found = iter(await self._vacancies(situation, slots) if slots else ())
        return tuple(
            Availability(next(found), each.stay) if isinstance(each, Slot) else each for each in asked
        )

    async def _vacancies(self, situation: Situation, slots: Sequence[Slot]) -> tuple[Vacancy, ...]:
        span = Window.covering(slot.stay.window for slot in slots)
        diary = await self.diaries.covering(situation.restaurant, span)
        claims = diary.live(situation.sets, situation.now)
        found: list[Vacancy] = []
        for portion in _portions(slots):
            found += await aside(
                partial(find_vacancies, situation.sets, situation.policy.slack_max, portion, claims)
            )
        return tuple(found)


def _portions(questions: Sequence[T]) -> Iterator[Sequence[T]]:
    """Hundreds of questions about a large floor, or under many service periods, keep a processor busy for a while.

    Other calls go on meanwhile, and a caller who has gone is noticed between the portions.
    """
    return (questions[first : first + PORTION] for first in range(0, len(questions), PORTION))


def _slots_or_answers(situation: Situation, parties: Sequence[Party]) -> list[Slot | Availability]:
    return [_slot_or_answer(situation, party) for party in parties]


def _slot_or_answer(situation: Situation, party: Party) -> Slot | Availability:
    """What the planner has to look at, or the answer when there is nothing to look at."""
    stay: Stay | None = None
    try:
        stay = situation.stay_of(party)
        situation.require_future(stay.window)
    except ServiceError as error:
        if error.reason not in NO_SUCH_STAY:
            raise
        return Availability(Vacancy((), (error.reason,)), stay)
    return Slot(party, stay)
