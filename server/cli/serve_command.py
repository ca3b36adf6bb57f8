"""`serve`: answering calls."""

from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.commands import add_command
from server.cli.looking_up import drive
from server.cli.output import note
from server.cli.service_commands import (
    SERVER,
    DatabaseUrl,
    DataDir,
    Host,
    LogLevel,
    MetricsPort,
    Port,
    setting,
)

if TYPE_CHECKING:
    from server.config import Settings


Processes = Annotated[
    int | None, setting("--processes", SERVER, "How many processes share the port; 1 by default.", 1)
]


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
    processes: Processes = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C, then finishes what runs and stops.

    Without a configured database it starts its own, and migrates it. A configured one is migrated by
    [bold]maitred migrate up[/] alone.

    One process uses one core. With [bold]--processes[/] several share the port: one that ends is replaced, and all of
    them end with the one that started them. They share the database connections of one, and each has one more to
    listen on.

    Example: [bold]maitred serve --database-url postgresql://maitred@db/maitred[/]
    """
    from server.config import load_settings
    from server.processes.port import require_free_port

    settings = load_settings(
        host=host,
        port=port,
        database_url=database_url,
        data_dir=data_dir,
        log_level=log_level,
        metrics_port=metrics_port,
        processes=processes,
    )
    require_free_port(settings.host, settings.port)
    drive(_alone(settings) if settings.processes == 1 else _several(settings))
    note("stopped")


async def _alone(settings: "Settings") -> None:
    from server.bootstrap import database, serving
    from server.lifecycle import keep_what_is_there
    from server.measuring import show_measurements

    metrics = show_measurements(settings.metrics_port)
    async with database(settings, note) as store, serving(settings, store.url) as server:
        keep_what_is_there()
        if metrics is not None:
            note(f"measurements on {metrics}")
        await server.wait(lambda: note(f"serving on {server.address}"))
        note("draining …")
        await server.drain()


async def _several(settings: "Settings") -> None:
    from server.bootstrap import database
    from server.processes.supervisor import several_serving

    async with database(settings, note) as store, several_serving(settings, store.url) as servers:
        for metrics in servers.metrics:
            note(f"measurements on {metrics}")
        note(f"{settings.processes} processes share the port")
        await servers.wait(lambda: note(f"serving on {servers.address}"))
        note("draining …")
        await servers.drain()
