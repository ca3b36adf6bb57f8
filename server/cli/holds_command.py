"""`holds`: what is kept for whom, and until when."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import instant, to_dict
from maitred_client.messages import Floor, Hold, HoldState, ListHoldsRequest, Restaurant
from server.cli.booking_view import named
from server.cli.claim_view import window_of
from server.cli.commands import add_command
from server.cli.instants import zone_shown
from server.cli.looking_up import drive, visiting
from server.cli.options import HERE, Connection, Output, RestaurantName, option
from server.cli.output import Format, grid, note, show, write_json
from server.cli.picture_source import PAGE_SIZE
from server.cli.wording import told


class State(StrEnum):
    """What has become of a hold, as it is typed."""

    ACTIVE = "active"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, holds, panel="Bookings")


def holds(
    booking: Annotated[UUID | None, option("--booking", None, "Only those of this booking.")] = None,
    state: Annotated[
        list[State] | None,
        option(
            "--state", None, "Only holds of this state; may be given several times. Live ones if left out."
        ),
    ] = None,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Lists holds, newest last: which tables they keep, when, for which booking, and until when.

    Example: [bold]maitred holds --state expired --state released[/]
    """
    states = [HoldState.Value(f"HOLD_STATE_{each.name}") for each in state or ()]

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            request = ListHoldsRequest(
                restaurant_id=found.restaurant_id,
                booking_id=str(booking or ""),
                states=states,
                page_size=PAGE_SIZE,
            )
            listed = [each async for each in client.iterate_holds(request)]
        if output is not Format.TABLE:
            write_json([to_dict(each) for each in listed], output)
        elif listed:
            _show_list(listed, floor, found)
        else:
            note("there is no such hold" if states or booking else "no table is held now")

    drive(work())


def _show_list(listed: list[Hold], floor: Floor, restaurant: Restaurant) -> None:
    zone = zone_shown(restaurant)
    rows = (
        (
            each.hold_id,
            each.booking_id,
            told(HoldState, each.state),
            f"{instant(each.expires_at).astimezone(zone):%a %Y-%m-%d %H:%M:%S}",
            named(each, floor),
            window_of(each, zone),
        )
        for each in listed
    )
    show(grid(("hold", "booking", "state", "expires", "tables", "window"), rows, kept=4))
