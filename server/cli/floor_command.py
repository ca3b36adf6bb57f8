"""`floor`: one service day of a restaurant as a picture."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.commands import add_command
from server.cli.floor_watching import watch_day
from server.cli.looking_up import drive, find_restaurant
from server.cli.options import HERE, Connection, Output, Png, RestaurantName, ServiceDate, Svg
from server.cli.output import Format, note, show, write_json
from server.cli.output_files import make_room, writing
from server.cli.picture import FloorPicture
from server.cli.picture_source import fetch_picture
from server.cli.picture_terminal import TerminalPicture
from server.cli.service_hours import asked_date


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, floor, panel="Bookings")


def floor(
    restaurant: RestaurantName = "",
    date: ServiceDate = "",
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            "-w",
            envvar="MAITRED_CLI_WATCH",
            help="Follow every change until Ctrl-C; as JSON, one line for each.",
        ),
    ] = False,
    svg: Svg = None,
    png: Png = None,
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Draws the day: tables down, time across, holds, assignments and blocks as bars.

    Example: [bold]maitred floor --date 2026-03-14 --png evening.png[/]
    """
    if watch and (svg or png):
        raise typer.BadParameter("draws in the terminal only", param_hint="--watch")

    make_room(svg, png)

    async def work() -> FloorPicture | None:
        async with connection.open() as client:
            found = await find_restaurant(client, restaurant)
            now = dt.datetime.now(dt.UTC)
            day = await asked_date(client, found, date, now)
            if watch:
                await watch_day(client, found, day, output)
                return None
            return await fetch_picture(client, found, day, now)

    try:
        picture = drive(work())
    except KeyboardInterrupt:
        if watch:
            return
        raise
    if picture is not None:
        _write(picture, output, svg, png)


def _write(picture: FloorPicture, output: Format, svg: Path | None, png: Path | None) -> None:
    if output is Format.TABLE:
        show(TerminalPicture(picture))
    elif output is Format.JSON:
        write_json(picture_json(picture), output)
    else:
        write_json(picture_json(picture)["rows"], output)
    write_files(picture, svg, png)


def write_files(picture: FloorPicture, svg: Path | None, png: Path | None) -> None:
    """Writes what was asked for, where there is room. Raises CommandFailure when a file cannot be written."""
    if svg is None and png is None:
        return
    # Matplotlib takes longer to load than everything else together.
    from server.cli.picture_plot import write_png, write_svg

    for path, write in ((svg, write_svg), (png, write_png)):
        if path is None:
            continue
        with writing(path):
            has_all = write(picture, path)
        note(f"wrote {path}" if has_all else f"wrote {path}; boxes stand for characters that its font lacks")


def picture_json(picture: FloorPicture) -> dict[str, Any]:
    """The picture as values; instants are ISO 8601 in the restaurant's local time."""
    return {
        "title": picture.title,
        "start": picture.start.isoformat(),
        "end": picture.end.isoformat(),
        "rows": [
            {
                "zone": zone.name,
                "table": row.table.name,
                "table_id": row.table.table_id,
                "capacity": row.table.capacity,
                "in_service": row.table.in_service,
                "bars": [
                    {
                        "kind": bar.kind.value,
                        "label": bar.label,
                        "party_size": bar.party_size,
                        "merge": bar.merge,
                        "start": bar.start.astimezone(picture.start.tzinfo).isoformat(),
                        "end": bar.end.astimezone(picture.start.tzinfo).isoformat(),
                    }
                    for bar in row.bars
                ],
            }
            for zone in picture.zones
            for row in zone.rows
        ],
    }
