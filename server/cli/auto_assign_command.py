"""`auto-assign`: the best tables for a booking, found and given in one call."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.console import RenderableType

from maitred_client import duration, to_dict
from maitred_client.messages import (
    AutoAssignOutcome,
    AutoAssignRequest,
    AutoAssignResponse,
    ErrorReason,
    Floor,
)
from maitred_client.values import enum_word
from server.cli.batch_assigning import Day, Order, assign_day
from server.cli.claim_view import show_assignment
from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive, table_ids, visiting
from server.cli.options import HERE, Avoid, Connection, HistoryReason, Output, RestaurantName, option
from server.cli.output import Format, facts, show, write_json
from server.cli.wording import told
from server.domain.limits import CUTOFF_MAX_S

OUT_OF_TIME = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_TIMEOUT_BEFORE_CONFIRM


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    add_command(app, auto_assign, panel="Bookings", name="auto-assign")


def auto_assign(
    booking: Annotated[
        UUID | None,
        typer.Argument(
            metavar="BOOKING", help="Id of the booking; or else --date.", envvar="MAITRED_CLI_BOOKING"
        ),
    ] = None,
    date: Annotated[
        str, option("--date", None, "Every booking of this service date that waits for tables: 2030-01-12.")
    ] = "",
    order: Annotated[Order, option("--order", None, "With --date: who comes first.")] = Order.TIME,
    cutoff: Annotated[
        int | None,
        option(
            "--cutoff",
            None,
            "Minutes before the party sits down from which on staff assign, not this command.",
            0,
            CUTOFF_MAX_S // 60,
        ),
    ] = None,
    avoid: Avoid = "",
    reason: HistoryReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Finds the best tables for a booking, or for all of a service date, and assigns them, within --timeout.

    Doing it again changes nothing: a booking that has its tables keeps them. Exit code 3 says that nothing fits, or
    that time ran out before anything was changed. With --date it only says that time ran out before every booking was
    decided; the same command goes on with the rest.

    Example: [bold]maitred auto-assign 1b4e28ba-2fa1-4d52-883f-0016d3cca427 --cutoff 30 --avoid T1,T2[/]

    Example: [bold]maitred auto-assign --date 2030-01-12 --order constrained-first[/]
    """
    if (booking is None) == (not date):
        raise typer.BadParameter("give either a booking or --date", param_hint="BOOKING")
    if date and avoid:
        raise typer.BadParameter("goes with a booking, not with --date", param_hint="--avoid")
    if booking is not None and order is not Order.TIME:
        raise typer.BadParameter("goes with --date, not with a booking", param_hint="--order")
    day = Day(date, order, cutoff, reason)
    drive(
        assign_day(connection, restaurant, day, output)
        if booking is None
        else _assign(connection, restaurant, Wish(booking, cutoff, avoid, reason), output)
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """One booking, and what its tables must be like; `cutoff_min` in minutes before the party sits down."""

    booking_id: UUID
    cutoff_min: int | None
    avoid: str
    reason: str


async def _assign(connection: Connection, restaurant: str, wish: Wish, output: Format) -> None:
    async with visiting(connection, restaurant) as (client, found, floor):
        request = AutoAssignRequest(
            restaurant_id=found.restaurant_id,
            booking_id=str(wish.booking_id),
            avoid_table_ids=table_ids(floor, wish.avoid, "--avoid") if wish.avoid else (),
            reason=wish.reason,
        )
        if wish.cutoff_min is not None:
            request.cutoff.CopyFrom(duration(dt.timedelta(minutes=wish.cutoff_min)))
        response = await client.auto_assign(request)
    if output is not Format.TABLE:
        write_json(to_dict(response), output)
    elif response.HasField("assignment"):
        show_assignment(response.assignment, response.booking.status, floor, found)
        show(*_how(response, floor))
    if response.outcome == OUT_OF_TIME:
        raise CommandFailure(
            ExitCode.REFUSED,
            "time ran out before tables were assigned; nothing has changed",
            "Repeat the same command, with a longer --timeout if need be.",
        )


def _how(response: AutoAssignResponse, floor: Floor) -> Iterator[RenderableType]:
    names = {table.table_id: table.name for table in floor.tables}
    lines = [("outcome", told(AutoAssignOutcome, response.outcome)), ("request", response.request_id)]
    for attempt in response.attempts:
        if attempt.reason:
            tried = " + ".join(names.get(table_id, table_id) for table_id in attempt.table_ids)
            lines.append(("given up", f"{tried}: {enum_word(ErrorReason, attempt.reason)}"))
    yield facts(lines)
