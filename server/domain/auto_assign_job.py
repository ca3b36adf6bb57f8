"""What was ordered for a booking that is to be assigned automatically in the background, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.errors import Reason


class JobState(StrEnum):
    """Queued: tried at a certain time. Waiting: nothing fits now; tried again when that may have changed."""

    QUEUED = "queued"
    WAITING = "waiting"
    ENDED = "ended"


class JobOutcome(StrEnum):
    COMPLETED_IN_TIME = "completed_in_time"
    ALREADY_ASSIGNED = "already_assigned"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    NOT_NEEDED = "not_needed"


class Trigger(StrEnum):
    """Who assigns automatically: a call that waits for it, or the worker."""

    INLINE = "inline"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class AutoAssignJob:
    """What was ordered for a booking and what came of it so far.

    `attempt_count` counts tries since it was queued or waited last, each from when a worker took the job. `cutoff_s` is
    how long before the party sits down the last try is made. `cured_by` are the types of events that wake a waiting
    job. Outcome, reason, trigger and `decided_at` tell the last decision, None before there was one. `run_number` rises
    when a worker takes the job, when that one puts it back, and when it is ordered anew.
    """

    state: JobState
    actor: str
    queued_at: datetime
    next_attempt_at: datetime | None = None
    cutoff_s: int | None = None
    attempt_count: int = 0
    cured_by: tuple[str, ...] = ()
    outcome: JobOutcome | None = None
    reason: Reason | None = None
    trigger: Trigger | None = None
    decided_at: datetime | None = None
    run_number: int = 0

    def decides_as(self, other: "AutoAssignJob") -> bool:
        """Whether both tell the same decision, whenever it was made."""
        mine = (self.outcome, self.reason, self.trigger)
        return mine == (other.outcome, other.reason, other.trigger)
