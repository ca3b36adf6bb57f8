"""A15: how much of a batch's time each booking gets, and the writing down of what came of it."""

from types import SimpleNamespace
from uuid import UUID

import pytest

from server import clock
from server.clock import Deadline
from server.domain.booking import BookingStatus
from server.domain.limits import BATCH_STEP_S
from server.domain.restaurant import Caller
from server.errors import Reason, Refusal
from server.orchestrator.auto_assign_batch import AutoAssignBatch, AutoAssignBatchCommand
from server.planner.batch_order import BatchOrder, Queued
from tests.builders.bookings import booking
from tests.builders.questions import EVENING

MARGIN_S = 1.0
CALLER = Caller(UUID(int=1), "tests", frozenset())
COMMAND = AutoAssignBatchCommand("", UUID(int=2), EVENING.date(), BatchOrder.TIME, 10)


class Day:
    """Two bookings wait. Deciding takes as long as it is told, and each step's time is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes_s: float) -> None:
        self.now_s, self.takes_s = 1_000.0, takes_s
        self.to_decide_s: list[float] = []
        self.to_keep_s: list[float] = []
        monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(AutoAssignBatch, "_queue", self._queue)

    async def run(self, deadline_s: float | None) -> None:
        batch = AutoAssignBatch(None, None, self._decide, self._keep, MARGIN_S)  # type: ignore[arg-type]
        deadline = None if deadline_s is None else Deadline.after(deadline_s)
        async for _ in batch(CALLER, COMMAND, deadline):
            pass

    async def _queue(self, *_: object) -> tuple[Queued, ...]:
        return (Queued(booking(BookingStatus.PENDING), 1),) * 2

    async def _decide(self, _caller: Caller, _command: object, deadline: Deadline) -> Refusal:
        self.to_decide_s.append(deadline.remaining_s())
        self.now_s += self.takes_s
        return Refusal(Reason.NO_FEASIBLE_PLAN, "Nothing is free.")

    async def _keep(self, *given: object) -> None:
        deadline = given[-1]
        assert isinstance(deadline, Deadline)
        self.to_keep_s.append(deadline.remaining_s())


async def test_a_booking_that_took_all_its_time_is_written_down_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = Day(monkeypatch, takes_s=BATCH_STEP_S)
    await day.run(deadline_s=None)
    assert day.to_decide_s == [BATCH_STEP_S] * 2
    assert day.to_keep_s == [MARGIN_S] * 2


async def test_no_booking_is_begun_with_less_than_twice_what_is_kept_for_the_summary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = Day(monkeypatch, takes_s=1.0)
    await day.run(deadline_s=3 * MARGIN_S + 1.0)
    assert day.to_decide_s == [2 * MARGIN_S + 1.0]
    assert day.to_keep_s == [2 * MARGIN_S]
