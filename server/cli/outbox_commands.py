"""`outbox`: what waits to be delivered, what is dead and why, and another life for it; through a server."""

from enum import StrEnum
from math import ceil
from typing import Annotated
from uuid import UUID

import typer

from maitred_client import AsyncMaitredClient, to_dict
from maitred_client.messages import (
    GetOutboxStatsRequest,
    ListOutboxEventsRequest,
    OutboxEvent,
    OutboxStatus,
    RedriveOutboxEventsRequest,
)
from server.cli import switch_commands
from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive, find_restaurant, note_nobody
from server.cli.options import HERE, AuditReason, Connection, OfRestaurant, Output, RestaurantName, option
from server.cli.outbox_view import show_event, show_events, show_stats
from server.cli.output import Format, note, show, write_json
from server.cli.wording import counted

# What one call redrives at most, and so what one call is given at most.
REDRIVEN_MAX = 500


class Status(StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


EventType = Annotated[str, option("--type", None, "Only events of this type, such as capacity.hold.created.")]
outbox = typer.Typer(
    help="Events on their way out: what waits, what is dead, another life for it, and the switches of delivery.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Adds the commands, with those that turn switches."""
    add_command(outbox, stats)
    add_command(outbox, list_events, name="list")
    add_command(outbox, show_one, name="show")
    add_command(outbox, redrive)
    switch_commands.register(outbox)
    app.add_typer(outbox, name="outbox", rich_help_panel="Running it")


def stats(
    restaurant: OfRestaurant = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Counts what waits, since when, and what is dead.

    Dead events and blocked restaurants need somebody: [bold]maitred outbox list --status dead[/] says why.

    Example: [bold]maitred outbox stats -o json[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            restaurant_id = (await find_restaurant(client, restaurant)).restaurant_id if restaurant else ""
            found = await client.get_outbox_stats(GetOutboxStatsRequest(restaurant_id=restaurant_id))
            if not restaurant and not found.pending and not found.dead:
                await note_nobody(client)
        if output is Format.TABLE:
            show_stats(found)
        else:
            write_json(to_dict(found), output)

    drive(work())


def list_events(
    restaurant: Annotated[
        str,
        option(
            "--restaurant",
            None,
            "Id or name of the restaurant; may be left out with --status dead, which looks at all of them then.",
        ),
    ] = "",
    status: Annotated[Status | None, option("--status", None, "Only events in this status.")] = None,
    event_type: EventType = "",
    limit: Annotated[int, option("--limit", None, "At most so many.", 1, 10_000)] = 50,
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Lists events and what became of them, oldest first.

    Example: [bold]maitred outbox list --status dead -o jsonl[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            everywhere = not restaurant and status is Status.DEAD
            request = ListOutboxEventsRequest(
                restaurant_id="" if everywhere else (await find_restaurant(client, restaurant)).restaurant_id,
                status=_status(status),
                event_type=event_type,
                # One more than is shown tells whether there are more.
                page_size=min(limit + 1, 500),
            )
            events = await _first(client, request, limit + 1)
            if everywhere and not events:
                await note_nobody(client)
        if output is Format.TABLE:
            show_events(events[:limit], of_several=everywhere)
        else:
            write_json([to_dict(event) for event in events[:limit]], output)
        if len(events) > limit:
            note("there are more: raise --limit, or narrow the list with --status, --type or --restaurant")

    drive(work())


def show_one(
    event: Annotated[
        UUID, typer.Argument(metavar="EVENT", help="Id of the event.", envvar="MAITRED_CLI_EVENT")
    ],
    restaurant: Annotated[
        str, option("--restaurant", None, "Id or name of its restaurant; may be left out for a dead event.")
    ] = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Shows all of one event: what it says, how often it was tried, and what went wrong last.

    Example: [bold]maitred outbox show 0b9f1d2e-5a66-4e0c-9c0b-3c1f6c1f7a55[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            found = await _find(client, event, restaurant)
        if output is Format.TABLE:
            show_event(found)
        else:
            write_json(to_dict(found), output)

    drive(work())


def redrive(
    events: Annotated[
        list[UUID] | None,
        typer.Argument(metavar="EVENT...", help="Ids of dead events.", envvar="MAITRED_CLI_EVENTS"),
    ] = None,
    every: Annotated[bool, option("--all", None, "All dead events of the restaurant.")] = False,
    event_type: EventType = "",
    reason: AuditReason = "",
    restaurant: RestaurantName = "",
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Gives dead events of a restaurant another life, with all their attempts before them.

    Mend first what killed them, or they die again. Does it without asking. Exit code 3 says that some of the named
    events were not dead in this restaurant; the others are redriven all the same.

    Example: [bold]maitred outbox redrive --all --type capacity.hold.created --reason "webhook is back"[/]
    """
    if bool(events) == every:
        raise typer.BadParameter("give event ids, or --all", param_hint="EVENT")
    named = [str(event) for event in dict.fromkeys(events or ())]

    async def work() -> None:
        async with connection.open() as client:
            request = RedriveOutboxEventsRequest(
                restaurant_id=(await find_restaurant(client, restaurant)).restaurant_id,
                event_type=event_type,
                reason=reason,
            )
            redriven = await (_redrive_all(client, request) if every else _redrive(client, request, named))
        if output is Format.TABLE:
            show(f"{counted(len(redriven), 'event')} redriven", *redriven)
        else:
            write_json({"event_ids": redriven}, output)
        if left_out := sorted(set(named) - set(redriven)):
            raise CommandFailure(
                ExitCode.REFUSED,
                f"not dead in this restaurant, or of another type: {', '.join(left_out)}",
                "See what became of one: maitred outbox show EVENT --restaurant …",
            )

    drive(work())


def _status(status: Status | None) -> "OutboxStatus.ValueType":
    return OutboxStatus.Value(f"OUTBOX_STATUS_{(status or 'unspecified').upper()}")


async def _first(
    client: AsyncMaitredClient, request: ListOutboxEventsRequest, count: int
) -> list[OutboxEvent]:
    events: list[OutboxEvent] = []
    async for event in client.iterate_outbox_events(request):
        events.append(event)
        if len(events) == count:
            break
    return events


async def _find(client: AsyncMaitredClient, event_id: UUID, restaurant: str) -> OutboxEvent:
    """Dead events are found wherever they are; others in their restaurant alone."""
    dead = ListOutboxEventsRequest(event_id=str(event_id), status=OutboxStatus.OUTBOX_STATUS_DEAD)
    found = [] if restaurant else await _first(client, dead, 1)
    if not found:
        restaurant_id = (await find_restaurant(client, restaurant)).restaurant_id
        request = ListOutboxEventsRequest(event_id=str(event_id), restaurant_id=restaurant_id)
        found = await _first(client, request, 1)
    if not found:
        raise CommandFailure(
            ExitCode.REFUSED,
            f"there is no event {event_id} here",
            "Delivered events are deleted in the end; or it is another restaurant's: --restaurant.",
        )
    return found[0]


async def _redrive(
    client: AsyncMaitredClient, request: RedriveOutboxEventsRequest, event_ids: list[str]
) -> list[str]:
    redriven: list[str] = []
    for start in range(0, len(event_ids), REDRIVEN_MAX):
        part = RedriveOutboxEventsRequest(event_ids=event_ids[start : start + REDRIVEN_MAX])
        part.MergeFrom(request)
        redriven += (await client.redrive_outbox_events(part)).event_ids
    return redriven


async def _redrive_all(client: AsyncMaitredClient, request: RedriveOutboxEventsRequest) -> list[str]:
    """As many calls as the dead of now take: one that dies again meanwhile is not redriven for ever."""
    found = await client.get_outbox_stats(GetOutboxStatsRequest(restaurant_id=request.restaurant_id))
    redriven: list[str] = []
    for _ in range(ceil(found.dead / REDRIVEN_MAX)):
        part = RedriveOutboxEventsRequest()
        part.CopyFrom(request)
        redriven += (await client.redrive_outbox_events(part)).event_ids
    return list(dict.fromkeys(redriven))
