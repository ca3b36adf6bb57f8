"""The commands, put together, and the one place where they end."""

import sys
from typing import Annotated

import typer

from server.cli import (
    auto_assign_command,
    bench_commands,
    block_commands,
    booking_commands,
    check_command,
    dispatch_command,
    floor_command,
    holds_command,
    life_commands,
    load_command,
    moving_commands,
    operation_command,
    outbox_commands,
    question_commands,
    replay_commands,
    serve_command,
    service_commands,
    torture_command,
    verify_command,
    worker_commands,
)
from server.cli.commands import unwrapped
from server.cli.failures import MEANINGS, report
from server.cli.output import show, standard_streams

EXIT_CODES = "\n".join(f"[bold]{int(code)}[/] {meaning}  " for code, meaning in MEANINGS.items())

HELP = """Decides which party sits at which table, and never gives a table twice.

Start with [bold]maitred demo[/], which needs nothing and leaves nothing running, or with [bold]maitred dev[/],
which gives you a server with a sample restaurant to call."""

EPILOG = f"""[bold]Exit codes:[/]

{EXIT_CODES.replace(chr(10), chr(10) * 2)}

Results go to stdout, everything else to stderr. Every option can also be given by the environment variable that
its help names. NO_COLOR is respected. Shell completion: maitred --install-completion."""

app = typer.Typer(
    name="maitred",
    help=unwrapped(HELP),
    epilog=unwrapped(EPILOG),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
replay_commands.register(app)
serve_command.register(app)
service_commands.register(app)
worker_commands.register(app)
life_commands.register(app)
booking_commands.register(app)
auto_assign_command.register(app)
dispatch_command.register(app)
moving_commands.register(app)
holds_command.register(app)
block_commands.register(app)
question_commands.register(app)
floor_command.register(app)
verify_command.register(app)
operation_command.register(app)
check_command.register(app)
outbox_commands.register(app)
bench_commands.register(app)
load_command.register(app)
torture_command.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        show(f"maitred {version('maitred')}")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Runs the command line of this process. Never returns: the exit status is one of ExitCode."""
    # What a terminal cannot show is better shown as a question mark than as a traceback.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    with standard_streams():
        try:
            app()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 the last place that can say it in words
            sys.exit(report(error))
