"""`dispatch`: leaves a booking to the worker."""

import datetime as dt
from typing import Annotated

import typer

from maitred_client import duration, timestamp, to_dict
from maitred_client.messages import DispatchAutoAssignRequest
from server.cli.booking_view import NEEDED, booking_facts
from server.cli.commands import add_command
from server.cli.instants import zone_shown
from server.cli.looking_up import drive, find_restaurant, start_in
from server.cli.options import HERE, BookingId, Connection, HistoryReason, Output, RestaurantName, option
from server.cli.output import Format, facts, show, write_json
from server.domain.limits import CUTOFF_MAX_S


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, dispatch, panel="Bookings")


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
        show(facts(booking_facts(response.booking, zone_shown(found), NEEDED)))

    drive(work())
