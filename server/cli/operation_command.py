"""`operation`: what became of a call whose answer somebody has lost."""

from typing import Annotated
from uuid import UUID

import typer

from maitred_client import instant, to_dict
from maitred_client.messages import ErrorReason, GetOperationRequest, GetOperationResponse, OperationState
from maitred_client.values import enum_word
from server.cli.commands import add_command
from server.cli.looking_up import drive
from server.cli.options import HERE, Connection, Output
from server.cli.output import Format, facts, note, show, write_json
from server.cli.wording import told


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, operation, panel="Check")


def operation(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help="The call that changed something: HoldTables.", envvar="MAITRED_CLI_METHOD"
        ),
    ],
    request_id: Annotated[
        UUID,
        typer.Argument(
            metavar="REQUEST_ID", help="The request_id that it carried.", envvar="MAITRED_CLI_REQUEST_ID"
        ),
    ],
    output: Output = Format.TABLE,
    connection: Connection = HERE,
) -> None:
    """Tells what became of a call: whether it happened, was refused, is under way, or never arrived.

    Example: [bold]maitred operation HoldTables 3d813cbb-47fb-42ba-91df-831e1593ac29[/]
    """

    async def work() -> None:
        async with connection.open() as client:
            request = GetOperationRequest(method=method, operation_request_id=str(request_id))
            found = await client.get_operation(request)
        if output is not Format.TABLE:
            write_json(to_dict(found), output)
            return
        _show(found)

    drive(work())


def _show(found: GetOperationResponse) -> None:
    seen: list[tuple[str, object]] = [("state", told(OperationState, found.state))]
    if found.reason:
        seen += [("reason", enum_word(ErrorReason, found.reason)), ("message", found.message)]
    if found.HasField("recorded_at"):
        seen.append(("recorded", f"{instant(found.recorded_at):%a %Y-%m-%d %H:%M:%S UTC}"))
    show(facts(seen))
    if found.state == OperationState.OPERATION_STATE_SUCCEEDED:
        note("What was answered is in -o json")
    elif found.state == OperationState.OPERATION_STATE_UNKNOWN:
        note(
            "No answer is recorded under this method and request_id: the same call can be sent again as it was"
        )
