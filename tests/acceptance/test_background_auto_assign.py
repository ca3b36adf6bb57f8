"""A14: the worker finds tables for bookings: at once, later, or when something has changed that may make room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import InvalidArgumentFieldError, InvalidStateTransitionError
from maitred_client.messages import (
    AutoAssignTrigger,
    BookingAction,
    BookingStatus,
    GetOperationRequest,
)
from maitred_client.reasons import BookingAlreadyAssignedError, CutoffPassedError
from server.domain.auto_assign_job import JobOutcome
from server.domain.retry_plan import ended_job
from server.persistence.auto_assign_jobs import SqlAutoAssignJobs
from server.persistence.pool import PoolSettings, open_pool
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.background import (
    ENDED,
    GIVEN,
    PENDING_ALLOCATION,
    QUEUED,
    TOLD,
    decided,
    dispatched,
    request_for,
    until,
    until_ended,
    until_nothing_is_left,
    until_waiting,
    worker,
)
from tests.support.database import connected, restaurant_locked, rows


@asynccontextmanager
async def taking(server: Served) -> AsyncIterator[SqlAutoAssignJobs]:
    """The jobs as a worker sees them."""
    pool = await open_pool(PoolSettings(server.database_url, size_min=1, size_max=1))
    try:
        yield SqlAutoAssignJobs(pool, 10.0)
    finally:
        await pool.close()


# How a booking gets to the worker


async def test_a_dispatched_booking_is_queued_at_once_and_assigned_by_the_worker(
    place: House, server: Served
) -> None:
    booking = await place.party(4)
    best = list((await place.plan(booking)).plans[0].table_ids)
    request = request_for(booking)
    queued = (await place.client.dispatch_auto_assign(request)).booking
    assert (queued.status, queued.auto_assign_job.state) == (PENDING_ALLOCATION, QUEUED)
    assert queued.auto_assign_job.cutoff == Duration(seconds=600)
    async with worker(server):
        done = await until_ended(place, booking)
    assert done.status == BookingStatus.BOOKING_STATUS_CONFIRMED
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")
    assert done.auto_assign_job.trigger == AutoAssignTrigger.AUTO_ASSIGN_TRIGGER_BACKGROUND
    (given,) = await rows(server.database_url, "SELECT table_ids::text[] AS tables, actor FROM assignments")
    assert (sorted(given["tables"]), given["actor"]) == (sorted(best), "host@desk")
    change = (await place.found(booking)).history[0]
    assert (change.actor, change.reason) == ("host@desk", "in the background")
    assert await rows(server.database_url, TOLD) == [GIVEN]
    again = (await place.client.dispatch_auto_assign(request)).booking
    assert again.SerializeToString(deterministic=True) == queued.SerializeToString(deterministic=True)
    known = await place.client.get_operation(
        GetOperationRequest(method="DispatchAutoAssign", operation_request_id=request.request_id)
    )
    assert known.response.Is(type(await place.client.dispatch_auto_assign(request)).DESCRIPTOR)


async def test_queueing_a_booking_hands_it_to_the_worker(place: House, server: Served) -> None:
    booking = await place.party(4)
    hold = await place.hold(booking, "W1")
    queued = await place.transition(booking, BookingAction.BOOKING_ACTION_QUEUE)
    assert queued.auto_assign_job.state == QUEUED
    assert await place.hold_now(hold) == hold
    async with worker(server):
        done = await until_ended(place, booking)
    assert not done.needs_tables


async def test_each_of_two_bookings_has_a_job_of_its_own(place: House, server: Served) -> None:
    early, late = await place.party(4), await place.party(2, start=evening() + timedelta(hours=1))
    await dispatched(place, late)
    assert not (await place.read(early.booking_id)).HasField("auto_assign_job")
    await place.client.dispatch_auto_assign(request_for(early, cutoff=timedelta(minutes=30)))
    cutoffs = [(await place.read(booking.booking_id)).auto_assign_job.cutoff for booking in (early, late)]
    assert cutoffs == [Duration(seconds=1800), Duration(seconds=600)]
    third = await place.client.assign_tables(place.assign_request((await place.party(2)).booking_id, ["W1"]))
    assert not third.booking.HasField("auto_assign_job")
    async with taking(server) as jobs:
        taken = await jobs.claim(10, lease_s=0.0)
    assert [(str(job.booking_id), stamp(job.dining_start)) for job in taken] == [
        (booking.booking_id, booking.party.start) for booking in (late, early)
    ]


async def test_a_policy_hands_over_every_booking_and_every_new_need(place: House, server: Served) -> None:
    await place.change_policy(lambda policy: setattr(policy, "auto_assign_bookings", True))
    async with worker(server):
        booking = await place.party(4)
        assert (booking.status, booking.auto_assign_job.state) == (PENDING_ALLOCATION, QUEUED)
        first = await until_ended(place, booking)
        changed = await place.party(4, booking_id=booking.booking_id, start=evening() + timedelta(hours=1))
        assert (changed.needs_tables, changed.auto_assign_job.state) == (True, QUEUED)
        second = await until(place, booking, lambda now: not now.needs_tables)
    assert first.assignment_epoch < second.assignment_epoch
    assert await rows(server.database_url, TOLD) == [GIVEN, GIVEN]


async def test_a_changed_need_of_a_booking_that_waits_is_the_one_that_is_assigned(
    place: House, server: Served
) -> None:
    await place.seated("W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
        await place.party(4, booking_id=booking.booking_id)
        done = await until_ended(place, booking)
    assert not done.needs_tables


async def test_preferences_alone_are_no_new_need(place: House, server: Served) -> None:
    queued = await dispatched(place, await place.party(4))
    changed = await place.party(4, booking_id=queued.booking_id, preferred=["quiet"])
    assert changed.auto_assign_job == queued.auto_assign_job


async def test_a_job_that_has_ended_does_not_come_back_with_a_new_need(place: House, server: Served) -> None:
    """Tables are given by hand before the worker comes to it, and nobody hands the changed booking over again."""
    booking = await place.party(4)
    await dispatched(place, booking)
    await place.assign(booking, "W2")
    changed = await place.party(4, booking_id=booking.booking_id, start=evening() + timedelta(hours=1))
    assert (changed.needs_tables, changed.auto_assign_job.state) == (True, ENDED)
    async with worker(server):
        await until_nothing_is_left(server)
    left = await place.read(booking.booking_id)
    assert (left.needs_tables, left.auto_assign_job) == (True, changed.auto_assign_job)


# When it ends without tables


async def test_waiting_ends_at_the_cutoff(place: House, server: Served) -> None:
    await place.seated("W1")
    booking = await place.party(4, required=["window"])
    cutoff = evening() - datetime.now(UTC) - timedelta(seconds=3)
    await place.client.dispatch_auto_assign(request_for(booking, cutoff=cutoff))
    async with worker(server):
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("REFUSED", "CUTOFF_PASSED")
    assert (done.status, done.needs_tables) == (PENDING_ALLOCATION, True)
    told = await rows(server.database_url, TOLD)
    assert [each["reason"] for each in told] == ["NO_FEASIBLE_PLAN", "CUTOFF_PASSED"]
    changed = await place.party(2, booking_id=booking.booking_id)
    assert (changed.needs_tables, changed.auto_assign_job) == (True, done.auto_assign_job)


async def test_nothing_is_tried_before_its_time(place: House, server: Served) -> None:
    booking, other = await place.party(4), await place.party(4)
    later = evening() - timedelta(hours=1)
    queued = await place.client.dispatch_auto_assign(request_for(booking, not_before=later))
    assert queued.booking.auto_assign_job.next_attempt_at == stamp(later)
    await dispatched(place, other)
    async with worker(server):
        await until_ended(place, other)
        assert (await place.read(booking.booking_id)).needs_tables
        async with connected(server.database_url) as connection:
            await connection.execute(
                "UPDATE auto_assign_jobs SET next_attempt_at = now() WHERE state = 'queued'"
            )
        done = await until_ended(place, booking)
    assert not done.needs_tables


@pytest.mark.parametrize("by", ["by hand", "inline"])
async def test_a_booking_that_got_its_tables_otherwise_is_left_alone(
    place: House, server: Served, by: str
) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    if by == "inline":
        await place.auto_assign(booking)
    else:
        await place.assign(booking, "W2")
    job = (await place.read(booking.booking_id)).auto_assign_job
    assert (job.state, job.HasField("next_attempt_at")) == (ENDED, False)
    has = await rows(server.database_url, "SELECT * FROM assignments")
    async with worker(server):
        await until_nothing_is_left(server)
    done = await place.read(booking.booking_id)
    expected = "COMPLETED_IN_TIME" if by == "inline" else "ALREADY_ASSIGNED"
    assert decided(done.auto_assign_job)[0] == expected
    assert await rows(server.database_url, "SELECT * FROM assignments") == has
    triggers = [each["trigger"] for each in await rows(server.database_url, TOLD)]
    assert triggers == (["inline"] if by == "inline" else [])


async def test_a_booking_that_was_called_off_is_dropped_silently(place: House, server: Served) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    gone = await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)
    assert gone.auto_assign_job.state == ENDED
    async with worker(server):
        done = await until(place, booking, lambda now: now.auto_assign_job.outcome != 0)
    assert decided(done.auto_assign_job) == ("NOT_NEEDED", "INVALID_STATE_TRANSITION")
    assert await rows(server.database_url, TOLD) == []


async def test_a_booking_whose_tables_were_taken_away_by_hand_is_left_alone(
    place: House, server: Served
) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    await place.assign(booking, "W2")
    free = (await place.unassign(booking)).booking
    assert (free.status, free.auto_assign_job.state) == (BookingStatus.BOOKING_STATUS_PENDING, ENDED)
    async with worker(server):
        await until_nothing_is_left(server)
    left = await place.read(booking.booking_id)
    assert (left.status, left.needs_tables) == (BookingStatus.BOOKING_STATUS_PENDING, True)
    assert decided(left.auto_assign_job) == ("NOT_NEEDED", "INVALID_STATE_TRANSITION")
    again = await dispatched(place, left)
    assert (again.status, again.auto_assign_job.state) == (PENDING_ALLOCATION, QUEUED)


# Trouble


async def test_trouble_that_passes_is_tried_again_after_the_retry_plan(place: House, server: Served) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    plan = (
        "SELECT attempt_count, state, outcome FROM auto_assign_jobs"
        " WHERE next_attempt_at BETWEEN now() + interval '1 second' AND now() + interval '5 seconds'"
    )
    # Only the lock is too much for a try: a busy machine has time enough for the next one.
    impatient = worker(server, deadline_s_default=10.0, lock_timeout_s=0.2, attempts_max=1)
    async with AsyncExitStack() as trouble:
        await trouble.enter_async_context(restaurant_locked(server.database_url, place.restaurant_id))
        async with impatient, asyncio.timeout(60):
            while not (again := await rows(server.database_url, plan)):  # noqa: ASYNC110 as above
                await asyncio.sleep(0.02)
            assert again == [{"attempt_count": 1, "state": "queued", "outcome": None}]
            await trouble.aclose()
            async with connected(server.database_url) as connection:
                await connection.execute("UPDATE auto_assign_jobs SET next_attempt_at = now()")
            done = await until_ended(place, booking)
    assert done.auto_assign_job.attempt_count == 2
    assert await rows(server.database_url, TOLD) == [{**GIVEN, "attempts": 2}]


async def test_a_job_whose_worker_died_is_taken_over_and_what_that_one_says_is_not_heard(
    place: House, server: Served
) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    async with taking(server) as jobs:
        (taken,) = await jobs.claim(10, lease_s=0.0)
        assert (await jobs.claim(10, lease_s=60.0))[0].job.run_number == taken.job.run_number + 1
        assert await jobs.claim(10, lease_s=60.0) == ()
        late = ended_job(taken.job, JobOutcome.NOT_NEEDED, taken.job.queued_at)
        assert not await jobs.put_back(taken, late)
        assert await jobs.give_back([taken]) == 0
    assert (await place.read(booking.booking_id)).auto_assign_job.state == QUEUED
    async with connected(server.database_url) as connection:
        await connection.execute("UPDATE auto_assign_jobs SET next_attempt_at = now()")
    async with worker(server):
        done = await until_ended(place, booking)
    assert done.auto_assign_job.attempt_count == 3
    assert await rows(server.database_url, TOLD) == [{**GIVEN, "attempts": 3}]


async def test_a_worker_that_stops_gives_back_what_it_has_taken_and_not_done(
    place: House, server: Served
) -> None:
    """One of them is being tried, the other waits for its turn. It counts for neither of them."""
    for _ in range(2):
        await dispatched(place, await place.party(4))
    async with restaurant_locked(server.database_url, place.restaurant_id):
        async with worker(server), asyncio.timeout(60):
            while not await rows(server.database_url, "SELECT FROM auto_assign_jobs WHERE attempt_count = 1"):  # noqa: ASYNC110 as above
                await asyncio.sleep(0.02)
        left = "SELECT state, attempt_count, next_attempt_at <= now() AS due FROM auto_assign_jobs"
        assert (
            await rows(server.database_url, left)
            == [{"state": "queued", "attempt_count": 0, "due": True}] * 2
        )


async def test_a_job_that_only_a_newer_version_understands_keeps_no_other_waiting(
    place: House, server: Served
) -> None:
    strange, booking = await dispatched(place, await place.party(4)), await place.party(4)
    async with connected(server.database_url) as connection:
        await connection.execute(
            "ALTER TABLE auto_assign_jobs DROP CONSTRAINT auto_assign_jobs_outcome_known;"
            "UPDATE auto_assign_jobs SET outcome = 'from_the_future', trigger = 'inline', decided_at = now()"
        )
    await dispatched(place, booking)
    async with worker(server):
        done = await until_ended(place, booking)
    assert done.auto_assign_job.attempt_count == 1
    left = await rows(
        server.database_url,
        "SELECT booking_id::text, attempt_count FROM auto_assign_jobs WHERE state <> 'ended'",
    )
    assert left == [{"booking_id": strange.booking_id, "attempt_count": 0}]


async def test_the_last_try_of_a_job_that_waited_is_the_first_of_its_own(
    place: House, server: Served
) -> None:
    """Trouble with it that passes is tried again, however often the job was tried before it waited."""
    await dispatched(place, await place.party(4))
    async with connected(server.database_url) as connection, taking(server) as jobs:
        await connection.execute(
            "UPDATE auto_assign_jobs SET state = 'waiting', attempt_count = 4, next_attempt_at = now()"
        )
        (taken,) = await jobs.claim(1, lease_s=60.0)
    assert taken.job.attempt_count == 1


# Refused at once


async def test_dispatching_is_refused_where_assigning_would_be(place: House, server: Served) -> None:
    dispatch = place.client.dispatch_auto_assign
    seated, booking = await place.seated("W1"), await place.party()
    await refused(dispatch(request_for(seated)), BookingAlreadyAssignedError)
    soon = evening() - datetime.now(UTC)
    await refused(dispatch(request_for(booking, cutoff=soon + timedelta(minutes=1))), CutoffPassedError)
    at_the_cutoff = request_for(booking, not_before=evening() - timedelta(minutes=10))
    late = await refused(dispatch(at_the_cutoff), InvalidArgumentFieldError)
    assert late.metadata["field"] == "not_before"
    gone = await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)
    await refused(dispatch(request_for(gone)), InvalidStateTransitionError)
    assert await rows(server.database_url, "SELECT FROM auto_assign_jobs") == []
