"""`explain` and `availability`: why a table is or is not possible, and when parties could come."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from maitred_client import timestamp, to_dict
from maitred_client.messages import (
    Availability,
    AvailabilityQuestion,
    ExplainTableRequest,
    SearchAvailabilityRequest,
)
from server.cli.answer_view import availability_view, explanation_view
from server.cli.commands import add_command
from server.cli.instants import zone_of, zone_shown
from server.cli.looking_up import (
    drive,
    find_restaurant,
    get_floor,
    table_ids,
    visiting,
    words,
    zone_id_by_name,
)
from server.cli.options import HERE, Connection, Output, RestaurantName, option
from server.cli.output import Format, show, write_json
from server.cli.overriding import Overrides, overrides
from server.cli.party_options import Booking, PartySize, Required, Start, StayMinutes, Wanted, Zone
from server.cli.service_hours import date_of
from server.domain.limits import PARTY_SIZE_MAX

QUESTIONS_MAX = 500
STEP = re.compile(r"([1-9]\d{0,3})(m|h)")


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, availability, panel="Bookings")
    add_command(app, explain, panel="Bookings")


def explain(
    tables: Annotated[str, option("--tables", None, "Names or ids of tables: T1,T2.")],
    restaurant: RestaurantName = "",
    booking: Booking = None,
    party: PartySize = None,
    start: Start = "",
    stay: StayMinutes = None,
    zone: Zone = "",
    require: Required = "",
    override: Overrides = None,
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Says why these tables are, or are not, possible: every rule, and what is in the way until when.

    Example: [bold]maitred explain --tables M4,M5 --party 6 --start 20:00[/]
    """
    wanted = Wanted(booking, party, start, stay, zone, require)

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            request = ExplainTableRequest(
                restaurant_id=found.restaurant_id,
                table_ids=table_ids(floor, tables, "--tables"),
                overrides=overrides(override),
            )
            if wanted.booking is not None:
                request.booking_id = str(wanted.booking)
            else:
                request.party.CopyFrom(wanted.party_request(found, floor))
            response = await client.explain_table(request)
        if output is Format.TABLE:
            show(*explanation_view(response, floor, zone_shown(found)))
        elif output is Format.JSON:
            write_json(to_dict(response), output)
        else:
            write_json([to_dict(check) for check in response.checks], output)

    drive(work())


def availability(
    party: Annotated[str, option("--party", None, "How many people: 4, or 2,4,6.")],
    date: Annotated[str, option("--date", None, "Local date, YYYY-MM-DD.")],
    first: Annotated[str, option("--from", None, "First start, local time.")] = "00:00",
    last: Annotated[str, option("--to", None, "Last start, local time; it can be past midnight.")] = "23:59",
    every: Annotated[str, option("--every", None, "From start to start: 15m, 1h.")] = "15m",
    zone: Zone = "",
    require: Required = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Shows at which times of a day parties would find a table, and what keeps them out otherwise.

    Example: [bold]maitred availability --party 2,4 --date 2030-01-12 --from 18:00 --to 22:00 --every 30m[/]
    """
    sizes = _sizes(party)
    day, step = date_of(date), _step(every)
    begins, ends = _time(first, "--from"), _time(last, "--to")

    async def work() -> None:
        async with connection.open() as client:
            found = await find_restaurant(client, restaurant)
            time_zone = zone_of(found)
            starts = list(_starts(day, begins, ends, step, time_zone))
            if not 0 < len(starts) * len(sizes) <= QUESTIONS_MAX:
                raise typer.BadParameter(
                    f"{len(starts)} starts for {len(sizes)} sizes; 1 to {QUESTIONS_MAX} questions can be asked",
                    param_hint="--from, --to, --every",
                )
            zone_id = zone_id_by_name(await get_floor(client, found), zone) if zone else ""
            questions = [
                AvailabilityQuestion(
                    party_size=size,
                    start=timestamp(start),
                    zone_id=zone_id,
                    required_attributes=words(require, "--require"),
                )
                for start in starts
                for size in sizes
            ]
            request = SearchAvailabilityRequest(restaurant_id=found.restaurant_id, questions=questions)
            answers = list((await client.search_availability(request)).answers)
        if output is Format.TABLE:
            show(availability_view(sizes, [start.astimezone(time_zone) for start in starts], answers))
        else:
            write_json(list(map(_answer_json, questions, answers)), output)

    drive(work())


def _answer_json(question: AvailabilityQuestion, answer: Availability) -> dict[str, Any]:
    """The answer with what was asked, under the contract's names."""
    asked = to_dict(question)
    return {"party_size": asked["party_size"], "start": asked["start"], **to_dict(answer)}


def _starts(
    day: dt.date, begins: dt.time, ends: dt.time, step: dt.timedelta, time_zone: ZoneInfo
) -> Iterator[dt.datetime]:
    """Instants from the first start to the last, evenly apart even when the clock changes in between.

    An end before the beginning is that of the next day. Of a time that the clock shows twice, the first begins and the
    second ends.
    """
    last_day = day + dt.timedelta(days=ends < begins)
    start = dt.datetime.combine(day, begins, time_zone).astimezone(dt.UTC)
    ending = dt.datetime.combine(last_day, ends, time_zone)
    last = max(ending.replace(fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    while start <= last:
        yield start
        start += step


def _sizes(text: str) -> list[int]:
    sizes = words(text, "--party")
    if not sizes or not all(size.isdecimal() for size in sizes):
        raise typer.BadParameter(f"{text!r} is no list of sizes; write 4, or 2,4,6", param_hint="--party")
    for size in sizes:
        if len(size) > len(str(PARTY_SIZE_MAX)) or not 1 <= int(size) <= PARTY_SIZE_MAX:
            raise typer.BadParameter(f"{size} is not between 1 and {PARTY_SIZE_MAX}", param_hint="--party")
    return [int(size) for size in sizes]


def _time(text: str, option: str) -> dt.time:
    try:
        return dt.datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  # a wall time has no zone yet
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time of day; write it like 19:30", param_hint=option
        ) from None


def _step(text: str) -> dt.timedelta:
    match = STEP.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no step; write 15m or 1h", param_hint="--every")
    return dt.timedelta(minutes=int(match[1]) * (60 if match[2] == "h" else 1))
