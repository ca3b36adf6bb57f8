"""When automatic assignment in the background is tried again, and what it waits for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from server.domain.auto_assign_job import AutoAssignJob, JobOutcome, JobState, Trigger
from server.domain.cures import ANNOUNCED_BY, CURES, Cure
from server.domain.retry_plan import ANY_CURE, assigned_job, ended_job, lost_job, queued_job, refused_job
from server.errors import PASSING, Check, CheckStatus, Reason, Refusal
from tests.builders.questions import at

NOW, LAST_TRY = at(12), at(18, 50)
QUEUED = queued_job("host-7", at(11), at(11), 600)


def tried(times: int, reason: Reason, *causes: Reason) -> AutoAssignJob:
    checks = tuple(Check(cause, CheckStatus.ERROR, "") for cause in causes)
    job = replace(QUEUED, attempt_count=times)
    return refused_job(job, Refusal(reason, "no", checks=checks), LAST_TRY, NOW)


def test_passing_trouble_is_tried_again_after_5_15_and_45_seconds_and_then_given_up() -> None:
    again = [tried(times, Reason.STORE_UNAVAILABLE) for times in (1, 2, 3)]
    assert [job.state for job in again] == [JobState.QUEUED] * 3
    assert [job.next_attempt_at for job in again] == [NOW + timedelta(seconds=wait) for wait in (5, 15, 45)]
    assert [job.outcome for job in again] == [None] * 3
    last = tried(4, Reason.STORE_UNAVAILABLE)
    assert (last.state, last.outcome) == (JobState.WAITING, JobOutcome.GAVE_UP)
    assert (last.cured_by, last.next_attempt_at) == (ANY_CURE, LAST_TRY)


@pytest.mark.parametrize("reason", [Reason.CUTOFF_PASSED, Reason.WINDOW_IN_PAST])
def test_what_is_too_late_is_refused_for_good(reason: Reason) -> None:
    job = tried(1, reason)
    assert (job.state, job.outcome, job.reason) == (JobState.ENDED, JobOutcome.REFUSED, reason)
    assert job.next_attempt_at is None


@pytest.mark.parametrize(
    "reason",
    [
        Reason.INVALID_STATE_TRANSITION,
        Reason.BOOKING_ALREADY_ASSIGNED,
        Reason.BOOKING_NOT_FOUND,
        Reason.RESTAURANT_NOT_FOUND,
    ],
)
def test_what_nobody_needs_any_more_ends(reason: Reason) -> None:
    job = tried(1, reason)
    assert (job.state, job.outcome) == (JobState.ENDED, JobOutcome.NOT_NEEDED)


@pytest.mark.parametrize(
    "job",
    [
        tried(4, Reason.STORE_UNAVAILABLE),
        tried(1, Reason.CUTOFF_PASSED),
        tried(1, Reason.NO_FEASIBLE_PLAN),
        tried(1, Reason.BOOKING_NOT_FOUND),
        ended_job(QUEUED, JobOutcome.ALREADY_ASSIGNED, NOW),
        lost_job(QUEUED, NOW),
    ],
    ids=lambda job: str(job.reason or job.outcome),
)
def test_a_decision_of_the_background_says_so_and_when_it_was_made(job: AutoAssignJob) -> None:
    assert (job.trigger, job.decided_at) == (Trigger.BACKGROUND, NOW)


def test_decisions_are_the_same_that_differ_in_nothing_but_their_time() -> None:
    job = tried(1, Reason.NO_FEASIBLE_PLAN)
    assert job.decides_as(replace(job, decided_at=at(13), attempt_count=7))
    for other in (
        replace(job, outcome=JobOutcome.GAVE_UP),
        replace(job, reason=Reason.TABLE_BLOCKED),
        replace(job, trigger=Trigger.INLINE),
    ):
        assert not job.decides_as(other)


@pytest.mark.parametrize("cause", sorted(CURES))
def test_a_refusal_waits_for_what_could_cure_any_of_its_causes(cause: Reason) -> None:
    job = tried(1, Reason.NO_FEASIBLE_PLAN, cause, Reason.COMBINATION_REDUNDANT)
    assert (job.state, job.outcome, job.reason) == (
        JobState.WAITING,
        JobOutcome.REFUSED,
        Reason.NO_FEASIBLE_PLAN,
    )
    told = {event for cure in CURES[cause] for event in ANNOUNCED_BY.get(cure, ())}
    assert set(job.cured_by) == (told | {"capacity.inventory.changed"} if told else set(ANY_CURE))
    assert job.next_attempt_at == LAST_TRY


def test_every_cure_but_the_party_s_own_change_is_announced_by_an_event() -> None:
    assert set(Cure) - ANNOUNCED_BY.keys() == {Cure.BOOKING_CHANGED}


def test_an_unknown_cause_waits_for_anything() -> None:
    assert tried(1, Reason.SERVICE_OVERRUN).cured_by == ANY_CURE


def test_no_reason_is_both_passing_and_final() -> None:
    assert {tried(1, reason).state for reason in PASSING} == {JobState.QUEUED}


def test_an_inline_call_leaves_an_ended_job_behind() -> None:
    job = assigned_job(None, Trigger.INLINE, "host-7", NOW)
    assert (job.state, job.outcome, job.attempt_count) == (
        JobState.ENDED,
        JobOutcome.COMPLETED_IN_TIME,
        1,
    )
    background = assigned_job(replace(QUEUED, attempt_count=3), Trigger.BACKGROUND, "host-7", NOW)
    assert background.attempt_count == 3
