"""`check`: whether a service that gives no table twice can have told its clients what they wrote down."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.text import Text

from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive
from server.cli.options import Output, option
from server.cli.output import Format, show, write_json
from server.cli.service_commands import SERVER, DatabaseUrl, DataDir

if TYPE_CHECKING:
    from loadgen.checking.against_database import State
    from loadgen.checking.history import History, Recorded

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="HISTORY_DIR",
        envvar="MAITRED_CLI_HISTORY",
        help="Folder with the client-<n>.jsonl files of a run.",
    ),
]
OfDatabase = Annotated[
    bool,
    option(
        "--database",
        SERVER,
        "Compare with the rows of the configured database, too. Implied by --database-url and --data-dir.",
        variable="CHECK_DATABASE",
    ),
]
Tolerance = Annotated[
    float,
    option(
        "--tolerance",
        None,
        "Seconds by which the database's clock may differ from that of the clients' machine.",
        0.0,
        60.0,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, check, panel="Check")


def check(
    folder: Folder,
    tolerance: Tolerance = 0.1,
    output: Output = Format.TABLE,
    of_database: OfDatabase = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Checks what clients asked and were told: tables given twice, dishonest refusals, repeats with another answer.

    With a database also whether everything that was promised is there, and nothing that nobody asked for. The calls
    of the run must be over. Exits with 7 when there are violations; docs/checking.md says what each word means.

    Example: [bold]maitred check history --database-url postgresql://localhost/maitred -o json[/]
    """
    from loadgen.checking.check import check as look_at
    from loadgen.checking.history import read_history

    try:
        history = read_history(folder)
        wanted = of_database or database_url is not None or data_dir is not None
        state = _rows(history, database_url, data_dir) if wanted else None
        report = look_at(history, state, tolerance)
    except (OSError, ValueError) as problem:
        raise CommandFailure(ExitCode.BAD_FILE, f"The history cannot be read: {problem}.") from None
    if output is Format.TABLE:
        show(Text(report.as_text()))
    else:
        write_json(report.as_json(), output)
    if not report.clean:
        raise typer.Exit(ExitCode.NOT_READY)


def _rows(history: "History", database_url: str | None, data_dir: Path | None) -> "State":
    """The rows of the restaurants that the history is about."""
    from loadgen.checking.against_database import State
    from server.config import load_settings
    from server.evidence import evidence

    restaurants = {_restaurant(call) for call in history.calls if call.restaurant_id}
    found: dict[str, Any] = drive(
        evidence(load_settings(database_url=database_url, data_dir=data_dir), restaurants)
    )
    return State(**found)


def _restaurant(call: "Recorded") -> UUID:
    try:
        return UUID(call.restaurant_id)
    except ValueError:
        raise ValueError(
            f"call {call.name}: restaurant_id: expected a UUID, not {call.restaurant_id!r}"
        ) from None
