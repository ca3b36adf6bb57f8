"""`block`, `blocks` and `unblock`: tables that nobody gets, for maintenance or an event of the house's own."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from maitred_client import timestamp, to_dict
from maitred_client.messages import (
    BlockCause,
    BlockTablesRequest,
    ListBlocksRequest,
    Restaurant,
    UnblockTablesRequest,
)
from server.cli.block_view import show_block, show_blocks
from server.cli.commands import add_command
from server.cli.instants import parse_start, zone_of
from server.cli.looking_up import drive, start_in, table_ids, visiting
from server.cli.options import HERE, Connection, Output, RestaurantName, option
from server.cli.output import Format, note, write_json
from server.cli.picture_source import PAGE_SIZE

# As far as one list of blocks reaches.
AHEAD = dt.timedelta(days=366)


class Cause(StrEnum):
    """Why tables are blocked, as it is typed."""

    MAINTENANCE = "maintenance"
    PRIVATE_EVENT = "private-event"
    OTHER = "other"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (block, blocks, unblock):
        add_command(app, command, panel="Bookings")


def block(
    tables: Annotated[str, option("--tables", None, "Names or ids of tables: T1,T2.")],
    until: Annotated[
        str, option("--to", None, "When they are free again: 22:00, the first after the start, or ISO 8601.")
    ],
    since: Annotated[
        str, option("--from", None, "From when on: 19:30, or ISO 8601; from now on if left out. Local time.")
    ] = "",
    cause: Annotated[Cause, option("--cause", None, "Why.")] = Cause.MAINTENANCE,
    text: Annotated[str, option("--note", None, "One line for staff, up to 500 characters.")] = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Keeps tables from every booking for some time: all of them or none. Refused while one is taken.

    Example: [bold]maitred block --tables M4,M5 --from 18:00 --to 23:00 --cause private-event --note "Rossi's 50th"[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            start = start_in(found, since, "--from") if since else dt.datetime.now(dt.UTC)
            response = await client.block_tables(
                BlockTablesRequest(
                    restaurant_id=found.restaurant_id,
                    table_ids=table_ids(floor, tables, "--tables"),
                    window_start=timestamp(start),
                    window_end=timestamp(_end(found, until, start)),
                    cause=BlockCause.Value(f"BLOCK_CAUSE_{cause.name}"),
                    note=text,
                )
            )
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_block(response.block, floor, found)
        here = found.restaurant_id if restaurant else ""
        note(f"To lift it: {connection.command(f'unblock {response.block.block_id}', here)}")

    drive(work())


def blocks(
    since: Annotated[
        str,
        option("--from", None, "Those that last past it: 19:30, or ISO 8601; now if left out. Local time."),
    ] = "",
    until: Annotated[
        str, option("--to", None, "Those that begin before it; if left out 366 days after --from.")
    ] = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Lists the blocks that are or will be in force: from when to when, which tables, and why.

    Example: [bold]maitred blocks --to 2030-01-12T23:59[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            start = start_in(found, since, "--from") if since else dt.datetime.now(dt.UTC)
            end = _end(found, until, start) if until else start + AHEAD
            span: dict[str, Any] = {"window_start": timestamp(start), "window_end": timestamp(end)}
            request = ListBlocksRequest(restaurant_id=found.restaurant_id, page_size=PAGE_SIZE, **span)
            listed = [each async for each in client.iterate_blocks(request)]
        if output is not Format.TABLE:
            write_json([to_dict(each) for each in listed], output)
        elif listed:
            show_blocks(listed, floor, found)
        else:
            note(
                "nothing is blocked then"
                if since or until
                else "nothing is blocked now or in the next 366 days"
            )

    drive(work())


def unblock(
    block_id: Annotated[
        UUID,
        typer.Argument(
            metavar="BLOCK", help="Id of the block, see maitred blocks.", envvar="MAITRED_CLI_BLOCK"
        ),
    ],
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Gives blocked tables back. Doing it twice is harmless.

    Example: [bold]maitred unblock 16fd2706-8baf-433b-82eb-8c7fada847da[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            response = await client.unblock_tables(
                UnblockTablesRequest(restaurant_id=found.restaurant_id, block_id=str(block_id))
            )
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_block(response.block, floor, found)

    drive(work())


def _end(restaurant: Restaurant, text: str, start: dt.datetime) -> dt.datetime:
    """The instant that a person means by an end: a time of day is the first after the start."""
    try:
        end = parse_start(text, lambda: zone_of(restaurant), start)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from None
    if end.timestamp() <= start.timestamp():
        raise typer.BadParameter("it must come after the start", param_hint="--to")
    return end
