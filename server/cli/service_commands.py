"""`dev`, `migrate`, `doctor` and `config`: running the service and looking at what runs."""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from server.cli.commands import add_command
from server.cli.failures import ExitCode
from server.cli.looking_up import drive
from server.cli.options import Connection, Output, is_typed, option
from server.cli.output import Format, facts, grid, note, show, write_json

if TYPE_CHECKING:
    from server.bootstrap import Database
    from server.config import Settings, SettingView

SERVER = "Server"

# An option that is a setting, too: its environment twin is the setting's.
setting = partial(option, prefix="MAITRED_")

Host = Annotated[str | None, setting("--host", SERVER, "Where to listen, a loopback address.")]
Port = Annotated[int | None, setting("--port", SERVER, "0 takes a free one.", 0, 65535)]


def _one_database(context: typer.Context, option: typer.CallbackParam, value: Any) -> Any:
    """What is typed, or None, where the settings look in the environment. Refuses two databases that are both typed."""
    if is_typed(context, "database_url") and is_typed(context, "data_dir"):
        raise typer.BadParameter("goes without --database-url", param_hint="--data-dir")
    return value if is_typed(context, str(option.name)) else None


DatabaseUrl = Annotated[
    str | None,
    setting(
        "--database-url",
        SERVER,
        "PostgreSQL to use; without it one is started from the data folder.",
        check=_one_database,
    ),
]
DataDir = Annotated[
    Path | None,
    setting(
        "--data-dir",
        SERVER,
        "Where the embedded PostgreSQL keeps its data.",
        check=_one_database,
        file_okay=False,
    ),
]
LogLevel = Annotated[str | None, setting("--log-level", SERVER, "How much to log.")]
MetricsPort = Annotated[
    int | None,
    setting("--metrics-port", SERVER, "Show measurements there, at /metrics; 0 takes a free port.", 0, 65535),
]

migrate = typer.Typer(
    help="Brings the database's schema up to this version, or says how far it is.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    add_command(app, dev, panel="Start here")
    add_command(migrate, migrate_up_command, name="up")
    add_command(migrate, migrate_status_command, name="status")
    add_command(migrate, migrate_check_command, name="check")
    app.add_typer(migrate, name="migrate", rich_help_panel="Running it")
    add_command(app, doctor, panel="Running it")
    add_command(app, config, panel="Running it")


def dev(
    host: Host = None,
    port: Port = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    log_level: LogLevel = None,
) -> None:
    """Starts a server and a worker with a sample restaurant, from nothing, and says how to call it. Ctrl-C stops it.

    Example: [bold]maitred dev --port 7420[/]
    """
    # Every call would be logged otherwise, between the lines that are to be read.
    quiet = None if "MAITRED_LOG_LEVEL" in map(str.upper, os.environ) else "warning"
    settings = _settings(
        host=host,
        port=port,
        database_url=database_url,
        data_dir=data_dir,
        log_level=log_level or quiet,
        processes=1,
    )

    async def work() -> None:
        from server.bootstrap import database, serving, working
        from server.cli.sample_restaurant import calls_to_try, load_sample
        from server.measuring import show_measurements
        from server.processes.port import require_free_port

        metrics = show_measurements(settings.metrics_port)
        require_free_port(settings.host, settings.port)
        async with (
            database(settings, note) as store,
            working(settings, store.url) as busy,
            serving(settings, store.url) as server,
        ):
            async with Connection(server.address, actor="maitred-dev").open() as client:
                sample = await load_sample(client)
            up = Text("maitred is up. Ctrl-C stops it.", style="bold green")
            running = facts(_running(server.address, busy.address, store, metrics))

            def tell() -> None:
                show(up, running, "", *calls_to_try(server.address, sample))

            await server.wait(tell)
            note("draining …")
            await server.drain()
        note("stopped")

    drive(work())


def _running(server: str, worker: str, store: "Database", metrics: str | None) -> tuple[tuple[str, str], ...]:
    where = (
        ("server", server),
        ("worker's health", worker),
        ("database", f"{store.version}, {store.source}"),
    )
    return (*where, ("measurements", metrics)) if metrics else where


def migrate_up_command(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Applies what is missing. Safe to run from several places at once.

    Example: [bold]maitred migrate up --database-url postgresql://maitred@db/maitred[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> None:
        from server.bootstrap import database, migrate_up

        async with database(settings, note) as store:
            await migrate_up(settings, store.url, note)

    drive(work())


def migrate_status_command(
    database_url: DatabaseUrl = None, data_dir: DataDir = None, output: Output = Format.TABLE
) -> None:
    """Lists every migration and whether it is applied.

    Example: [bold]maitred migrate status -o json[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> None:
        from server.bootstrap import migration_status, seen_database

        async with seen_database(settings) as store:
            rows = await migration_status(settings, store.url)
        if output is Format.TABLE:
            show(grid(("Migration", "State"), ((row.name, row.state) for row in rows)))
        else:
            write_json([asdict(row) for row in rows], output)

    drive(work())


def migrate_check_command(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Exits with 0 when the schema is that of this version and nobody changed a migration, with 7 otherwise.

    Example: [bold]maitred migrate check[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> tuple[str, ...]:
        from server.bootstrap import migration_check, seen_database

        async with seen_database(settings) as store:
            return tuple(problem.message for problem in await migration_check(settings, store.url))

    problems = drive(work())
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(ExitCode.NOT_READY)
    show("the schema is up to date")


def doctor(database_url: DatabaseUrl = None, data_dir: DataDir = None, output: Output = Format.TABLE) -> None:
    """Checks what runs: versions, database, the constraint that keeps tables apart, clocks, health.

    Exits with 7 when something is wrong; each finding says what to do. The server is looked for where MAITRED_HOST and
    MAITRED_PORT say.

    Example: [bold]maitred doctor[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> bool:
        from server.diagnosis import diagnose

        findings = await diagnose(settings)
        if output is Format.TABLE:
            marks = {True: Text("ok", style="green"), False: Text("wrong", style="bold red")}
            rows = (
                (marks[finding.ok], finding.name, _with_remedy(finding.detail, finding.remedy, ok=finding.ok))
                for finding in findings
            )
            show(grid(("", "Check", "Finding"), rows))
        else:
            write_json([asdict(finding) for finding in findings], output)
        return all(finding.ok for finding in findings)

    if not drive(work()):
        raise typer.Exit(ExitCode.NOT_READY)


def config(output: Output = Format.TABLE) -> None:
    """Shows every setting, where its value comes from, and the variable that sets it. Secrets are hidden.

    Example: [bold]MAITRED_PORT=7500 maitred config[/]
    """
    from server.config import describe

    views = describe(_settings())
    if output is Format.TABLE:
        show(grid(("Variable", "Value", "From", "Meaning"), map(_setting_row, views)))
        return
    write_json([asdict(view) for view in views], output)


def _setting_row(view: "SettingView") -> tuple[str, Text, str, str]:
    changed = "" if view.value == view.default else f" (default: {view.default})"
    return view.env, Text(view.value, style="bold"), view.source, view.description + changed


def _with_remedy(detail: str, remedy: str, *, ok: bool) -> str:
    return detail if ok or not remedy else f"{detail}\n→ {remedy}"


def _settings(**overrides: object) -> "Settings":
    from server.config import load_settings

    return load_settings(**overrides)
