"""`plan`, `hold`, `confirm` and `release`: the main job by hand."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import AsyncMaitredClient, duration, to_dict
from maitred_client.messages import (
    ConfirmHoldRequest,
    GetHoldRequest,
    HoldTablesRequest,
    PlanTablesRequest,
    ReleaseHoldRequest,
)
from server.cli.claim_view import show_assignment, show_hold
from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.instants import zone_shown
from server.cli.looking_up import drive, table_ids, visiting
from server.cli.options import (
    HERE,
    AuditReason,
    Avoid,
    Connection,
    HistoryReason,
    HoldId,
    Output,
    RestaurantName,
    Ttl,
    option,
)
from server.cli.output import Format, note, show, write_json
from server.cli.overriding import Overrides, overrides
from server.cli.party_options import (
    Booking,
    PartySize,
    Preferred,
    PreferredZones,
    Required,
    Start,
    StayMinutes,
    Wanted,
    Zone,
)
from server.cli.plan_choice import hold_request, refusal_reason
from server.cli.plan_view import plan_view


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    panel = "Bookings"
    add_command(app, plan, panel=panel)
    add_command(app, hold, panel=panel)
    add_command(app, confirm, panel=panel)
    add_command(app, release, panel=panel)


def plan(
    restaurant: RestaurantName = "",
    booking: Booking = None,
    party: PartySize = None,
    start: Start = "",
    stay: StayMinutes = None,
    zone: Zone = "",
    require: Required = "",
    prefer: Preferred = "",
    prefer_zone: PreferredZones = "",
    avoid: Avoid = "",
    limit: Annotated[int, option("--limit", None, "How many plans to show.", 1, 50)] = 5,
    alternatives: Annotated[
        int,
        option(
            "--alternatives",
            None,
            "How many alternatives to show at most; 0: up to 6, when nothing fits.",
            0,
            20,
        ),
    ] = 0,
    overflow: Annotated[
        bool,
        option(
            "--overflow",
            None,
            "When nothing else fits, also try sets that leave more seats empty than the policy allows.",
        ),
    ] = False,
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Shows which tables fit, the best first, why the others don't, and what else there is. Changes nothing.

    Example: [bold]maitred plan --party 4 --start 20:00 --prefer window[/]
    """
    wanted = Wanted(booking, party, start, stay, zone, require, prefer, prefer_zone)
    request = PlanTablesRequest(plans_max=limit, overflow=overflow, alternatives_max=alternatives)
    drive(_plan(connection, restaurant, wanted, request, avoid, output))


async def _plan(
    connection: Connection, name: str, wanted: Wanted, request: PlanTablesRequest, avoid: str, output: Format
) -> None:
    """`request` lacks what has to be looked up first: the restaurant, for whom to plan, and which tables to avoid."""
    async with visiting(connection, name) as (client, restaurant, floor):
        request.restaurant_id = restaurant.restaurant_id
        request.avoid_table_ids.extend(table_ids(floor, avoid, "--avoid"))
        if wanted.booking is not None:
            request.booking_id = str(wanted.booking)
        else:
            request.party.CopyFrom(wanted.party_request(restaurant, floor))
        response = await client.plan_tables(request)
    if output is Format.TABLE:
        show(*plan_view(response, floor, zone_shown(restaurant)))
    elif output is Format.JSON:
        write_json(to_dict(response), output)
    else:
        write_json([to_dict(plan) for plan in response.plans], output)


def hold(
    booking: Annotated[UUID, option("--booking", None, "Id of the booking to hold tables for.")],
    tables: Annotated[str, option("--tables", None, "Names or ids of tables: T1,T2.")] = "",
    best: Annotated[bool, option("--best", None, "Plan first and hold the best plan.")] = False,
    ttl: Ttl = None,
    override: Overrides = None,
    reason: AuditReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Keeps tables for a booking for a short time: all of them or none.

    Example: [bold]maitred hold --booking 1b4e28ba-2fa1-4d52-883f-0016d3cca427 --tables M4,M5 --ttl 300[/]
    """
    if best == bool(tables):
        raise typer.BadParameter("give either --tables or --best")

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            here = found.restaurant_id if restaurant else ""
            if best:
                look = connection.command(f"plan --booking {booking}", here)
                request = await _best(client, found.restaurant_id, str(booking), look)
            else:
                request = HoldTablesRequest(
                    restaurant_id=found.restaurant_id,
                    booking_id=str(booking),
                    table_ids=table_ids(floor, tables, "--tables"),
                )
            request.overrides.extend(each for each in overrides(override) if each not in request.overrides)
            request.reason = reason
            if ttl is not None:
                request.ttl.CopyFrom(duration(dt.timedelta(seconds=ttl)))
            response = await client.hold_tables(request)
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_hold(response.hold, floor, found)
        held = response.hold.hold_id
        note(f"Next: {connection.command(f'confirm {held}', here)}")
        note(f"or:   {connection.command(f'release {held}', here)}")

    drive(work())


async def _best(
    client: AsyncMaitredClient, restaurant_id: str, booking_id: str, look: str
) -> HoldTablesRequest:
    """`look` is the command that tells more than a refusal."""
    response = await client.plan_tables(
        PlanTablesRequest(restaurant_id=restaurant_id, booking_id=booking_id, plans_max=1)
    )
    if not response.plans:
        raise CommandFailure(
            ExitCode.REFUSED,
            f"nothing fits this booking: {refusal_reason(response)}",
            f"See every reason with: {look}",
        )
    return hold_request(restaurant_id, booking_id, response.plans[0])


def confirm(
    hold_id: HoldId,
    reason: HistoryReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Turns a hold into the booking's tables, for good.

    Example: [bold]maitred confirm 7c9e6679-7425-40de-944b-e07fc1f90ae7[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            which = GetHoldRequest(restaurant_id=found.restaurant_id, hold_id=str(hold_id))
            held = (await client.get_hold(which)).hold
            response = await client.confirm_hold(
                ConfirmHoldRequest(
                    restaurant_id=found.restaurant_id,
                    hold_id=held.hold_id,
                    booking_id=held.booking_id,
                    table_ids=held.table_ids,
                    reason=reason,
                )
            )
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_assignment(response.assignment, response.booking.status, floor, found)

    drive(work())


def release(
    hold_id: HoldId,
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Gives a hold back. Doing it twice is harmless.

    Example: [bold]maitred release 7c9e6679-7425-40de-944b-e07fc1f90ae7[/]
    """

    async def work() -> None:
        async with visiting(connection, restaurant) as (client, found, floor):
            response = await client.release_hold(
                ReleaseHoldRequest(restaurant_id=found.restaurant_id, hold_id=str(hold_id))
            )
        if output is not Format.TABLE:
            write_json(to_dict(response), output)
            return
        show_hold(response.hold, floor, found)

    drive(work())
