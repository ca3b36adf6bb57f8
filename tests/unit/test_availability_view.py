"""Explanations and availability as tables for people."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from maitred_client.messages import Availability, Conflict, ErrorReason, ExplainTableResponse, Floor
from server.cli.answer_view import availability_view, explanation_view

CLOSED = Availability(reasons=[ErrorReason.ERROR_REASON_OUTSIDE_SERVICE_HOURS])
TAKEN = Availability(reasons=[ErrorReason.ERROR_REASON_TABLE_CONFLICT_ASSIGNED])
FREE = Availability(available=True, table_names=["T1"])


def starts_of(
    answers: list[Availability], opening: datetime = datetime(2030, 1, 12, 11, tzinfo=UTC)
) -> list[str]:
    """The first column, for one size and a start each half hour, from 11:00 on unless another start is given."""
    starts = [
        (opening.astimezone(UTC) + timedelta(minutes=30 * number)).astimezone(opening.tzinfo)
        for number in range(len(answers))
    ]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(availability_view([2], starts, answers))
    return [line.split("  ")[0] for line in shown.get().splitlines()[1:]]


def test_starts_while_the_house_is_closed_share_a_line_and_one_alone_has_its_own() -> None:
    assert starts_of([CLOSED, CLOSED, FREE, CLOSED, TAKEN, TAKEN]) == [
        "11:00–11:30",
        "12:00",
        "12:30",
        "13:00",
        "13:30",
    ]


def test_where_an_hour_is_shown_twice_each_start_says_which_one_it_is() -> None:
    opening = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Rome"))
    assert starts_of([FREE, FREE, FREE, CLOSED, CLOSED], opening) == [
        "02:30 CEST",
        "02:00 CET",
        "02:30 CET",
        "03:00 CET – 03:30 CET",
    ]


def test_a_reason_that_only_a_newer_server_knows_is_told_by_its_number() -> None:
    newer = Availability(reasons=[9_999])  # type: ignore[list-item]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(availability_view([2], [datetime(2030, 1, 12, 11, tzinfo=UTC)], [newer]))
    assert shown.get().split()[-1] == "9999"


@pytest.mark.parametrize(("found", "rest"), [(2, []), (5, ["3 more are in the way"])])
def test_of_many_claims_in_the_way_those_that_are_not_named_are_counted(found: int, rest: list[str]) -> None:
    conflicts = [Conflict(table_id=each) for each in ("M4", "M5")]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(
            *explanation_view(ExplainTableResponse(conflicts=conflicts, conflicts_found=found), Floor(), UTC)
        )
    assert [line for line in shown.get().splitlines() if "more" in line] == rest
