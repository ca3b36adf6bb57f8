"""Availability as a table for people."""

from datetime import UTC, datetime, timedelta

from rich.console import Console

from maitred_client.messages import Availability, ErrorReason
from server.cli.answer_view import availability_view

CLOSED = Availability(reasons=[ErrorReason.ERROR_REASON_OUTSIDE_SERVICE_HOURS])
TAKEN = Availability(reasons=[ErrorReason.ERROR_REASON_TABLE_CONFLICT_ASSIGNED])
FREE = Availability(available=True, table_names=["T1"])


def starts_of(answers: list[Availability]) -> list[str]:
    """The first column, for one size and a start each half hour from 11:00 on."""
    opening = datetime(2030, 1, 12, 11, tzinfo=UTC)
    starts = [opening + timedelta(minutes=30 * number) for number in range(len(answers))]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(availability_view([2], starts, answers))
    return [line.split()[0] for line in shown.get().splitlines()[1:]]


def test_starts_while_the_house_is_closed_share_a_line_and_one_alone_has_its_own() -> None:
    assert starts_of([CLOSED, CLOSED, FREE, CLOSED, TAKEN, TAKEN]) == [
        "11:00–11:30",
        "12:00",
        "12:30",
        "13:00",
        "13:30",
    ]


def test_a_reason_that_only_a_newer_server_knows_is_told_by_its_number() -> None:
    newer = Availability(reasons=[9_999])  # type: ignore[list-item]
    console = Console(width=80)
    with console.capture() as shown:
        console.print(availability_view([2], [datetime(2030, 1, 12, 11, tzinfo=UTC)], [newer]))
    assert shown.get().split()[-1] == "9999"
