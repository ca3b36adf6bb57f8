"""`worker` and `health`: running a worker, and asking whoever runs how it is."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive
from server.cli.options import ADDRESS_DEFAULT, Address, Output, Timeout
from server.cli.output import Format, grid, note, show, write_json
from server.cli.service_commands import SERVER, DatabaseUrl, DataDir, LogLevel, MetricsPort, setting

if TYPE_CHECKING:
    from server.rpc.health import HealthAnswer


WorkerHost = Annotated[
    str | None,
    setting("--host", SERVER, "Where to tell its health; loopback by default.", variable="WORKER_HOST"),
]
WorkerPort = Annotated[
    int | None,
    setting(
        "--port",
        SERVER,
        "Port for that; 0, the default, takes a free one.",
        0,
        65535,
        variable="WORKER_PORT",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, worker, panel="Running it")
    add_command(app, health, panel="Running it")


def worker(
    host: WorkerHost = None,
    port: WorkerPort = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    log_level: LogLevel = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Delivers events, clears expired holds away and keeps the database tidy, until SIGTERM or Ctrl-C.

    Run as many as you like beside [bold]maitred serve[/]: they share the work, and when one dies the others take over.
    Without a configured database it works on that of a maitred which is already running here, or else starts the one in
    the data directory, if there is one. [bold]maitred health[/] asks how its services are doing.

    Example: [bold]MAITRED_SINKS=telemetry,nats MAITRED_NATS_URL=nats://nats:4222 maitred worker[/]
    """
    from server.config import load_settings

    settings = load_settings(
        worker_host=host,
        worker_port=port,
        database_url=database_url,
        data_dir=data_dir,
        log_level=log_level,
        metrics_port=metrics_port,
    )

    async def work() -> None:
        from server.bootstrap import seen_database, working
        from server.measuring import show_measurements

        metrics = show_measurements(settings.metrics_port)
        found = seen_database(settings, migrated=True)
        async with found as store, working(settings, store.url) as busy:
            if metrics is not None:
                note(f"measurements on {metrics}")
            working_on = f"working; events go to {', '.join(settings.sinks)}; health on {busy.address}"
            await busy.wait(lambda: note(working_on))
            note("stopping …")
        note("stopped")

    drive(work())


def health(address: Address = ADDRESS_DEFAULT, timeout: Timeout = 5.0, output: Output = Format.TABLE) -> None:
    """Asks a server or a worker whether it serves, as a whole and each of its services.

    Exits with 7 when it does not, with 4 when nobody answers. A worker prints its address when it starts.

    Example: [bold]maitred health --address 127.0.0.1:7421[/]
    """
    # Loaded late: commands that only talk to a server through the client never load the service.
    from server.rpc.health import ask_health

    answer = drive(ask_health(address, timeout))
    if not answer.services:
        remedy = "Check --address. If it is right, nothing runs there, or what runs hangs: its log is next."
        raise CommandFailure(ExitCode.UNREACHABLE, f"{address}: {answer.overall}", remedy)
    _write(answer, output)
    if not answer.serving:
        raise typer.Exit(ExitCode.NOT_READY)


def _write(answer: "HealthAnswer", output: Format) -> None:
    if output is Format.TABLE:
        rows = [("everything", answer.overall), *answer.services.items()]
        show(grid(("Service", "Status"), ((name, _coloured(status)) for name, status in rows)))
        return
    write_json({"status": answer.overall, "services": dict(answer.services)}, output)


def _coloured(status: str) -> Text:
    return Text(status, style="green" if status == "SERVING" else "bold red")
