"""The jobs of the background automatic assignment: how they are queued, and what its worker needs of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from server.domain.auto_assign_job import AutoAssignJob, JobOutcome
from server.domain.booking import Booking
from server.domain.retry_plan import ended_job, queued_job
from server.orchestrator.ports import OwnUnit
from server.orchestrator.situation import Situation


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that a worker has taken, with the start of its booking."""

    tenant_id: UUID
    restaurant_id: UUID
    booking_id: UUID
    dining_start: datetime
    job: AutoAssignJob


@dataclass(frozen=True, slots=True)
class Woken:
    """How many waiting jobs are due now, of those that were looked at."""

    woken: int
    looked_at: int


class AutoAssignJobs(Protocol):
    """The jobs of all tenants."""

    async def wake(self, limit: int) -> Woken:
        """Makes waiting jobs due for which a committed change may have made room. Looks at no more than `limit`."""
        ...

    async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
        """Takes jobs whose time has come, each for one worker, in the order in which they were queued.

        One that is not put back within `lease_s` seconds is due again.
        """
        ...

    async def put_back(self, claimed: ClaimedJob, job: AutoAssignJob) -> bool:
        """Writes what came of a try; false when the job was taken or ordered anew meanwhile, and nothing is written."""
        ...

    async def give_back(self, claimed: Sequence[ClaimedJob], after_s: float = 0.0) -> int:
        """Leaves jobs of which nothing came to whoever claims after `after_s` seconds, as if they had not been taken;
        how many were not put back, taken or ordered anew meanwhile.
        """
        ...


async def queue(
    unit: OwnUnit,
    situation: Situation,
    booking: Booking,
    actor: str,
    *,
    first_try_at: datetime | None = None,
    cutoff_s: int | None = None,
) -> Booking:
    """Leaves a booking to the worker, at once and until the policy's cutoff unless told otherwise."""
    now = situation.now
    job = queued_job(
        actor,
        now,
        now if first_try_at is None else max(now, first_try_at),
        situation.policy.auto_assign_cutoff_s if cutoff_s is None else cutoff_s,
    )
    await unit.put_auto_assign_job(booking.restaurant_id, booking.booking_id, job)
    return replace(booking, auto_assign_job=job)


async def end_left_job(unit: OwnUnit, booking: Booking, now: datetime) -> Booking:
    """Ends a job that a new need would bring back to life: its booking got tables before the worker came to it, and
    whoever looked was told that it had ended.
    """
    job = booking.auto_assign_job
    if job is None or not booking.is_queued:
        return booking
    ended = ended_job(job, JobOutcome.ALREADY_ASSIGNED, now)
    await unit.put_auto_assign_job(booking.restaurant_id, booking.booking_id, ended)
    return replace(booking, auto_assign_job=ended)
