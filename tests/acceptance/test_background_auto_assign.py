"""A14: the worker finds tables for bookings: at once, later, or when something has changed that may make room."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import InvalidArgumentFieldError, InvalidStateTransitionError, new_request_id
from maitred_client.messages import (
    AutoAssignJob,
    AutoAssignJobOutcome,
    AutoAssignJobState,
    AutoAssignTrigger,
    Booking,
    BookingAction,
    BookingStatus,
    DispatchAutoAssignRequest,
    ErrorReason,
    GetOperationRequest,
    TableState,
    UnblockTablesRequest,
)
from maitred_client.reasons import BookingAlreadyAssignedError, CutoffPassedError
from server.lifecycle import Lifecycle
from server.persistence.inspection import database_invariants
from tests.builders.world import evening, stamp
from tests.builders.world_extras import House, refused
from tests.conftest import Served
from tests.support.database import connected, expire, restaurant_locked, rows
from tests.support.working import worker_on

QUEUED = AutoAssignJobState.AUTO_ASSIGN_JOB_STATE_QUEUED
WAITING = AutoAssignJobState.AUTO_ASSIGN_JOB_STATE_WAITING
ENDED = AutoAssignJobState.AUTO_ASSIGN_JOB_STATE_ENDED
PENDING_ALLOCATION = BookingStatus.BOOKING_STATUS_PENDING_ALLOCATION
TOLD = (
    "SELECT payload->>'outcome' AS outcome, payload->>'reason' AS reason, payload->>'trigger' AS trigger,"
    " jsonb_array_length(payload->'tableIds') AS tables, (payload->>'attemptCount')::integer AS attempts"
    " FROM capacity_outbox WHERE event_type = 'capacity.auto_assign.outcome' ORDER BY floor_version"
)
GIVEN = {"outcome": "completed_in_time", "reason": None, "trigger": "background", "tables": 1, "attempts": 1}
NOTHING_FITS = {
    "outcome": "refused",
    "reason": "NO_FEASIBLE_PLAN",
    "trigger": "background",
    "tables": 0,
    "attempts": 1,
}

UNSEEN = (
    "SELECT FROM auto_assign_jobs AS j INNER JOIN restaurants AS r USING (restaurant_id)"
    " WHERE j.seen_version < r.floor_version"
)


def worker(server: Served, **settings: object) -> AbstractAsyncContextManager[Lifecycle]:
    return worker_on(server.database_url, auto_assign_poll_s=0.02, sweep_s=0.05, **settings)


def request_for(
    booking: Booking, *, cutoff: timedelta | None = None, not_before: datetime | None = None, etag: str = ""
) -> DispatchAutoAssignRequest:
    return DispatchAutoAssignRequest(
        request_id=new_request_id(),
        restaurant_id=booking.restaurant_id,
        booking_id=booking.booking_id,
        actor="host@desk",
        cutoff=None if cutoff is None else Duration(seconds=int(cutoff.total_seconds())),
        not_before=None if not_before is None else stamp(not_before),
        etag=etag,
        reason="party asked by phone",
    )


async def dispatched(place: House, booking: Booking) -> Booking:
    return (await place.client.dispatch_auto_assign(request_for(booking))).booking


async def until(place: House, booking: Booking, reached: Callable[[Booking], bool]) -> Booking:
    """The booking once it is as wanted."""
    async with asyncio.timeout(60):
        while not reached(now := await place.read(booking.booking_id)):  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.02)
    return now


async def until_waiting(place: House, booking: Booking) -> Booking:
    return await until(place, booking, lambda now: now.auto_assign_job.state == WAITING)


async def until_nothing_is_left(server: Served) -> None:
    """Until the worker has no job any more, whatever the bookings look like."""
    async with asyncio.timeout(60):
        while await rows(server.database_url, "SELECT FROM auto_assign_jobs WHERE state <> 'ended'"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_ended(place: House, booking: Booking) -> Booking:
    return await until(place, booking, lambda now: now.auto_assign_job.state == ENDED)


def decided(job: AutoAssignJob) -> tuple[str, str]:
    outcome = AutoAssignJobOutcome.Name(job.outcome).removeprefix("AUTO_ASSIGN_JOB_OUTCOME_")
    return outcome, ErrorReason.Name(job.reason).removeprefix("ERROR_REASON_")


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
    assert await rows(server.database_url, TOLD) == [GIVEN]
    again = (await place.client.dispatch_auto_assign(request)).booking
    assert again.SerializeToString(deterministic=True) == queued.SerializeToString(deterministic=True)
    known = await place.client.get_operation(
        GetOperationRequest(method="DispatchAutoAssign", operation_request_id=request.request_id)
    )
    assert known.response.Is(type(await place.client.dispatch_auto_assign(request)).DESCRIPTOR)


async def test_queueing_a_booking_hands_it_to_the_worker(place: House, server: Served) -> None:
    booking = await place.party(4)
    queued = await place.transition(booking, BookingAction.BOOKING_ACTION_QUEUE)
    assert queued.auto_assign_job.state == QUEUED
    async with worker(server):
        done = await until_ended(place, booking)
    assert not done.needs_tables


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


# Waiting


async def _held(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    hold = await place.hold(await place.party(), "W1")
    return lambda: place.release(hold)


async def _expiring(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    hold = await place.hold(await place.party(), "W1")
    return lambda: expire(server.database_url, hold.hold_id)


async def _assigned(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    seated = await place.seated("W1")
    return lambda: place.transition(seated, BookingAction.BOOKING_ACTION_CANCEL)


async def _movable(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    seated = await place.seated("W1")
    return lambda: place.reassign(seated, "W2")


async def _blocked(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    block = await place.block("W1")
    request = UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    return lambda: place.client.unblock_tables(request)


async def _out_of_service(place: House, server: Served) -> Callable[[], Awaitable[object]]:
    await place.out_of_service("W1")
    return lambda: place.update("W1", state=TableState.TABLE_STATE_IN_SERVICE)


CURES = {
    "the hold is released": _held,
    "the hold expires": _expiring,
    "the party is called off": _assigned,
    "the party moves": _movable,
    "the block is lifted": _blocked,
    "the table is back in service": _out_of_service,
}


@pytest.mark.parametrize("cure", CURES)
async def test_what_is_refused_waits_and_is_assigned_when_the_cause_goes_away(
    place: House, server: Served, cure: str
) -> None:
    """Only W1 has a window."""
    happens = await CURES[cure](place, server)
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        waiting = await until_waiting(place, booking)
        assert decided(waiting.auto_assign_job) == ("REFUSED", "NO_FEASIBLE_PLAN")
        assert waiting.needs_tables
        await happens()
        done = await until_ended(place, booking)
    assert decided(done.auto_assign_job) == ("COMPLETED_IN_TIME", "UNSPECIFIED")
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS, GIVEN]
    report = await database_invariants(server.database_url)
    assert {check.check_id: check.violations for check in report.checks if check.violations} == {}


async def test_another_policy_cures_what_the_policy_refused(place: House, server: Served) -> None:
    booking = await place.party(16)
    await dispatched(place, booking)
    async with worker(server):
        await until_waiting(place, booking)
        await place.change_policy(lambda policy: setattr(policy.combinations, "tables_max", 4))
        done = await until_ended(place, booking)
    assert not done.needs_tables


async def test_what_cannot_help_wakes_nobody(place: House, server: Served) -> None:
    """Another day's table comes free, and a table is taken: the booking is not tried again for either."""
    await place.seated("W1")
    tomorrow = await place.hold(await place.party(start=evening() + timedelta(days=1)), "W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    runs = "SELECT run_number, attempt_count FROM auto_assign_jobs"
    async with worker(server):
        await until_waiting(place, booking)
        before = await rows(server.database_url, runs)
        await place.release(tomorrow)
        await place.seated("W2")
        async with asyncio.timeout(60):
            while await rows(server.database_url, UNSEEN):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)
    assert await rows(server.database_url, runs) == before
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS]


async def test_a_booking_that_is_refused_again_for_the_same_reason_is_told_once(
    place: House, server: Served
) -> None:
    """Its window overlaps two others on the only table: when one of them goes it is tried again, in vain."""
    before, after = (evening() + timedelta(hours=hours) for hours in (-1, 1))
    hold = await place.hold(await place.party(start=before), "W1")
    await place.hold(await place.party(start=after), "W1")
    booking = await place.party(4, required=["window"])
    await dispatched(place, booking)
    async with worker(server):
        first = await until_waiting(place, booking)
        await place.release(hold)
        again = await until(
            place,
            booking,
            lambda now: (
                now.auto_assign_job.state == WAITING
                and now.auto_assign_job.decided_at.ToNanoseconds()
                > first.auto_assign_job.decided_at.ToNanoseconds()
            ),
        )
    assert decided(again.auto_assign_job) == ("REFUSED", "NO_FEASIBLE_PLAN")
    assert await rows(server.database_url, TOLD) == [NOTHING_FITS]


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


# Trouble


async def test_trouble_that_passes_is_tried_again_after_the_retry_plan(place: House, server: Served) -> None:
    booking = await place.party(4)
    await dispatched(place, booking)
    plan = (
        "SELECT attempt_count, state, outcome FROM auto_assign_jobs"
        " WHERE next_attempt_at BETWEEN now() + interval '1 second' AND now() + interval '5 seconds'"
    )
    async with worker(server, deadline_s_default=0.5, lock_timeout_s=0.2, attempts_max=1):
        async with restaurant_locked(server.database_url, place.restaurant_id), asyncio.timeout(60):
            while not (again := await rows(server.database_url, plan)):  # noqa: ASYNC110 as above
                await asyncio.sleep(0.02)
        assert again == [{"attempt_count": 1, "state": "queued", "outcome": None}]
        async with connected(server.database_url) as connection:
            await connection.execute("UPDATE auto_assign_jobs SET next_attempt_at = now()")
        done = await until_ended(place, booking)
    assert done.auto_assign_job.attempt_count == 2
    assert await rows(server.database_url, TOLD) == [{**GIVEN, "attempts": 2}]


# Refused at once


async def test_dispatching_is_refused_where_assigning_would_be(place: House, server: Served) -> None:
    dispatch = place.client.dispatch_auto_assign
    seated, booking = await place.seated("W1"), await place.party()
    await refused(dispatch(request_for(seated)), BookingAlreadyAssignedError)
    soon = evening() - datetime.now(UTC)
    await refused(dispatch(request_for(booking, cutoff=soon + timedelta(minutes=1))), CutoffPassedError)
    late = await refused(dispatch(request_for(booking, not_before=evening())), InvalidArgumentFieldError)
    assert late.metadata["field"] == "not_before"
    gone = await place.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)
    await refused(dispatch(request_for(gone)), InvalidStateTransitionError)
    assert await rows(server.database_url, "SELECT FROM auto_assign_jobs") == []
