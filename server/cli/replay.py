"""Replays service days through a server, one request after the other, as a booking service would."""

import datetime as dt
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

from maitred_client import AsyncMaitredClient, MaitredError, instant
from maitred_client.messages import (
    Booking,
    ConfirmHoldRequest,
    PlanTablesRequest,
)
from server.cli.plan_choice import hold_request, refusal_reason
from server.cli.replay_result import BookingResult, DayResult
from server.cli.service_day import DayBooking, ServiceDay
from server.cli.service_day_messages import (
    booking_request,
    floor_request,
    policy_request,
    restaurant_request,
    service_minutes,
)

REPLANS_MAX = 3
# A booking that cannot be is part of a day and counted; any other error means that the replay itself is broken.
BOOKING_REFUSALS = frozenset({"OUTSIDE_SERVICE_HOURS", "SERVICE_OVERRUN", "WINDOW_IN_PAST"})


async def load_restaurant(client: AsyncMaitredClient, day: ServiceDay, restaurant_id: str) -> None:
    """Puts restaurant, policy and floor of a day. Doing it again changes nothing."""
    await client.put_restaurant(restaurant_request(day, restaurant_id))
    await client.put_service_policy(policy_request(day, restaurant_id))
    await client.put_floor(floor_request(day, restaurant_id))


async def replay_day(
    client: AsyncMaitredClient,
    day: ServiceDay,
    date: dt.date,
    on_booking: Callable[[BookingResult], None] = lambda result: None,
) -> DayResult:
    """Seats a day's requests in a new restaurant, in the order of the file, as if the day were `date`.

    Raises MaitredError for what is neither a full floor nor a request outside the services.
    """
    restaurant_id = str(uuid4())
    await load_restaurant(client, day, restaurant_id)
    results: list[BookingResult] = []
    for booking in day.bookings:
        result = await _seat(client, day, booking, restaurant_id, date)
        results.append(result)
        on_booking(result)
    return DayResult(
        day=day.id,
        restaurant=day.restaurant,
        restaurant_id=restaurant_id,
        recorded_date=day.local_date,
        date=date,
        tables=len(day.tables),
        seats=sum(table.capacity for table in day.tables),
        service_minutes=service_minutes(day, date),
        bookings=tuple(results),
    )


async def _seat(
    client: AsyncMaitredClient, day: ServiceDay, booking: DayBooking, restaurant_id: str, date: dt.date
) -> BookingResult:
    try:
        stored = (await client.put_booking(booking_request(day, booking, restaurant_id, date))).booking
    except MaitredError as error:
        if error.reason not in BOOKING_REFUSALS:
            raise
        return BookingResult(booking.n, booking.party, refused=error.reason)
    began = perf_counter()
    tables, reason = await _allocate(client, stored)
    took_ms = (perf_counter() - began) * 1_000
    if not tables:
        return BookingResult(booking.n, booking.party, refused=reason)
    stay = instant(stored.dining_end) - instant(stored.party.start)
    return BookingResult(booking.n, booking.party, tables, stay / dt.timedelta(minutes=1), took_ms)


async def _allocate(client: AsyncMaitredClient, booking: Booking) -> tuple[tuple[str, ...], str]:
    """The names of the tables that the booking got, or the reason why it got none."""
    restaurant_id, booking_id = booking.restaurant_id, booking.booking_id
    for attempt in range(REPLANS_MAX + 1):
        response = await client.plan_tables(
            PlanTablesRequest(restaurant_id=restaurant_id, booking_id=booking_id, plans_max=1)
        )
        if not response.plans:
            return (), refusal_reason(response)
        plan = response.plans[0]
        try:
            held = await client.hold_tables(hold_request(restaurant_id, booking_id, plan))
            await client.confirm_hold(
                ConfirmHoldRequest(
                    restaurant_id=restaurant_id, hold_id=held.hold.hold_id, booking_id=booking_id
                )
            )
        except MaitredError as error:
            if error.retry != "REPLAN":
                raise
            if attempt == REPLANS_MAX:
                return (), error.reason
            continue
        return tuple(plan.table_names), ""
    raise AssertionError("every attempt returns or is the last")
