"""`dispatch` and `booking`: leave a booking to the worker, and see what became of it."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import (
    AssignmentNotFoundError,
    AsyncMaitredClient,
    duration,
    instant,
    timestamp,
    to_dict,
)
from maitred_client.messages import (
    Assignment,
    AutoAssignJob,
    AutoAssignJobOutcome,
    AutoAssignJobState,
    AutoAssignTrigger,
    Booking,
    BookingChange,
    BookingStatus,
    DispatchAutoAssignRequest,
    ErrorReason,
    Floor,
    GetAssignmentRequest,
    GetBookingRequest,
    Hold,
    ListHoldsRequest,
)
from maitred_client.values import enum_word
from server.cli.claim_view import table_names, window_of
from server.cli.commands import add_command
from server.cli.instants import zone_shown
from server.cli.looking_up import drive, find_restaurant, get_floor, start_in
from server.cli.options import HERE, Connection, HistoryReason, Output, RestaurantName, option
from server.cli.output import Format, facts, show, write_json
from server.cli.wording import counted, told
from server.domain.limits import CUTOFF_MAX_S

BookingId = Annotated[
    UUID, typer.Argument(metavar="BOOKING", help="Id of the booking.", envvar="MAITRED_CLI_BOOKING")
]


NEEDED = "needed"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, dispatch, panel="Bookings")
    add_command(app, booking, panel="Bookings")


def dispatch(
    booking_id: BookingId,
    at: Annotated[
        str,
        option(
            "--at", None, "When the worker tries first: 16:00, or ISO 8601. Local time. At once without it."
        ),
    ] = "",
    cutoff: Annotated[
        int | None,
        option(
            "--cutoff",
            None,
            "Minutes before the party sits down from which on staff assign; the policy has a default.",
            0,
            CUTOFF_MAX_S // 60,
        ),
    ] = None,
    reason: HistoryReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Has the worker find tables for a booking, and doesn't wait for it. A worker has to run: maitred worker.

    When nothing fits the booking waits, and is tried again whenever something changes that may make room, until the
    cutoff. maitred booking shows what became of it.

    Example: [bold]maitred dispatch 1b4e28ba-2fa1-4d52-883f-0016d3cca427 --at 16:00 --cutoff 30[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            found = await find_restaurant(client, restaurant)
            request = DispatchAutoAssignRequest(
                restaurant_id=found.restaurant_id, booking_id=str(booking_id), reason=reason
            )
            if at:
                request.not_before.CopyFrom(timestamp(start_in(found, at, "--at")))
            if cutoff is not None:
                request.cutoff.CopyFrom(duration(dt.timedelta(minutes=cutoff)))
            response = await client.dispatch_auto_assign(request)
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show(facts(_booking_facts(response.booking, zone_shown(found), NEEDED)))

    drive(work())


def booking(
    booking_id: BookingId,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Shows a booking: its status, its tables and holds, automatic assignment, and its last 100 changes, newest first.

    Example: [bold]maitred booking 1b4e28ba-2fa1-4d52-883f-0016d3cca427[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            found = await find_restaurant(client, restaurant)
            request = GetBookingRequest(restaurant_id=found.restaurant_id, booking_id=str(booking_id))
            response = await client.get_booking(request)
            if output is not Format.TABLE:
                write_json(to_dict(response), output)
                return
            zone, floor = zone_shown(found), await get_floor(client, found)
            tables = await _tables(client, response.booking, floor)
            holds = await _holds(client, response.booking, zone, floor)
        seen = _booking_facts(response.booking, zone, tables)
        show(facts((*seen, *holds, *_history(response.history, zone))))

    drive(work())


async def _tables(client: AsyncMaitredClient, seen: Booking, floor: Floor) -> str:
    """What the booking sits at, by name. While a changed booking needs tables it keeps those it had before."""
    request = GetAssignmentRequest(restaurant_id=seen.restaurant_id, booking_id=seen.booking_id)
    try:
        given = (await client.get_assignment(request)).assignment
    except AssignmentNotFoundError:
        return NEEDED if seen.needs_tables else "none"
    tables = _named(given, floor)
    return f"{NEEDED}; keeps {tables} until it has them" if seen.needs_tables else tables


async def _holds(
    client: AsyncMaitredClient, seen: Booking, zone: dt.tzinfo, floor: Floor
) -> list[tuple[str, object]]:
    """The live holds of the booking: whoever wants to confirm or release one needs its id."""
    request = ListHoldsRequest(restaurant_id=seen.restaurant_id, booking_id=seen.booking_id)
    shown = list[tuple[str, object]]()
    async for hold in client.iterate_holds(request):
        expires = instant(hold.expires_at).astimezone(zone)
        shown.append(("hold", f"{hold.hold_id} on {_named(hold, floor)}, until {expires:%H:%M:%S %Z}"))
    return shown


def _named(claim: Hold | Assignment, floor: Floor) -> str:
    return " + ".join(sorted(table_names(claim, floor)))


def _booking_facts(seen: Booking, zone: dt.tzinfo, tables: str) -> Iterator[tuple[str, object]]:
    yield "booking", f"{seen.booking_id} is {told(BookingStatus, seen.status)}"
    yield "party", seen.party.party_size
    yield "window", window_of(seen, zone)
    yield "tables", tables
    if seen.HasField("auto_assign_job"):
        yield from _job_facts(seen.auto_assign_job, zone)


def _job_facts(job: AutoAssignJob, zone: dt.tzinfo) -> Iterator[tuple[str, object]]:
    state = told(AutoAssignJobState, job.state)
    if job.HasField("next_attempt_at"):
        state = (
            f"{state}, next try at {instant(job.next_attempt_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
        )
    yield "auto-assign", state
    if job.outcome:
        outcome = told(AutoAssignJobOutcome, job.outcome)
        trigger = told(AutoAssignTrigger, job.trigger)
        why = f": {enum_word(ErrorReason, job.reason)}" if job.reason else ""
        at = f"{instant(job.decided_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}"
        tries = counted(job.attempt_count, "try", "tries")
        yield "decided", f"{outcome}{why} ({trigger}, {at}, {tries})"


def _history(changes: Iterable[BookingChange], zone: dt.tzinfo) -> Iterator[tuple[str, object]]:
    for change in changes:
        at = f"{instant(change.changed_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S}"
        why = f", {change.reason}" if change.reason else ""
        yield at, f"{told(BookingStatus, change.to_status)} by {change.actor}{why}"
