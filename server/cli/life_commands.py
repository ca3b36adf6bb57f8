"""`book`, `booking`, `bookings` and `transition`: a booking's life by hand, but for its tables."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from maitred_client import AssignmentNotFoundError, AsyncMaitredClient, instant, timestamp, to_dict
from maitred_client.messages import (
    Assignment,
    Booking,
    BookingAction,
    BookingStatus,
    Floor,
    GetAssignmentRequest,
    GetBookingRequest,
    ListAssignmentsRequest,
    ListBookingsRequest,
    ListHoldsRequest,
    PutBookingRequest,
    Restaurant,
    TransitionBookingRequest,
)
from server.cli.booking_view import booking_facts, history_facts, named, seat_words
from server.cli.commands import add_command
from server.cli.instants import clock_of, long_date, zone_shown
from server.cli.looking_up import drive, find_restaurant, get_floor, visiting
from server.cli.options import (
    HERE,
    BookingId,
    Connection,
    HistoryReason,
    Output,
    RestaurantName,
    ServiceDate,
    option,
)
from server.cli.output import Format, facts, grid, note, show, write_json
from server.cli.party_options import (
    Preferred,
    PreferredZones,
    Required,
    Start,
    StayMinutes,
    Wanted,
    Zone,
)
from server.cli.picture_source import PAGE_SIZE
from server.cli.service_hours import asked_date, fetch_hours
from server.cli.wording import told
from server.domain.limits import PARTY_SIZE_MAX


class Status(StrEnum):
    """The statuses of a booking, as they are typed."""

    PENDING = "pending"
    PENDING_ALLOCATION = "pending-allocation"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked-in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no-show"


class Step(StrEnum):
    """The steps of a booking's life, as they are typed."""

    QUEUE = "queue"
    CHECK_IN = "check-in"
    COMPLETE = "complete"
    CANCEL = "cancel"
    NO_SHOW = "no-show"
    UNDO_NO_SHOW = "undo-no-show"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (book, bookings, booking, transition):
        add_command(app, command, panel="Bookings")


def book(
    party: Annotated[int, option("--party", None, "How many people.", 1, PARTY_SIZE_MAX)],
    start: Start,
    stay: StayMinutes = None,
    zone: Zone = "",
    require: Required = "",
    prefer: Preferred = "",
    prefer_zone: PreferredZones = "",
    reference: Annotated[
        str, option("--reference", None, "Your own word for it, such as a confirmation number.")
    ] = "",
    booking_id: Annotated[
        UUID | None, option("--booking", None, "Id of the booking; a new one if left out.")
    ] = None,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Puts a booking, or changes what one wants. Tables come later: auto-assign, dispatch, or hold and confirm.

    A booking that is there already is changed as a whole: what is left out is not wanted any more. Its old tables stay
    until it has new ones.

    Example: [bold]maitred book --party 4 --start 20:00 --prefer window --reference "Rossi, 20:00"[/]
    """
    wanted = Wanted(None, party, start, stay, zone, require, prefer, prefer_zone)

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            response = await client.put_booking(
                PutBookingRequest(
                    restaurant_id=found.restaurant_id,
                    booking_id=str(booking_id or uuid4()),
                    party=wanted.party_request(found, floor),
                    reference=reference,
                )
            )
            if output is not Format.TABLE:
                write_json(to_dict(response), output)
                return
            await _show(client, response.booking, found, floor)
        if response.booking.needs_tables:
            here = found.restaurant_id if restaurant else ""
            put = response.booking.booking_id
            note(f"Next: {connection.command(f'auto-assign {put}', here)}")
            note(f"or:   {connection.command(f'hold --booking {put} --best', here)}")

    drive(work())


def bookings(
    date: ServiceDate = "",
    status: Annotated[
        list[Status] | None,
        option("--status", None, "Only bookings of this status; may be given several times."),
    ] = None,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Lists the bookings of a day: when, how many, in which status, at which tables.

    Example: [bold]maitred bookings --date 2030-01-12 --status pending --status confirmed[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            day = await asked_date(client, found, date, dt.datetime.now(dt.UTC))
            opens, closes = await fetch_hours(client, found, day)
            span: dict[str, Any] = {
                "restaurant_id": found.restaurant_id,
                "window_start": timestamp(opens),
                "window_end": timestamp(closes),
                "page_size": PAGE_SIZE,
            }
            statuses = [BookingStatus.Value(f"BOOKING_STATUS_{each.name}") for each in status or ()]
            request = ListBookingsRequest(**span, statuses=statuses)
            listed = [each async for each in client.iterate_bookings(request)]
            if output is not Format.TABLE:
                write_json([to_dict(each) for each in listed], output)
                return
            given = client.iterate_assignments(ListAssignmentsRequest(**span))
            seats = {each.booking_id: each async for each in given}
        if listed:
            _show_list(listed, seats, floor, found)
        else:
            note(f"no such booking on {long_date(day)}" if status else f"no booking on {long_date(day)}")

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
            tables = seat_words(response.booking, await _assigned(client, response.booking), floor)
            holds = await _holds(client, response.booking, zone, floor)
        seen = booking_facts(response.booking, zone, tables)
        show(facts((*seen, *holds, *history_facts(response.history, zone))))

    drive(work())


def transition(
    booking_id: BookingId,
    step: Annotated[
        Step, typer.Argument(metavar="STEP", help=f"One of {', '.join(Step)}.", envvar="MAITRED_CLI_STEP")
    ],
    reason: HistoryReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Takes a booking one step on: the party came, left, did not come, or called off.

    Example: [bold]maitred transition 1b4e28ba-2fa1-4d52-883f-0016d3cca427 no-show --reason "waited until 20:30"[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            response = await client.transition_booking(
                TransitionBookingRequest(
                    restaurant_id=found.restaurant_id,
                    booking_id=str(booking_id),
                    action=BookingAction.Value(f"BOOKING_ACTION_{step.name}"),
                    reason=reason,
                )
            )
            if output is not Format.TABLE:
                write_json(to_dict(response), output)
                return
            await _show(client, response.booking, found, floor)

    drive(work())


async def _show(client: AsyncMaitredClient, seen: Booking, found: Restaurant, floor: Floor) -> None:
    tables = seat_words(seen, await _assigned(client, seen), floor)
    show(facts(booking_facts(seen, zone_shown(found), tables)))


async def _assigned(client: AsyncMaitredClient, seen: Booking) -> Assignment | None:
    request = GetAssignmentRequest(restaurant_id=seen.restaurant_id, booking_id=seen.booking_id)
    try:
        return (await client.get_assignment(request)).assignment
    except AssignmentNotFoundError:
        return None


async def _holds(
    client: AsyncMaitredClient, seen: Booking, zone: dt.tzinfo, floor: Floor
) -> list[tuple[str, object]]:
    """The live holds of the booking: whoever wants to confirm or release one needs its id."""
    request = ListHoldsRequest(restaurant_id=seen.restaurant_id, booking_id=seen.booking_id)
    shown = list[tuple[str, object]]()
    async for hold in client.iterate_holds(request):
        expires = instant(hold.expires_at).astimezone(zone)
        shown.append(("hold", f"{hold.hold_id} on {named(hold, floor)}, until {expires:%H:%M:%S %Z}"))
    return shown


def _show_list(
    listed: list[Booking], seats: dict[str, Assignment], floor: Floor, restaurant: Restaurant
) -> None:
    zone = zone_shown(restaurant)
    starts = [instant(each.party.start).astimezone(zone) for each in listed]
    clock = clock_of(starts)
    rows = (
        (
            f"{start:{clock}}",
            each.party.party_size,
            told(BookingStatus, each.status),
            each.booking_id,
            seat_words(each, seats.get(each.booking_id), floor),
            each.reference,
        )
        for start, each in zip(starts, listed, strict=True)
    )
    show(grid(("start", "party>", "status", "booking", "tables", "reference"), rows, kept=4))
