"""A14: Bookings that a worker has taken: it may have no time for them, stop, lose them or die."""

import asyncio
import gc
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.bootstrap import working
from server.clock import Deadline
from server.config import load_settings
from server.domain.auto_assign_job import AutoAssignJob, Trigger
from server.domain.restaurant import Caller
from server.domain.retry_plan import ATTEMPTS_MAX
from server.orchestrator.auto_assign import AutoAssign, AutoAssignCommand
from server.orchestrator.auto_assign_jobs import ClaimedJob
from server.orchestrator.auto_assigned import AutoAssigned
from server.orchestrator.background_auto_assign import BackgroundAutoAssign, JobLimits
from server.persistence.auto_assign_jobs import SqlAutoAssignJobs
from server.persistence.pool import Pool
from server.persistence.store import SqlStore, StoreSettings
from tests.builders.world import small_world
from tests.conftest import Served
from tests.races.direct import Direct, direct
from tests.races.operations import day
from tests.support.background import GIVEN, TOLD, request_for
from tests.support.database import rows

NUMBER = "SELECT run_number FROM auto_assign_jobs"
LEFT = "SELECT attempt_count, next_attempt_at <= now() AS due FROM auto_assign_jobs"


async def test_what_a_worker_has_no_time_for_goes_back_untried(server: Served) -> None:
    """The jobs of a restaurant are tried in turn, and its leases must not run out meanwhile."""
    async with direct(server) as here:
        for number in range(3):
            booking = await here.world.booking(start=day(number))
            await here.world.client.dispatch_auto_assign(request_for(booking))
        jobs, no_time = SqlAutoAssignJobs(here.pool, 10.0), JobLimits(8, 60.0, lease_s=60.0, turn_s=0.0)
        round_ = BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, here.use, no_time)
        assert [await round_() for _ in range(4)] == [3, 2, 1, 0]
    assert await rows(server.database_url, TOLD) == [GIVEN] * 3


class Overtaken(SqlAutoAssignJobs):
    """Each job is another worker's before it is tried."""

    async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
        claimed = await super().claim(limit, 0.0)
        await super().claim(limit, lease_s)
        return claimed


@dataclass(frozen=True, slots=True)
class Deadly:
    """The use case where one booking ends the worker that tries it."""

    use: AutoAssign
    poison: UUID
    dead: asyncio.Event

    async def __call__(
        self, caller: Caller, command: AutoAssignCommand, deadline: Deadline, trigger: Trigger
    ) -> AutoAssigned:
        if command.booking_id == self.poison:
            self.dead.set()
            await asyncio.Event().wait()
        return await self.use(caller, command, deadline, trigger)


async def worker_died(here: Direct, poison: str) -> bool:
    """One round of a new worker, which nothing comes of any more once it has the poison in its hands."""
    dead = asyncio.Event()
    deadly: Any = Deadly(here.use, UUID(poison), dead)
    jobs, limits = SqlAutoAssignJobs(here.pool, 10.0), JobLimits(8, 60.0, lease_s=0.0, turn_s=60.0)
    round_ = asyncio.create_task(
        BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, deadly, limits)()
    )
    death = asyncio.create_task(dead.wait())
    await asyncio.wait([round_, death], return_when=asyncio.FIRST_COMPLETED)
    for task in (round_, death):
        task.cancel()
    await asyncio.wait([round_, death])
    return dead.is_set()


async def test_a_booking_that_ends_its_workers_is_given_up_and_none_that_was_taken_with_it(
    server: Served,
) -> None:
    """Neither one of its own restaurant, behind it, nor one of another, beside it."""
    async with direct(server) as here:
        elsewhere = await small_world(here.world.client)
        poisoned, *others = [await world.booking() for world in (here.world, here.world, elsewhere)]
        for booking in (poisoned, *others):
            await here.world.client.dispatch_auto_assign(request_for(booking))
        deaths = 0
        while await rows(server.database_url, "SELECT FROM auto_assign_jobs WHERE state <> 'ended'"):
            deaths += await worker_died(here, poisoned.booking_id)
        assert deaths == ATTEMPTS_MAX
        left = "SELECT outcome, reason, attempt_count FROM auto_assign_jobs WHERE booking_id = $1"
        given_up = {"outcome": "gave_up", "reason": "INVARIANT_BROKEN", "attempt_count": ATTEMPTS_MAX}
        assert await rows(server.database_url, left, UUID(poisoned.booking_id)) == [given_up]
        for other in others:
            (job,) = await rows(server.database_url, left, UUID(other.booking_id))
            assert job["outcome"] == "completed_in_time"
        told = await rows(server.database_url, TOLD)
        assert [(each["outcome"], each["attempts"]) for each in told][-1] == ("gave_up", ATTEMPTS_MAX)
        await here.world.client.dispatch_auto_assign(request_for(poisoned))
        assert not await worker_died(here, str(uuid4()))
        assert (await rows(server.database_url, TOLD))[-1] == GIVEN


class Broken(SqlAutoAssignJobs):
    """Has a bug: nothing can be put back."""

    async def put_back(self, claimed: ClaimedJob, job: AutoAssignJob) -> bool:
        raise KeyError("a bug")


async def test_a_bug_that_one_booking_meets_keeps_no_other_from_its_try(server: Served) -> None:
    """The one that has its tables already is to be put back, before the other is tried."""
    async with direct(server) as here:
        seated, booking = await here.world.booking(), await here.world.booking()
        for each in (seated, booking):
            await here.world.client.dispatch_auto_assign(request_for(each))
        await here.world.assign(seated, "T1")
        jobs, limits = Broken(here.pool, 10.0), JobLimits(8, 60.0, lease_s=60.0, turn_s=60.0)
        work = BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, here.use, limits)
        assert await work() == 2
    assert await rows(server.database_url, TOLD) == [GIVEN]


async def test_a_job_gets_a_number_that_it_never_had_whenever_somebody_writes_it(server: Served) -> None:
    """By the number it is known who lost it, however many have had it since."""
    numbers: list[int] = []
    async with direct(server) as here:
        order, jobs = request_for(await here.world.booking()), SqlAutoAssignJobs(here.pool, 10.0)

        async def note() -> None:
            numbers.extend([int(str(row["run_number"])) for row in await rows(server.database_url, NUMBER)])

        async def take() -> ClaimedJob:
            (taken,) = await jobs.claim(8, 60.0)
            await note()
            return taken

        await here.world.client.dispatch_auto_assign(order)
        await note()
        taken = await take()
        assert await jobs.put_back(taken, replace(taken.job, next_attempt_at=taken.job.queued_at))
        await note()
        assert await jobs.give_back([await take()]) == 1
        await note()
        await take()
        order.request_id = str(uuid4())
        await here.world.client.dispatch_auto_assign(order)
        await note()
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 7


class Answering(SqlAutoAssignJobs):
    """Its worker hears of what it has taken when the test says so."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, 10.0)
        self.taken, self.heard = asyncio.Event(), asyncio.Event()

    async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
        claimed = await super().claim(limit, lease_s)
        self.taken.set()
        await self.heard.wait()
        return claimed


async def test_a_worker_that_is_stopped_while_it_takes_jobs_gives_them_back(server: Served) -> None:
    async with direct(server) as here:
        await here.world.client.dispatch_auto_assign(request_for(await here.world.booking()))
        jobs, limits = Answering(here.pool), JobLimits(8, 60.0, lease_s=60.0, turn_s=60.0)
        work = BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, here.use, limits)
        await work.let_go()
        round_ = asyncio.create_task(work())
        await jobs.taken.wait()
        round_.cancel()
        await asyncio.wait([round_])
        jobs.heard.set()
        await work.let_go()
        await work.let_go()
    assert await rows(server.database_url, LEFT) == [{"attempt_count": 0, "due": True}]


@pytest.mark.usefixtures("only_own_garbage")
async def test_a_worker_that_stops_together_with_its_database_leaves_no_error_of_a_task(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asyncio.Event()

    class Away(SqlAutoAssignJobs):
        async def claim(self, limit: int, lease_s: float) -> tuple[ClaimedJob, ...]:
            asked.set()
            await let_go.wait()
            raise TimeoutError("the database did not answer")

    async with direct(server) as here:
        limits, let_go = JobLimits(8, 60.0, lease_s=60.0, turn_s=60.0), asyncio.Event()
        jobs = Away(here.pool, 10.0)
        work = BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, here.use, limits)
        round_ = asyncio.create_task(work())
        await asked.wait()
        round_.cancel()
        await asyncio.wait([round_])
        let_go.set()
        assert work._claiming is not None
        await asyncio.wait([work._claiming])
        del work, round_
        gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_a_worker_that_is_stopped_in_a_hurry_gives_back_what_it_tries(server: Served) -> None:
    """It has no grace, and what it tries waits for a restaurant that somebody else keeps locked."""
    async with direct(server) as here, here.pool.acquire() as locking, locking.transaction():
        await here.world.client.dispatch_auto_assign(request_for(await here.world.booking()))
        await locking.fetch("SELECT FROM restaurants FOR UPDATE")
        async with working(load_settings(pool_size_min=1, drain_s=0), server.database_url):
            while await rows(server.database_url, LEFT) != [{"attempt_count": 1, "due": False}]:
                continue
        assert await rows(server.database_url, LEFT) == [{"attempt_count": 0, "due": True}]


async def test_what_a_worker_decides_about_a_job_that_it_has_lost_is_not_told(server: Served) -> None:
    async with direct(server) as here:
        too_many = await here.world.booking(party=90)
        await here.world.client.dispatch_auto_assign(request_for(too_many))
        jobs, limits = Overtaken(here.pool, 10.0), JobLimits(8, 60.0, lease_s=60.0, turn_s=60.0)
        assert await BackgroundAutoAssign(SqlStore(here.pool, StoreSettings()), jobs, here.use, limits)() == 1
    assert await rows(server.database_url, TOLD) == []
    decided = "SELECT state, outcome, run_number FROM auto_assign_jobs"
    assert await rows(server.database_url, decided) == [{"state": "queued", "outcome": None, "run_number": 3}]
