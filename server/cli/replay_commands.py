"""`replay` and `demo`: service days through a real server."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from maitred_client import AsyncMaitredClient
from maitred_client.messages import Restaurant
from server.cli.commands import add_command
from server.cli.embedded_server import SAMPLE_FILE, throwaway_server
from server.cli.floor_command import write_files
from server.cli.instants import replay_date
from server.cli.looking_up import drive
from server.cli.options import (
    CONNECTION,
    SAMPLE_TENANT,
    Actor,
    Connection,
    Output,
    Png,
    Svg,
    Tenant,
    Timeout,
    option,
)
from server.cli.output import Format, facts, note, progress_bar, show, typed, write_json
from server.cli.output_files import make_room
from server.cli.picture import FloorPicture
from server.cli.picture_source import fetch_picture
from server.cli.picture_terminal import TerminalPicture
from server.cli.replay_result import BookingResult, DayResult, refusals, result_table
from server.cli.service_hours import date_of

if TYPE_CHECKING:
    from server.cli.service_day import ServiceDay

Address = Annotated[
    str,
    option(
        "--address",
        CONNECTION,
        "host:port of a running server; without it everything is started for the run.",
    ),
]


def _next_steps() -> tuple[tuple[str, str], ...]:
    maitred = typed("maitred")
    return (
        (f"{maitred} dev", "a server with this restaurant, until Ctrl-C"),
        (f"{maitred} plan --party 4 --start 20:00", "against it: what fits, what does not, and why"),
        (f"{maitred} replay FILE", f"your own service day; one to copy: {SAMPLE_FILE.name} in server/sample"),
        (f"{maitred} --help", "everything else"),
    )


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, demo, panel="Start here")
    add_command(app, replay, panel="Bookings")


def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Service-day files.", show_default=False)
    ],
    date: Annotated[
        str,
        option(
            "--date",
            None,
            "Replay as this date, YYYY-MM-DD; without it, the same weekday at least a week ahead.",
        ),
    ] = "",
    svg: Svg = None,
    png: Png = None,
    output: Output = Format.TABLE,
    address: Address = "",
    tenant: Tenant = SAMPLE_TENANT,
    actor: Actor = "maitred-replay",
    timeout: Timeout = 30.0,
) -> None:
    """Seats recorded service days, request by request: put, plan, hold, confirm. The same file, the same result.

    A server refuses windows in the past, so a recorded day is replayed on a coming date. A request that nothing
    fits counts under the reason that most table sets were left out for; when everything that would fit is taken,
    only the reasons that mean "taken" count. Latencies are plan + hold + confirm of one request. A picture shows
    the last day.

    Example: [bold]maitred replay saturday.json -o json[/]
    """
    from server.cli.service_day_file import read_all

    days = read_all(files)
    fixed = date_of(date) if date else None
    make_room(svg, png)

    async def work() -> tuple[list[DayResult], FloorPicture | None]:
        async with _server(address) as where, Connection(where, tenant, actor, timeout).open() as client:
            results = [await _replay(client, day, fixed) for day in days]
            drawn = svg is not None or png is not None
            return results, await _picture(client, days[-1], results[-1]) if drawn else None

    results, picture = drive(work())
    if output is Format.TABLE:
        _show(results)
    else:
        write_json([result.to_json() for result in results], output)
    if picture is not None:
        write_files(picture, svg, png)


def demo(
    out: Annotated[Path, option("--out", None, "Folder for the pictures.", file_okay=False)] = Path("out"),
) -> None:
    """Shows the whole thing: starts everything from nothing, seats a Saturday, draws it, stops everything.

    Example: [bold]maitred demo --out pictures[/]
    """
    from server.cli.service_day_file import read_service_days

    svg, png = out / "floor.svg", out / "floor.png"
    make_room(svg, png)
    (day,) = read_service_days(SAMPLE_FILE)
    began = perf_counter()

    async def work() -> tuple[DayResult, FloorPicture]:
        async with throwaway_server(note) as where, Connection(where, timeout_s=30.0).open() as client:
            note(f"server is up on {where}; {day.restaurant} gets {len(day.bookings)} requests")
            result = await _replay(client, day, None)
            return result, await _picture(client, day, result)

    result, picture = drive(work())
    show(TerminalPicture(picture), "")
    _show([result])
    write_files(picture, svg, png)
    note(
        f"done in {perf_counter() - began:.0f} s; everything is stopped again and only the pictures are left"
    )
    show("")
    show("[bold]What next[/]", facts(_next_steps()))


@asynccontextmanager
async def _server(address: str) -> AsyncIterator[str]:
    if address:
        yield address
        return
    async with throwaway_server(note) as where:
        yield where


async def _replay(client: AsyncMaitredClient, day: "ServiceDay", fixed: dt.date | None) -> DayResult:
    from server.cli.replay import replay_day

    today = dt.datetime.now(ZoneInfo(day.timezone)).date()
    date = fixed or replay_date(day.local_date, today)
    with progress_bar() as progress:
        task = progress.add_task(escape(f"{day.id} as {date}"), total=len(day.bookings))

        def step(_: BookingResult) -> None:
            progress.advance(task)

        return await replay_day(client, day, date, step)


async def _picture(client: AsyncMaitredClient, day: "ServiceDay", result: DayResult) -> FloorPicture:
    restaurant = Restaurant(restaurant_id=result.restaurant_id, name=day.restaurant, time_zone=day.timezone)
    return await fetch_picture(client, restaurant, result.date, dt.datetime.now(dt.UTC))


def _show(results: Sequence[DayResult]) -> None:
    show(result_table(results))
    for result in results:
        show("", refusals(result))
