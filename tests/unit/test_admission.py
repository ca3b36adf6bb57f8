"""Which calls are taken into work, and what the others are told."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from typing import cast

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Reason, refuse
from server.rpc import admission as admission_module
from server.rpc.admission import CALLS_ENOUGH, JUDGED_CALLS, RETRY_S_MAX, TIMES_MAX, Admission, Fate, Needed
from server.rpc.interceptors.admission import AdmissionInterceptor
from server.rpc.interceptors.unary import Context
from server.rpc.status import STATUS_KEY, Answer
from tests.support.clock import Clock

HOLD, PLAN = "/maitred.v1.AssignmentService/HoldTables", "/maitred.v1.PlannerService/PlanTables"


def retry_after_s(answer: Answer) -> float:
    (packed,) = (value for key, value in answer.trailers if key == STATUS_KEY)
    assert isinstance(packed, bytes)
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.TypeName() == "google.rpc.RetryInfo":
            info = error_details_pb2.RetryInfo.FromString(detail.value)
            return info.retry_delay.ToTimedelta().total_seconds()
    raise AssertionError("no RetryInfo")


def after(clock: Clock, *took_s: float, calls_max: int = 2_048, fate: Fate = Fate.ANSWERED) -> Admission:
    """A server on which enough calls have just ended that took so long, in turns."""
    admission = Admission(calls_max, needed=Needed(clock), chance=lambda: 0.5)
    for _, elapsed_s in zip(range(CALLS_ENOUGH), cycle(took_s), strict=False):
        assert admission.enter(HOLD, None) is None
        admission.leave(HOLD, elapsed_s, fate)
    return admission


def refused(answer: Answer | None) -> Reason:
    assert answer is not None, "the call was taken"
    return answer.refusal.reason


# Calls come more often than they end, so that there is no room now and then, and a server shuts down once.
STEPS = st.lists(st.sampled_from(["enter", "enter", "leave"]), max_size=50)


@given(st.integers(1, 5), STEPS, STEPS)
def test_never_more_calls_are_in_work_than_may_be_and_none_is_refused_while_there_is_room(
    calls_max: int, before: list[str], after_it: list[str]
) -> None:
    admission, in_work, draining = Admission(calls_max), 0, False
    for step in (*before, "drain", *after_it):
        if step == "drain":
            admission.drain()
            draining = True
        elif step == "enter":
            answer = admission.enter(HOLD, 1.0)
            if draining:
                assert refused(answer) is Reason.DRAINING
            elif in_work == calls_max:
                assert refused(answer) is Reason.SERVER_OVERLOADED
            else:
                assert answer is None
                in_work += 1
        elif in_work:
            admission.leave(HOLD, 0.1, Fate.ANSWERED)
            in_work -= 1
        assert admission.in_work == in_work


def test_a_thousand_calls_at_once_are_taken_however_little_time_they_have() -> None:
    admission = Admission(2_048, needed=Needed())
    assert [admission.enter(HOLD, 0.001) for _ in range(1_000)] == [None] * 1_000


def test_a_call_is_refused_at_once_that_has_less_time_than_twice_what_the_quickest_needed() -> None:
    admission = after(Clock(), 2.0, 0.4, 9.0)
    late = admission.enter(HOLD, 0.8)
    assert refused(late) is Reason.SERVER_OVERLOADED
    assert late is not None
    assert "deadline" in late.message
    assert admission.enter(HOLD, 0.81) is None
    assert admission.enter(HOLD, None) is None


def test_where_none_is_answered_in_time_only_those_are_taken_that_have_more_time() -> None:
    admission = after(Clock(), 0.1, 0.3, 0.2, fate=Fate.LATE)
    assert refused(admission.enter(HOLD, 0.29)) is Reason.SERVER_OVERLOADED
    assert admission.enter(HOLD, 0.31) is None


def test_calls_that_were_given_up_make_nobody_hurry_where_others_are_answered() -> None:
    admission = after(Clock(), 0.4)
    for _ in range(100):
        admission.enter(HOLD, None)
        admission.leave(HOLD, 0.001, Fate.GIVEN_UP)
    assert refused(admission.enter(HOLD, 0.5)) is Reason.SERVER_OVERLOADED


def ended(admission: Admission, clock: Clock, late: int, path: str = HOLD) -> None:
    """So many of enough calls ran out of time, and the others took 10 ms."""
    for number in range(JUDGED_CALLS):
        admission.enter(path, None)
        fate = Fate.LATE if number < late else Fate.ANSWERED
        admission.leave(path, 0.05 if fate is Fate.LATE else 0.01, fate)
    clock.now_s += 0.1


def test_that_calls_of_one_method_run_out_of_time_refuses_none_of_another() -> None:
    clock = Clock()
    admission = after(clock, 0.01)
    for _ in range(5):
        ended(admission, clock, late=JUDGED_CALLS // 2)
        ended(admission, clock, late=0, path=PLAN)
    assert refused(admission.enter(HOLD, 0.03)) is Reason.SERVER_OVERLOADED
    assert admission.enter(PLAN, 0.03) is None


def test_where_many_run_out_of_time_in_work_only_those_with_more_of_it_are_taken_until_hardly_any_does() -> (
    None
):
    clock = Clock()
    admission = after(clock, 0.01)
    clock.now_s += 0.1
    assert admission.enter(HOLD, 0.03) is None
    for _ in range(3):
        ended(admission, clock, late=JUDGED_CALLS // 4)
    assert refused(admission.enter(HOLD, 0.1)) is Reason.SERVER_OVERLOADED
    assert admission.enter(HOLD, 0.13) is None
    for _ in range(20):
        ended(admission, clock, late=JUDGED_CALLS // 2)
    assert refused(admission.enter(HOLD, TIMES_MAX * 0.008)) is Reason.SERVER_OVERLOADED
    assert admission.enter(HOLD, TIMES_MAX * 0.01 + 0.01) is None
    for _ in range(40):
        ended(admission, clock, late=JUDGED_CALLS // 16)
    assert admission.enter(HOLD, 0.03) is None


def test_that_many_ran_out_of_time_is_forgotten_when_nobody_comes_for_a_while() -> None:
    clock = Clock()
    admission = after(clock, 0.01)
    for _ in range(20):
        clock.now_s += 0.1
        ended(admission, clock, late=JUDGED_CALLS // 2)
    assert refused(admission.enter(HOLD, 0.2)) is Reason.SERVER_OVERLOADED
    clock.now_s += 4.0
    for _ in range(CALLS_ENOUGH):
        admission.enter(HOLD, None)
        admission.leave(HOLD, 0.01, Fate.ANSWERED)
    assert admission.enter(HOLD, 0.03) is None


def test_what_some_make_each_other_wait_is_nobody_elses_overload() -> None:
    admission = after(Clock(), 3.0, 0.004)
    assert admission.enter(HOLD, 0.05) is None
    assert after(Clock(), 3.0).enter(PLAN, 0.01) is None


@pytest.mark.parametrize("fate", Fate)
def test_a_few_slow_calls_prove_nothing(fate: Fate) -> None:
    admission = Admission(2_048, needed=Needed(Clock()))
    for _ in range(CALLS_ENOUGH - 1):
        admission.enter(HOLD, None)
        admission.leave(HOLD, 9.0, fate)
    assert admission.enter(HOLD, 0.5) is None


@pytest.mark.parametrize("fate", [Fate.ANSWERED, Fate.GIVEN_UP])
@pytest.mark.parametrize(("passed_s", "taken"), [(0.9, False), (1.9, False), (2.1, True)])
def test_what_took_long_is_forgotten_soon(passed_s: float, taken: bool, fate: Fate) -> None:
    clock = Clock()
    admission = after(clock, 0.8, fate=fate)
    clock.now_s += passed_s
    assert (admission.enter(HOLD, 0.5) is None) is taken


def test_the_longer_calls_take_the_later_those_who_are_refused_may_come_again() -> None:
    waits = []
    for took_s in (0.01, 0.4, 1.0, 60.0):
        admission = after(Clock(), took_s, calls_max=1)
        assert admission.enter(HOLD, None) is None
        answer = admission.enter(HOLD, None)
        assert refused(answer) is Reason.SERVER_OVERLOADED
        assert answer is not None
        waits.append(retry_after_s(answer))
        assert dict(answer.trailers)["grpc-retry-pushback-ms"] == str(round(waits[-1] * 1_000))
    assert waits == [0.25, 0.8, 2.0, RETRY_S_MAX]


def test_those_who_are_refused_together_do_not_return_together() -> None:
    chances: Iterator[float] = iter(n / 100 for n in range(100))
    admission = Admission(1, needed=Needed(Clock()), chance=lambda: next(chances))
    admission.enter(HOLD, None)
    answers = [admission.enter(HOLD, None) for _ in range(100)]
    waits = {retry_after_s(answer) for answer in answers if answer is not None}
    assert len(waits) >= 5
    assert (min(waits), max(waits)) == (0.1, 0.35)


class Noting(Admission):
    """Notes how calls end."""

    def __init__(self) -> None:
        super().__init__(1)
        self.fates: list[Fate] = []

    def leave(self, path: str, elapsed_s: float, fate: Fate) -> None:
        self.fates.append(fate)
        super().leave(path, elapsed_s, fate)


@dataclass(frozen=True, slots=True)
class WithTimeLeft:
    """All that is asked of the context of a call here."""

    remaining_s: float | None

    def time_remaining(self) -> float | None:
        return self.remaining_s


@pytest.mark.parametrize(
    ("end", "remaining_s", "fate"),
    [
        (None, 1.0, Fate.ANSWERED),
        (refuse(Reason.TABLE_BLOCKED, "no"), 0.0, Fate.ANSWERED),
        (refuse(Reason.DEADLINE_EXCEEDED, "late"), 1.0, Fate.LATE),
        (refuse(Reason.SERVER_OVERLOADED, "busy"), 0.0, Fate.GIVEN_UP),
        (asyncio.CancelledError(), 0.01, Fate.LATE),
        (asyncio.CancelledError(), 1.0, Fate.GIVEN_UP),
        (asyncio.CancelledError(), None, Fate.GIVEN_UP),
    ],
)
async def test_a_call_is_late_that_ran_out_of_time_and_answered_with_whatever_else_it_is_refused(
    end: BaseException | None, remaining_s: float | None, fate: Fate
) -> None:
    async def proceed(_: object, __: object) -> str:
        if end is not None:
            raise end
        return "an answer"

    calls, context = Noting(), cast("Context", WithTimeLeft(remaining_s))
    with suppress(BaseException):
        await AdmissionInterceptor(calls, Admission(1)).around(HOLD, proceed, b"", context)
    assert (calls.fates, calls.in_work) == ([fate], 0)


async def test_who_waits_for_the_end_of_what_is_in_work_waits_for_the_last() -> None:
    admission = Admission(2)
    await admission.idle()
    for _ in range(2):
        admission.enter(HOLD, None)
    waiting = asyncio.ensure_future(admission.idle())
    for _ in range(2):
        await asyncio.sleep(0)
        assert not waiting.done()
        admission.leave(HOLD, 0.1, Fate.ANSWERED)
    await waiting


async def test_who_takes_calls_waits_while_as_many_are_in_work_as_may_be_and_none_is_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "STALLED_S", 600.0)
    admission = Admission(1)
    admission.enter(HOLD, None)
    waiting = asyncio.ensure_future(admission.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    admission.leave(HOLD, 0.1, Fate.ANSWERED)
    await waiting
    for draining in (False, True):
        if draining:
            admission.enter(HOLD, None)
            admission.drain()
        at_once = asyncio.ensure_future(admission.room())
        await asyncio.sleep(0)
        assert at_once.done()
