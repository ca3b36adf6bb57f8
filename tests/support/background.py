"""Bookings that are left to a real worker: how they get there, and waiting for what becomes of them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from maitred_client import new_request_id
from maitred_client.messages import (
    AutoAssignJob,
    AutoAssignJobOutcome,
    AutoAssignJobState,
    Booking,
    BookingStatus,
    DispatchAutoAssignRequest,
    ErrorReason,
)
from server.worker import RunningWorker
from tests.builders.world import stamp
from tests.builders.world_extras import House
from tests.conftest import Served
from tests.support.database import rows
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


def worker(server: Served, **settings: object) -> AbstractAsyncContextManager[RunningWorker]:
    return worker_on(server.database_url, auto_assign_poll_s=0.02, sweep_s=0.05, **settings)


def request_for(
    booking: Booking, *, cutoff: timedelta | None = None, not_before: datetime | None = None
) -> DispatchAutoAssignRequest:
    return DispatchAutoAssignRequest(
        request_id=new_request_id(),
        restaurant_id=booking.restaurant_id,
        booking_id=booking.booking_id,
        actor="host@desk",
        cutoff=None if cutoff is None else Duration(seconds=int(cutoff.total_seconds())),
        not_before=None if not_before is None else stamp(not_before),
        reason="party asked by phone",
    )


async def dispatched(place: House, booking: Booking) -> Booking:
    return (await place.client.dispatch_auto_assign(request_for(booking))).booking


async def until(place: House, booking: Booking, reached: Callable[[Booking], bool]) -> Booking:
    """The booking once it is as wanted."""
    async with asyncio.timeout(60):
        while not reached(now := await place.read(booking.booking_id)):  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.05)
    return now


async def until_waiting(place: House, booking: Booking) -> Booking:
    return await until(place, booking, lambda now: now.auto_assign_job.state == WAITING)


async def until_nothing_is_left(server: Served) -> None:
    """Until the worker has no job any more, whatever the bookings look like."""
    async with asyncio.timeout(60):
        while await rows(server.database_url, "SELECT FROM auto_assign_jobs WHERE state <> 'ended'"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_ended(place: House, booking: Booking) -> Booking:
    return await until(place, booking, lambda now: now.auto_assign_job.state == ENDED)


def decided(job: AutoAssignJob) -> tuple[str, str]:
    outcome = AutoAssignJobOutcome.Name(job.outcome).removeprefix("AUTO_ASSIGN_JOB_OUTCOME_")
    return outcome, ErrorReason.Name(job.reason).removeprefix("ERROR_REASON_")
