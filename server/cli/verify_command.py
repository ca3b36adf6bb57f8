"""`verify`: whether the stored data contradicts itself, by way of a server or of the database alone."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from maitred_client import instant
from maitred_client.messages import CheckInvariantsRequest, CheckInvariantsResponse
from server.cli.commands import add_command
from server.cli.failures import ExitCode
from server.cli.looking_up import NO_RESTAURANT, drive, find_restaurant
from server.cli.options import Connection, OfRestaurant, Output, is_typed, option
from server.cli.output import Format, facts, grid, note, show, write_json
from server.cli.service_commands import SERVER, DatabaseUrl, DataDir
from server.cli.wording import counted

if TYPE_CHECKING:
    from server.domain.invariants import InvariantReport

IDS = ("restaurant_id", "booking_id", "hold_id", "assignment_id", "block_id")
COUNTED = {
    "restaurants": ("restaurant",),
    "bookings": ("booking",),
    "holds": ("hold",),
    "assignments": ("assignment",),
    "blocks": ("block",),
    "claims": ("claim",),
    "events": ("event",),
    "audit_entries": ("audit entry", "audit entries"),
}

OfDatabase = Annotated[
    bool,
    option(
        "--database",
        SERVER,
        "Look at the configured database itself, all tenants, without a server. "
        "Implied by --database-url and --data-dir.",
        variable="VERIFY_DATABASE",
    ),
]

PATIENT = Connection(timeout_s=30.0)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, verify, panel="Running it")


def verify(
    context: typer.Context,
    restaurant: OfRestaurant = "",
    output: Output = Format.TABLE,
    connection: Connection = PATIENT,
    of_database: OfDatabase = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Looks at the stored data for what contradicts itself: double claims, statuses without tables, missing history.

    Asks a server about the restaurants of one tenant, or looks at a whole database. Repairs nothing. Exits with 7 when
    there are violations.

    Example: [bold]maitred verify --database -o json[/]
    """
    if of_database or database_url is not None or data_dir is not None:
        for name in ("restaurant", "address", "tenant", "actor", "timeout"):
            if is_typed(context, name):
                raise typer.BadParameter("a whole database is looked at", param_hint=f"--{name}")
        found = _of_database(database_url, data_dir)
    else:
        found = _of_server(connection, restaurant)
    _write(found, output)
    if found["violations"]:
        raise typer.Exit(ExitCode.NOT_READY)


def _of_server(connection: Connection, restaurant: str) -> dict[str, Any]:
    async def work() -> CheckInvariantsResponse:
        async with connection.open() as client:
            restaurant_id = (await find_restaurant(client, restaurant)).restaurant_id if restaurant else ""
            return await client.check_invariants(CheckInvariantsRequest(restaurant_id=restaurant_id))

    answer = drive(work())
    if not answer.counts.restaurants:
        note(NO_RESTAURANT)
    return document(answer, instant(answer.checked_at))


def _of_database(database_url: str | None, data_dir: Path | None) -> dict[str, Any]:
    from server.config import load_settings
    from server.diagnosis import verify_database

    report = drive(verify_database(load_settings(database_url=database_url, data_dir=data_dir)))
    return document(report, report.checked_at)


def document(report: "CheckInvariantsResponse | InvariantReport", checked_at: dt.datetime) -> dict[str, Any]:
    """A report as it is written to files: the same whoever made it."""
    return {
        "violations": report.violations,
        "checked_at": checked_at.isoformat(),
        "counts": {name: getattr(report.counts, name) for name in COUNTED},
        "checks": [
            {
                "check_id": check.check_id,
                "description": check.description,
                "violations": check.violations,
                "examples": [_example(violation) for violation in check.examples],
            }
            for check in report.checks
        ],
    }


def _example(violation: Any) -> dict[str, Any]:
    ids = {name: str(getattr(violation, name) or "") for name in IDS}
    tables = [str(table_id) for table_id in violation.table_ids]
    return {**ids, "table_ids": tables, "message": violation.message}


def _write(found: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        write_json(found, output)
        return
    if output is Format.JSONL:
        write_json(found["checks"], output)
        return
    marks = {True: Text("ok", style="green"), False: Text("wrong", style="bold red")}
    rows = (
        (marks[not check["violations"]], check["check_id"], check["violations"], _always(check))
        for check in found["checks"]
    )
    show(grid(("", "Check", "Violations>", "What always holds"), rows, kept=3))
    for check in found["checks"]:
        for example in check["examples"]:
            show(Text(f"{check['check_id']}: {_in_words(example)}"))
    counts = found["counts"]
    looked_at = ", ".join(counted(counts[name], *words) for name, words in COUNTED.items())
    checked_at = dt.datetime.fromisoformat(found["checked_at"]).astimezone(dt.UTC)
    show(facts((("looked at", looked_at), ("as of", f"{checked_at:%Y-%m-%d %H:%M:%S} UTC"))))


def _always(check: dict[str, Any]) -> str:
    """What a check is about: the rule alone while it holds, and all that there is to know when it is broken."""
    description: str = check["description"]
    rule, _, _ = description.partition(". ")
    return description if check["violations"] else f"{rule.removesuffix('.')}."


def _in_words(example: dict[str, Any]) -> str:
    ids = [f"{name.removesuffix('_id')} {example[name]}" for name in IDS if example[name]]
    ids += [f"table {table_id}" for table_id in example["table_ids"]]
    return f"{example['message']} ({', '.join(ids)})" if ids else str(example["message"])
