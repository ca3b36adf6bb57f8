"""Explanations and availability as tables for people."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from maitred_client import instant
from maitred_client.messages import (
    Availability,
    CheckStatus,
    ClaimKind,
    Conflict,
    ErrorReason,
    ExplainTableResponse,
    Floor,
)
from maitred_client.values import enum_word
from server.cli.instants import clock_of, dash_for, told_near, told_window
from server.cli.output import facts, grid
from server.cli.wording import told

STATUSES = {
    CheckStatus.CHECK_STATUS_OK: Text("ok", style="green"),
    CheckStatus.CHECK_STATUS_WARNING: Text("look", style="bold yellow"),
    CheckStatus.CHECK_STATUS_ERROR: Text("no", style="bold red"),
}
CLOSED_OR_OVER = (ErrorReason.ERROR_REASON_OUTSIDE_SERVICE_HOURS, ErrorReason.ERROR_REASON_WINDOW_IN_PAST)
POSSIBLE = {True: Text("possible", style="bold green"), False: Text("not possible", style="bold red")}


def explanation_view(response: ExplainTableResponse, floor: Floor, zone: tzinfo) -> Iterator[RenderableType]:
    """Whether it is possible, every rule, and the claims in the way."""
    summary = response.summary
    start, end = (instant(each).astimezone(zone) for each in (summary.window_start, summary.window_end))
    yield facts(
        (
            ("tables", " + ".join(summary.table_names)),
            ("outcome", POSSIBLE[response.possible]),
            ("window", f"{told_window(start, end)}, {response.period}"),
            ("seats", f"{summary.capacity} for a party of {summary.party_size}"),
        )
    )
    yield ""
    yield grid(
        ("", "Rule", "Finding"),
        (
            (STATUSES.get(check.status, Text("?")), enum_word(ErrorReason, check.reason), check.message)
            for check in response.checks
        ),
        kept=2,
    )
    if response.conflicts:
        yield ""
        yield _conflicts(response.conflicts, floor, start)
        if response.conflicts_found > len(response.conflicts):
            yield Text(
                f"{response.conflicts_found - len(response.conflicts)} more are in the way", style="dim"
            )


def _conflicts(conflicts: Sequence[Conflict], floor: Floor, start: datetime) -> RenderableType:
    """`start` is that of the window, in the restaurant's zone."""
    names = {table.table_id: table.name for table in floor.tables}
    return grid(
        ("In the way", "What", "From", "Until", "Free from"),
        (
            (
                names.get(conflict.table_id, conflict.table_id),
                told(ClaimKind, conflict.blocker_kind),
                *(
                    told_near(instant(each), start, "%H:%M:%S")
                    for each in (conflict.window_start, conflict.window_end, conflict.free_from)
                ),
            )
            for conflict in conflicts
        ),
        kept=5,
    )


def availability_view(
    sizes: Sequence[int], starts: Sequence[datetime], answers: Sequence[Availability]
) -> RenderableType:
    """Starts down, sizes across: the tables, or what keeps the party out. `answers` go start by start.

    Starts that follow each other share a line while the restaurant is closed, or they are over.
    """
    width, clock = len(sizes), clock_of(starts)
    rows = ((start, answers[row * width : (row + 1) * width]) for row, start in enumerate(starts))
    lines: list[tuple[str | Text, ...]] = []
    for nobody_may, run in groupby(rows, lambda row: _keeps_everybody_out(row[1])):
        alike = list(run)
        if nobody_may and len(alike) > 1:
            first, last = alike[0][0], alike[-1][0]
            lines.append((f"{first:{clock}}{dash_for(clock)}{last:{clock}}", *map(_cell, alike[0][1])))
        else:
            lines += [(f"{start:{clock}}", *map(_cell, each)) for start, each in alike]
    return grid(("Start", *(f"Party of {size}" for size in sizes)), lines)


def _keeps_everybody_out(answers: Sequence[Availability]) -> "ErrorReason.ValueType | None":
    """Why nobody may start then, whatever is free."""
    found = {tuple(answer.reasons) for answer in answers}
    reasons = found.pop() if len(found) == 1 else ()
    return reasons[0] if reasons and reasons[0] in CLOSED_OR_OVER else None


def _cell(answer: Availability) -> Text:
    if answer.available:
        return Text(" + ".join(answer.table_names), style="green")
    return Text(enum_word(ErrorReason, answer.reasons[0]) if answer.reasons else "no tables", style="dim")
