"""`outbox pause`, `resume`, `direct-telemetry` and `switches`: for a whole deployment, on its database."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.commands import add_command
from server.cli.looking_up import drive
from server.cli.options import Output, option
from server.cli.output import Format, grid, note, show, write_json
from server.cli.service_commands import DatabaseUrl, DataDir

if TYPE_CHECKING:
    from server.persistence.switches import Switch


class OnOff(StrEnum):
    ON = "on"
    OFF = "off"


Reason = Annotated[str, option("--reason", None, "Why; shown beside the switch.")]
SwitchActor = Annotated[str, option("--actor", None, "Who turns it; shown beside the switch.")]


def register(outbox: typer.Typer) -> None:
    """Adds the commands."""
    add_command(outbox, pause)
    add_command(outbox, resume)
    add_command(outbox, direct_telemetry, name="direct-telemetry")
    add_command(outbox, switches)


def pause(
    reason: Reason = "",
    actor: SwitchActor = "maitred-cli",
    output: Output = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Stops delivery in all workers of the deployment, without a restart. Nothing is lost: events wait.

    What a worker has in hand is still delivered; it takes nothing more. Everything else that workers do goes on.

    Example: [bold]maitred outbox pause --reason "the receiver is being moved"[/]
    """
    _turn("relay", "paused", actor, reason, output, database_url, data_dir)


def resume(
    reason: Reason = "",
    actor: SwitchActor = "maitred-cli",
    output: Output = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Lets all workers deliver again. They notice within MAITRED_RELAY_POLL_S, and begin with what waited longest.

    Example: [bold]maitred outbox resume[/]
    """
    _turn("relay", "running", actor, reason, output, database_url, data_dir)


def direct_telemetry(
    position: Annotated[
        OnOff, typer.Argument(metavar="on|off", help="The position.", envvar="MAITRED_CLI_DIRECT_TELEMETRY")
    ],
    reason: Reason = "",
    actor: SwitchActor = "maitred-cli",
    output: Output = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Whether each change writes its telemetry events itself, in its own transaction, and does not wait for a worker.

    Turn it on before a long pause: the telemetry store stays complete, and what the workers deliver later is not
    counted twice.

    Example: [bold]maitred outbox direct-telemetry on --reason "workers paused until noon"[/]
    """
    _turn("direct_telemetry", position.value, actor, reason, output, database_url, data_dir)


def switches(
    output: Output = Format.TABLE, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Shows how the switches stand, and who turned them when and why.

    Example: [bold]maitred outbox switches -o json[/]
    """
    from server.config import load_settings
    from server.switchboard import switches as read

    _write(drive(read(load_settings(database_url=database_url, data_dir=data_dir), note)), output)


def _turn(
    name: str,
    value: str,
    actor: str,
    reason: str,
    output: Format,
    database_url: str | None,
    data_dir: Path | None,
) -> None:
    from server.config import load_settings
    from server.persistence.switches import Position, SwitchName
    from server.switchboard import turn

    settings = load_settings(database_url=database_url, data_dir=data_dir)
    _write(drive(turn(settings, SwitchName(name), Position(value), actor, reason, note)), output)


def _write(found: "tuple[Switch, ...]", output: Format) -> None:
    if output is not Format.TABLE:
        document = [
            {
                "name": switch.name.value,
                "value": switch.value.value,
                "actor": switch.actor,
                "reason": switch.reason,
                "changed_at": switch.changed_at.isoformat(),
            }
            for switch in found
        ]
        write_json(document, output)
        return
    rows = (
        (switch.name, switch.value, f"{switch.changed_at:%Y-%m-%d %H:%M:%S %Z}", switch.actor, switch.reason)
        for switch in found
    )
    show(grid(("Switch", "Position", "Since", "By", "Reason"), rows))
