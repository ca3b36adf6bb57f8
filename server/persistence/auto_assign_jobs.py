"""Implements `AutoAssignJobs`."""

from typing import Any

from server.domain.auto_assign_job import AutoAssignJob
from server.orchestrator.auto_assign_jobs import ClaimedJob, Woken
from server.persistence.documents import decode, encode
from server.persistence.pool import Pool
from server.persistence.queries import load_queries
from server.persistence.session import answered_in_time

JOBS = load_queries("auto_assign")


class SqlAutoAssignJobs:
    """Each call waits `timeout_s` seconds for a connection, and as long for its statement."""

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def wake(self, limit: int) -> Woken:
        (row,) = await self._fetch(JOBS["wake_jobs"], limit)
        return Woken(row["woken"], row["looked"])

    async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
        found = await self._fetch(JOBS["claim_jobs"], limit, lease_s)
        return tuple(
            ClaimedJob(
                row["tenant_id"],
                row["restaurant_id"],
                row["booking_id"],
                row["dining_start"],
                decode(row["job"], AutoAssignJob),
            )
            for row in found
        )

    async def put_back(self, claimed: ClaimedJob, job: AutoAssignJob) -> bool:
        found = await self._fetch(
            JOBS["put_job_back"], claimed.restaurant_id, claimed.booking_id, encode(job)
        )
        return bool(found)

    async def _fetch(self, query: str, *values: object) -> list[Any]:
        async with answered_in_time(), self._pool.acquire(timeout=self._timeout_s) as connection:
            return await connection.fetch(query, *values, timeout=self._timeout_s)
