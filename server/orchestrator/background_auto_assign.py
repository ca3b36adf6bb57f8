"""Assign queued bookings in the background: now, later, or when something has changed that may make room."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from server.clock import Deadline
from server.domain.auto_assign_job import AutoAssignJob, JobOutcome, JobState, Trigger
from server.domain.events import auto_assign_event
from server.domain.restaurant import Caller
from server.domain.retry_plan import ATTEMPTS_MAX, RETRY_AFTER_S, ended_job, lost_job, refused_job
from server.errors import Reason, Refusal, ServiceError
from server.lifecycle import unheard
from server.orchestrator.auto_assign import AutoAssign, AutoAssignCommand
from server.orchestrator.auto_assign_jobs import AutoAssignJobs, ClaimedJob
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.ports import Named, OwnUnit, Store
from server.orchestrator.situation import known_restaurant

log = structlog.get_logger(__name__)

WHY = "in the background"


@dataclass(frozen=True, slots=True)
class JobLimits:
    """`jobs_max` are taken in one round; a try takes no longer than `try_s`, and a job is another worker's after
    `lease_s`. What a restaurant's earlier jobs keep waiting for longer than `turn_s` goes back untried.
    """

    jobs_max: int
    try_s: float
    lease_s: float
    turn_s: float


@dataclass(slots=True)
class BackgroundAutoAssign:
    """One round of the worker, again and again. Any number of workers may go round at the same time.

    A try is AutoAssign under its derived request_id: whatever crashes in between or runs twice, a booking is assigned
    once. What was decided is written before the job is given up, so a job whose worker died is tried again, up to
    `ATTEMPTS_MAX` times: it may be what ends its workers.
    """

    store: Store
    jobs: AutoAssignJobs
    auto_assign: AutoAssign
    limits: JobLimits
    _claiming: "asyncio.Task[tuple[ClaimedJob, ...]] | None" = field(default=None, init=False)
    _done_with: set[ClaimedJob] = field(default_factory=set, init=False)

    async def __call__(self) -> int:
        """How many jobs it had to do with; with `jobs_max` there may be more to do right away."""
        seen = await self.jobs.wake(self.limits.jobs_max)
        turn = Deadline.after(self.limits.turn_s)
        claimed = await self._claim()
        ordered = sorted(claimed, key=lambda each: each.restaurant_id)
        restaurants = [list(group) for _, group in groupby(ordered, lambda each: each.restaurant_id)]
        await asyncio.gather(*(self._in_turn(each, turn) for each in restaurants))
        return max(seen.looked_at, len(claimed))

    async def let_go(self) -> None:
        """For a worker that stops: gives back what its last round has taken and not come to an end with."""
        if self._claiming is None:
            return
        await asyncio.wait([self._claiming])
        taken = () if self._claiming.exception() else self._claiming.result()
        left = [each for each in taken if each not in self._done_with]
        if left:
            await self._give_back(left)

    async def _claim(self) -> tuple[ClaimedJob, ...]:
        """Is not cut short: whoever takes jobs has to know which, to give them back."""
        self._done_with.clear()
        self._claiming = asyncio.create_task(self.jobs.claim(self.limits.jobs_max, self.limits.lease_s))
        # A worker that stops together with its database waits no longer to hear how it ended.
        self._claiming.add_done_callback(unheard)
        return await asyncio.shield(self._claiming)

    async def _give_back(self, claimed: Sequence[ClaimedJob], after_s: float = 0.0) -> None:
        try:
            await self.jobs.give_back(claimed, after_s)
        except (ServiceError, TimeoutError) as problem:
            # Their leases run out and they are due again.
            log.warning("jobs_not_given_back", jobs=len(claimed), problem=str(problem))
        else:
            self._done_with.update(claimed)

    async def _in_turn(self, claimed: Sequence[ClaimedJob], turn: Deadline) -> None:
        """The jobs of one restaurant, in the order in which they were queued: side by side they would only be in each
        other's way. Slow ones keep neither the rest past their leases nor the next round waiting.
        """
        for number, each in enumerate(claimed):
            if number and turn.passed:
                await self._give_back(claimed[number:])
                return
            try:
                await self._try(each)
            except (ServiceError, TimeoutError) as problem:
                log.warning("job_not_put_back", booking_id=str(each.booking_id), problem=str(problem))
                await self._give_back([each], RETRY_AFTER_S[0])
            except Exception:
                # A bug. The lease runs out and the job is due again.
                log.exception("job_failed", booking_id=str(each.booking_id))
            else:
                self._done_with.add(each)

    async def _try(self, claimed: ClaimedJob) -> None:
        job, caller = claimed.job, Caller(claimed.tenant_id, claimed.job.actor, frozenset())
        lost = job.attempt_count > ATTEMPTS_MAX
        refusal = None if lost else await self._refused(caller, claimed)
        standing = await known_restaurant(self.store.catalogue, caller, claimed.restaurant_id)
        if lost:
            log.error("job_given_up", booking_id=str(claimed.booking_id), attempts=ATTEMPTS_MAX)
            await self._tell(claimed, lost_job(job, standing.now))
        elif refusal is None:
            # Written already by whoever gave the tables, unless they were given without automatic assignment.
            await self.jobs.put_back(claimed, ended_job(job, JobOutcome.ALREADY_ASSIGNED, standing.now))
        else:
            await self._decide(claimed, refusal, standing.now)

    async def _decide(self, claimed: ClaimedJob, refusal: Refusal, now: datetime) -> None:
        job = claimed.job
        last_try_at = claimed.dining_start - timedelta(seconds=job.cutoff_s or 0)
        after = refused_job(job, refusal, last_try_at, now)
        if after.state is JobState.QUEUED or after.outcome is JobOutcome.NOT_NEEDED or after.decides_as(job):
            await self.jobs.put_back(claimed, after)
        else:
            await self._tell(claimed, after)

    async def _refused(self, caller: Caller, claimed: ClaimedJob) -> Refusal | None:
        """None when the booking has its tables."""
        command = AutoAssignCommand(
            None,
            caller.actor,
            claimed.restaurant_id,
            claimed.booking_id,
            cutoff_s=claimed.job.cutoff_s,
            reason=WHY,
        )
        try:
            answer = await self.auto_assign(
                caller, command, Deadline.after(self.limits.try_s), Trigger.BACKGROUND
            )
        except ServiceError as error:
            return error.refusal
        except Exception:
            log.exception("job_failed", booking_id=str(claimed.booking_id))
            return Refusal(Reason.INVARIANT_BROKEN, "The try failed with an error of the service itself.")
        if answer.assignment is None:
            return Refusal(Reason.DEADLINE_EXCEEDED, "Time ran out before tables were assigned.")
        return None

    async def _tell(self, claimed: ClaimedJob, after: AutoAssignJob) -> None:
        """Writes a new decision together with its event, unless the job was lost meanwhile."""
        tenant_id, restaurant_id = claimed.tenant_id, claimed.restaurant_id

        async def work(unit: OwnUnit) -> None:
            await unit.lock_restaurant(tenant_id, restaurant_id)
            if await unit.auto_assign_run(restaurant_id, claimed.booking_id) != claimed.job.run_number:
                return
            await unit.put_auto_assign_job(restaurant_id, claimed.booking_id, after)
            event = auto_assign_event(restaurant_id, claimed.booking_id, after)
            changes = Changes(events=(event,), audit=(_noted(claimed, after),))
            await unit.write(restaurant_id, changes)

        await self.store.run(work, Deadline.after(self.limits.try_s), Named(tenant_id, restaurant_id))


def _noted(claimed: ClaimedJob, after: AutoAssignJob) -> AuditEntry:
    """A decision is a change of its own, so the audit log has it too."""
    details = {"outcome": after.outcome, "reason": after.reason, "attempt_count": after.attempt_count}
    return AuditEntry("auto_assign_outcome", "booking", claimed.booking_id, claimed.job.actor, WHY, details)
