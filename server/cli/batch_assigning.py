"""Automatic assignment of a whole service date: a progress bar while it runs, then who sits where, and a summary."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from rich.console import RenderableType

from maitred_client import AsyncMaitredClient, duration, to_dict
from maitred_client.messages import (
    AutoAssignBatchRequest,
    AutoAssignBatchSummary,
    AutoAssignDecision,
    AutoAssignOrder,
    AutoAssignOutcome,
    ErrorReason,
    Floor,
    Restaurant,
)
from maitred_client.values import enum_word
from server.cli.failures import CommandFailure, ExitCode
from server.cli.instants import clock_of, zone_shown
from server.cli.looking_up import visiting
from server.cli.options import Connection
from server.cli.output import Format, facts, grid, progress_bar, show, write_json
from server.cli.service_hours import date_of
from server.cli.wording import counted, told


class Order(StrEnum):
    TIME = "time"
    SIZE_DESC = "size-desc"
    CONSTRAINED_FIRST = "constrained-first"


@dataclass(frozen=True, slots=True)
class Day:
    """What is asked for: a date as typed, and `cutoff_min` minutes before a party sits down."""

    date: str
    order: Order
    cutoff_min: int | None
    reason: str

    def request(self, restaurant_id: str) -> AutoAssignBatchRequest:
        """Raises BadParameter for what is no date."""
        request = AutoAssignBatchRequest(
            restaurant_id=restaurant_id,
            service_date=date_of(self.date).isoformat(),
            order=AutoAssignOrder.Value(f"AUTO_ASSIGN_ORDER_{self.order.name}"),
            reason=self.reason,
        )
        if self.cutoff_min is not None:
            request.cutoff.CopyFrom(duration(dt.timedelta(minutes=self.cutoff_min)))
        return request


async def assign_day(connection: Connection, restaurant: str, day: Day, output: Format) -> None:
    """Raises CommandFailure when time ran out before every booking was decided."""
    async with visiting(connection, restaurant) as (client, found, floor):
        decisions, summary = await _run(client, day.request(found.restaurant_id), connection, output)
    if output is Format.TABLE:
        show(_decided(decisions, floor, found), "", facts(_summed_up(summary)))
    elif output is Format.JSON:
        write_json({"decisions": [to_dict(each) for each in decisions], "summary": to_dict(summary)}, output)
    open_still = summary.out_of_time + summary.not_reached
    if open_still:
        raise CommandFailure(
            ExitCode.REFUSED,
            f"time ran out with {counted(open_still, 'booking')} undecided",
            "Repeat the same command, with a longer --timeout if need be; it goes on with what still waits.",
        )


async def _run(
    client: AsyncMaitredClient, request: AutoAssignBatchRequest, connection: Connection, output: Format
) -> tuple[list[AutoAssignDecision], AutoAssignBatchSummary]:
    """With JSON lines each decision is written as it comes, and the summary as the last line."""
    decisions, summary = [], AutoAssignBatchSummary()
    responses = client.auto_assign_batch(request, timeout_s=connection.timeout_s)
    with progress_bar() as progress:
        task = progress.add_task(request.service_date, total=None)
        async with aclosing(responses):
            async for response in responses:
                progress.update(task, completed=response.done, total=response.total)
                if response.HasField("decision"):
                    decisions.append(response.decision)
                if response.HasField("summary"):
                    summary = response.summary
                if output is Format.JSONL:
                    write_json(to_dict(response), output)
    return decisions, summary


def _decided(decisions: Sequence[AutoAssignDecision], floor: Floor, restaurant: Restaurant) -> RenderableType:
    names = {table.table_id: table.name for table in floor.tables}
    zone = zone_shown(restaurant)
    starts = [each.start.ToDatetime(dt.UTC).astimezone(zone) for each in decisions]
    clock = "%H:%M %Z" if zone is dt.UTC else clock_of(starts)
    return grid(
        ("start", "party>", "tables", "outcome", "booking"),
        (
            (
                f"{start:{clock}}",
                each.party_size,
                " + ".join(names.get(table_id, table_id) for table_id in each.table_ids) or "–",
                _outcome(each),
                each.booking_id,
            )
            for start, each in zip(starts, decisions, strict=True)
        ),
    )


def _outcome(decision: AutoAssignDecision) -> str:
    if decision.reason:
        return enum_word(ErrorReason, decision.reason)
    return told(AutoAssignOutcome, decision.outcome)


def _summed_up(summary: AutoAssignBatchSummary) -> Iterator[tuple[str, object]]:
    yield "assigned", summary.assigned
    counts = (
        ("had tables by then", summary.already_assigned),
        *((enum_word(ErrorReason, each.reason), each.bookings) for each in summary.refusals),
        ("out of time", summary.out_of_time),
        ("not reached in time", summary.not_reached),
        ("beyond the limit of a batch", summary.left_out),
    )
    yield from ((name, count) for name, count in counts if count)
