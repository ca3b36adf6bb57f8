"""When automatic assignment in the background is tried again, what it waits for, and when it ends."""

from dataclasses import replace
from datetime import datetime, timedelta

from server.domain.auto_assign_job import AutoAssignJob, JobOutcome, JobState, Trigger
from server.domain.cures import ANNOUNCED_BY, CURES
from server.domain.events import EventType
from server.errors import PASSING, Reason, Refusal

RETRY_AFTER_S = (5.0, 15.0, 45.0)
"""The waits after the first, second and third try that failed in passing."""
ATTEMPTS_MAX = 10
"""So often a job is taken before it ends, though nothing came of it: it may be what ends the workers that take it."""

# Nobody needs tables for this booking any more, or nobody may give it any.
NOT_NEEDED = frozenset(
    {
        Reason.INVALID_STATE_TRANSITION,
        Reason.BOOKING_ALREADY_ASSIGNED,
        Reason.BOOKING_NOT_FOUND,
        Reason.RESTAURANT_NOT_FOUND,
    }
)
TOO_LATE = frozenset({Reason.CUTOFF_PASSED, Reason.WINDOW_IN_PAST})
ANY_CURE = tuple(sorted({event for events in ANNOUNCED_BY.values() for event in events}))


def queued_job(actor: str, now: datetime, first_try_at: datetime, cutoff_s: int) -> AutoAssignJob:
    return AutoAssignJob(JobState.QUEUED, actor, now, first_try_at, cutoff_s)


def assigned_job(job: AutoAssignJob | None, trigger: Trigger, actor: str, now: datetime) -> AutoAssignJob:
    """The end of a job whose booking got its tables; where there was none, what an inline call leaves behind."""
    before = job or AutoAssignJob(JobState.ENDED, actor, now)
    attempts = before.attempt_count if trigger is Trigger.BACKGROUND else 1
    return _ended(replace(before, attempt_count=attempts), JobOutcome.COMPLETED_IN_TIME, None, trigger, now)


def ended_job(job: AutoAssignJob, outcome: JobOutcome, now: datetime) -> AutoAssignJob:
    """The end of a job that had nothing left to do."""
    return _ended(job, outcome, None, Trigger.BACKGROUND, now)


def lost_job(job: AutoAssignJob, now: datetime) -> AutoAssignJob:
    """The end of a job that was lost by whoever took it, too often to be tried once more."""
    tried = replace(job, attempt_count=job.attempt_count - 1)
    return _ended(tried, JobOutcome.GAVE_UP, Reason.INVARIANT_BROKEN, Trigger.BACKGROUND, now)


def refused_job(job: AutoAssignJob, refusal: Refusal, last_try_at: datetime, now: datetime) -> AutoAssignJob:
    """A background job after a try that was refused.

    Trouble that passes by itself is tried again, up to three times; then, and after any other refusal, the job waits
    until something changes that may make room, or until its last try.
    """
    reason = refusal.reason
    if reason in NOT_NEEDED:
        return _ended(job, JobOutcome.NOT_NEEDED, reason, Trigger.BACKGROUND, now)
    if reason in TOO_LATE:
        return _ended(job, JobOutcome.REFUSED, reason, Trigger.BACKGROUND, now)
    if reason not in PASSING:
        return _waiting(job, JobOutcome.REFUSED, reason, cured_by(refusal), last_try_at, now)
    if job.attempt_count <= len(RETRY_AFTER_S):
        again_at = now + timedelta(seconds=RETRY_AFTER_S[max(job.attempt_count, 1) - 1])
        return replace(job, state=JobState.QUEUED, next_attempt_at=again_at)
    return _waiting(job, JobOutcome.GAVE_UP, reason, ANY_CURE, last_try_at, now)


def cured_by(refusal: Refusal) -> tuple[str, ...]:
    """The types of events after which a refused booking may find tables.

    Another floor or policy may always bring some, also where all that is there now is taken.
    """
    relaxed = refusal.metadata.get("relaxed_taken_by", "").split(",")
    reasons = {
        refusal.reason,
        *(check.reason for check in refusal.checks),
        *map(Reason, filter(None, relaxed)),
    }
    cures = {cure for reason in reasons for cure in CURES.get(reason, ())}
    events = {event for cure in cures for event in ANNOUNCED_BY.get(cure, ())}
    return tuple(sorted(events | {EventType.INVENTORY_CHANGED})) if events else ANY_CURE


def _waiting(
    job: AutoAssignJob,
    outcome: JobOutcome,
    reason: Reason,
    events: tuple[str, ...],
    last_try_at: datetime,
    now: datetime,
) -> AutoAssignJob:
    return replace(
        job,
        state=JobState.WAITING,
        next_attempt_at=last_try_at,
        cured_by=events,
        outcome=outcome,
        reason=reason,
        trigger=Trigger.BACKGROUND,
        decided_at=now,
    )


def _ended(
    job: AutoAssignJob, outcome: JobOutcome, reason: Reason | None, trigger: Trigger, now: datetime
) -> AutoAssignJob:
    return replace(
        job,
        state=JobState.ENDED,
        next_attempt_at=None,
        cured_by=(),
        outcome=outcome,
        reason=reason,
        trigger=trigger,
        decided_at=now,
    )
