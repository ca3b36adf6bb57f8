"""Implements `AutoAssignJobs`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from server.domain.auto_assign_job import AutoAssignJob
from server.domain.retry_plan import RETRY_AFTER_S
from server.orchestrator.auto_assign_jobs import ClaimedJob, Woken
from server.persistence.documents import decode, encode
from server.persistence.pool import InTime
from server.persistence.queries import load_queries

log = structlog.get_logger(__name__)

JOBS = load_queries("auto_assign")


class SqlAutoAssignJobs(InTime):
    async def wake(self, limit: int) -> Woken:
        (row,) = await self._fetch(JOBS["wake_jobs"], limit)
        return Woken(row["woken"], row["looked"])

    async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
        found = await self._fetch(JOBS["claim_jobs"], limit, lease_s, len(RETRY_AFTER_S))
        understood = [(row, _claimed(row)) for row in found]
        strange = [row for row, job in understood if job is None]
        if strange:
            await self._give_back(
                [(row["restaurant_id"], row["booking_id"], row["run_number"]) for row in strange], lease_s
            )
        return tuple(job for _, job in understood if job is not None)

    async def put_back(self, claimed: ClaimedJob, job: AutoAssignJob) -> bool:
        found = await self._fetch(
            JOBS["put_job_back"], claimed.restaurant_id, claimed.booking_id, encode(job)
        )
        return bool(found)

    async def give_back(self, claimed: Sequence[ClaimedJob], after_s: float = 0.0) -> int:
        return await self._give_back(
            [(each.restaurant_id, each.booking_id, each.job.run_number) for each in claimed], after_s
        )

    async def resume(self, longest_s: float) -> int:
        """Makes jobs due that wait because the database's clock was set back; how many. No other waits for `longest_s`
        seconds after a try.
        """
        (row,) = await self._fetch(JOBS["resume_jobs"], longest_s)
        return int(row["resumed"])

    async def _give_back(self, claimed: Sequence[tuple[UUID, UUID, int]], after_s: float) -> int:
        found = await self._fetch(JOBS["give_jobs_back"], *map(list, zip(*claimed, strict=True)), after_s)
        return len(found)


def _claimed(row: Any) -> ClaimedJob | None:
    """None for a job that only a newer version understands: it is left to the workers of that."""
    booking_id = row["booking_id"]
    try:
        job = decode(row["job"], AutoAssignJob)
    except msgspec.ValidationError as problem:
        log.warning("job_not_understood", booking_id=str(booking_id), problem=str(problem))
        return None
    return ClaimedJob(row["tenant_id"], row["restaurant_id"], booking_id, row["dining_start"], job)
