"""`serve`: answering calls."""

from typing import TYPE_CHECKING

import typer

from server.cli.help_text import add_command
from server.cli.looking_up import drive
from server.cli.output import note
from server.cli.service_commands import DatabaseUrl, DataDir, Host, LogLevel, MetricsPort, Port

if TYPE_CHECKING:
    from server.config import Settings


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    add_command(app, serve, panel="Running it")


def serve(
    host: Host = None,
    port: Port = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    log_level: LogLevel = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C, then finishes what runs and stops.

    Without a configured database it starts its own, and migrates it. A configured one is migrated by
    [bold]maitred migrate up[/] alone.

    Example: [bold]maitred serve --database-url postgresql://maitred@db/maitred[/]
    """
    from server.config import load_settings

    settings = load_settings(
        host=host,
        port=port,
        database_url=database_url,
        data_dir=data_dir,
        log_level=log_level,
        metrics_port=metrics_port,
    )
    drive(_alone(settings))
    note("stopped")


async def _alone(settings: "Settings") -> None:
    from server.bootstrap import database, serving
    from server.measuring import measured

    async with (
        measured(settings.metrics_port) as metrics,
        database(settings, note) as store,
        serving(settings, store.url) as server,
    ):
        if metrics is not None:
            note(f"measurements on {metrics}")
        note(f"serving on {server.address}")
        await server.wait()
        note("draining …")
        await server.drain()
