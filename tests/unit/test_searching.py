"""A search for which nobody waits any more."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.limits import AVAILABILITY_QUESTIONS_MAX
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Window
from server.orchestrator import search_availability
from server.orchestrator.diary import Diary
from server.orchestrator.ports import Inventory, PreparedInventory, Standing
from server.orchestrator.search_availability import AvailabilityQuestion, SearchAvailability
from server.planner.catalog import TableSets
from server.planner.timeline import Timeline
from server.planner.vacancies import Slot, Vacancy, find_vacancies
from tests.builders.floors import row
from tests.builders.questions import EVENING, at, evening_policy

ID = UUID(int=1)


class Place:
    """A restaurant with three free tables, for every port that a search asks."""

    def __init__(self) -> None:
        self.restaurant = Restaurant(ID, ID, "Place", "UTC", 1, 1, 1, 1)
        floor, policy = row(2, 4, 6), evening_policy()
        self.inventory = PreparedInventory(
            Inventory(1, 1, floor, policy), TableSets.of(floor, policy.combinations)
        )

    async def standing(self, *_: object) -> Standing:
        return Standing(self.restaurant, EVENING)

    async def prepared(self, *_: object) -> PreparedInventory:
        return self.inventory

    async def covering(self, _: Restaurant, span: Window) -> Diary:
        return Diary(1, span, (), ())


async def test_a_search_stops_when_its_caller_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    begun, go_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def find(sets: TableSets, slack: int, slots: Sequence[Slot], claims: Timeline) -> tuple[Vacancy, ...]:
        looked_at.append(len(slots))
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        return find_vacancies(sets, slack, slots, claims)

    monkeypatch.setattr(search_availability, "find_vacancies", find)
    place = Place()
    search = SearchAvailability(place, place, place)  # type: ignore[arg-type]  # what a search asks of them is there
    question = AvailabilityQuestion(ID, tuple(Party(2, at(19)) for _ in range(AVAILABILITY_QUESTIONS_MAX)))
    caller = Caller(ID, "tests", frozenset())
    running = asyncio.create_task(search(caller, question))
    await begun.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    go_on.set()
    assert sum(looked_at) < AVAILABILITY_QUESTIONS_MAX
    assert len(await search(caller, question)) == AVAILABILITY_QUESTIONS_MAX
    assert sum(looked_at) < 2 * AVAILABILITY_QUESTIONS_MAX
