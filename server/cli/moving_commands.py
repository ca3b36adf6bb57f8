"""`extend` and `reassign`: what is changed about tables that a booking has or holds."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import duration, to_dict
from maitred_client.messages import ExtendHoldRequest, ReassignTablesRequest
from server.cli.claim_view import show_assignment, show_hold
from server.cli.commands import add_command
from server.cli.looking_up import drive, table_ids, visiting
from server.cli.options import HERE, Connection, HistoryReason, HoldId, Output, RestaurantName, Ttl, option
from server.cli.output import Format, write_json
from server.cli.overriding import Overrides, overrides


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    panel = "Bookings"
    add_command(app, extend, panel=panel)
    add_command(app, reassign, panel=panel)


def extend(
    hold_id: HoldId,
    ttl: Ttl = None,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Gives a hold more time, counted from now. Never shortens it.

    Example: [bold]maitred extend 7c9e6679-7425-40de-944b-e07fc1f90ae7 --ttl 600[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            request = ExtendHoldRequest(restaurant_id=found.restaurant_id, hold_id=str(hold_id))
            if ttl is not None:
                request.ttl.CopyFrom(duration(dt.timedelta(seconds=ttl)))
            response = await client.extend_hold(request)
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_hold(response.hold, floor, found)

    drive(work())


def reassign(
    booking: Annotated[
        UUID,
        typer.Argument(metavar="BOOKING", help="Id of the booking to move.", envvar="MAITRED_CLI_BOOKING"),
    ],
    tables: Annotated[str, option("--tables", None, "All tables it shall have, by name or id: T1,T2.")],
    reason: HistoryReason = "",
    override: Overrides = None,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Moves a confirmed or seated booking to other tables. Refused, it stays where it is.

    Example: [bold]maitred reassign 1b4e28ba-2fa1-4d52-883f-0016d3cca427 --tables M4,M5 --reason "a draught"[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            response = await client.reassign_tables(
                ReassignTablesRequest(
                    restaurant_id=found.restaurant_id,
                    booking_id=str(booking),
                    table_ids=table_ids(floor, tables, "--tables"),
                    reason=reason,
                    overrides=overrides(override),
                )
            )
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_assignment(response.assignment, response.booking.status, floor, found)

    drive(work())
