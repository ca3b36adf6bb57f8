"""`dev`, `migrate`, `doctor` and `config`: running the service and looking at what runs."""

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from maitred_client import AsyncMaitredClient, timestamp
from maitred_client.messages import PartyRequest, PutBookingRequest
from server.cli.embedded_server import SAMPLE_FILE
from server.cli.failures import ExitCode
from server.cli.help_text import add_command
from server.cli.instants import parse_start
from server.cli.looking_up import drive
from server.cli.options import ADDRESS_DEFAULT, SAMPLE_TENANT, Connection, Output
from server.cli.output import Format, facts, grid, note, show, typed, write_json
from server.cli.replay import load_restaurant
from server.cli.service_day import ServiceDay
from server.cli.service_day_file import read_service_days
from server.cli.service_day_messages import stable_id

if TYPE_CHECKING:
    from server.bootstrap import Database
    from server.config import Settings, SettingView

SERVER = "Server"
TRY_PARTY = 4
TRY_START = "20:00"

Host = Annotated[
    str | None,
    typer.Option(
        "--host", envvar="MAITRED_HOST", help="Where to listen; loopback by default.", rich_help_panel=SERVER
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", envvar="MAITRED_PORT", min=0, max=65535, help="0 takes a free one.", rich_help_panel=SERVER
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="MAITRED_DATABASE_URL",
        help="PostgreSQL to use; without it one is started from the data folder.",
        rich_help_panel=SERVER,
        show_envvar=True,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="MAITRED_DATA_DIR",
        help="Where the embedded PostgreSQL keeps its data.",
        file_okay=False,
        rich_help_panel=SERVER,
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", envvar="MAITRED_LOG_LEVEL", help="How much to log.", rich_help_panel=SERVER),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        envvar="MAITRED_METRICS_PORT",
        min=0,
        max=65535,
        help="Show measurements there, at /metrics; 0 takes a free port.",
        rich_help_panel=SERVER,
    ),
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
    quiet = None if "MAITRED_LOG_LEVEL" in os.environ else "warning"
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
        from server.measuring import show_measurements

        metrics = show_measurements(settings.metrics_port)
        async with (
            database(settings, note) as store,
            working(settings, store.url) as busy,
            serving(settings, store.url) as server,
        ):
            (day,) = read_service_days(SAMPLE_FILE)
            async with Connection(server.address, actor="maitred-dev").open() as client:
                booking = await _load_sample(client, day)
            show(Text("maitred is up. Ctrl-C stops it.", style="bold green"))
            show(facts(_running(server.address, busy.address, store, metrics)))
            show("", *_calls_to_try(server.address, day, booking))
            await server.wait()
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


async def _load_sample(client: AsyncMaitredClient, day: ServiceDay) -> str:
    """Puts the sample restaurant and one more booking for its next dinner; returns the booking's id."""
    restaurant_id = stable_id(day, "restaurant", "dev")
    await load_restaurant(client, day, restaurant_id)
    # A new one at every start: the one of last time may have its tables by now.
    booking_id = str(uuid4())
    await client.put_booking(
        PutBookingRequest(
            restaurant_id=restaurant_id,
            booking_id=booking_id,
            party=PartyRequest(party_size=TRY_PARTY, start=timestamp(_next_dinner(day))),
            reference="try me",
        )
    )
    return booking_id


def _next_dinner(day: ServiceDay) -> dt.datetime:
    return parse_start(TRY_START, ZoneInfo(day.timezone), dt.datetime.now(dt.UTC))


def _calls_to_try(address: str, day: ServiceDay, booking: str) -> tuple[Text, ...]:
    restaurant_id = stable_id(day, "restaurant", "dev")
    start = _next_dinner(day).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f'{{"restaurant_id":"{restaurant_id}","party":{{"party_size":{TRY_PARTY},"start":"{start}"}}}}'
    header = f"x-maitred-tenant: {SAMPLE_TENANT}"
    method = "maitred.v1.PlannerService/PlanTables"
    where = "" if address == ADDRESS_DEFAULT else f" --address {address}"
    lines = (
        ("bold", "Three calls to try, in another terminal"),
        ("dim", "# plan with the command line"),
        ("", f"{typed('maitred')} plan{where} --party {TRY_PARTY} --start {TRY_START} --prefer window"),
        ("dim", "# the same with buf, which learns the contract from the server"),
        ("", f"{typed('buf')} curl --protocol grpc --http2-prior-knowledge -H '{header}' \\"),
        ("", f"  -d '{body}' \\"),
        ("", f"  http://{address}/{method}"),
        ("dim", "# the same with grpcurl"),
        ("", f"grpcurl -plaintext -H '{header}' \\"),
        ("", f"  -d '{body}' \\"),
        ("", f"  {address} {method}"),
        ("bold", "Then hold tables for a booking that waits for them"),
        ("", f"{typed('maitred')} hold{where} --best --booking {booking}"),
    )
    return tuple(Text(text, style=style) for style, text in lines)


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
        from server.bootstrap import database, migration_status

        async with database(settings, note) as store:
            rows = await migration_status(settings, store.url)
        if output is Format.TABLE:
            show(grid(("Migration", "State"), ((row.name, row.state) for row in rows)))
        else:
            write_json([{"name": row.name, "state": row.state} for row in rows], output)

    drive(work())


def migrate_check_command(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Exits with 0 when the schema is that of this version and nobody changed a migration, with 7 otherwise.

    Example: [bold]maitred migrate check && maitred serve[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> tuple[str, ...]:
        from server.bootstrap import database, migration_check

        async with database(settings, note) as store:
            return tuple(await migration_check(settings, store.url))

    problems = drive(work())
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(ExitCode.NOT_READY)
    show("the schema is up to date")


def doctor(database_url: DatabaseUrl = None, data_dir: DataDir = None, output: Output = Format.TABLE) -> None:
    """Checks what runs: versions, database, the constraint that keeps tables apart, clocks, health.

    Exits with 7 when something is wrong; each finding says what to do.

    Example: [bold]maitred doctor[/]
    """
    settings = _settings(database_url=database_url, data_dir=data_dir)

    async def work() -> bool:
        from server.bootstrap import diagnose

        findings = await diagnose(settings)
        if output is Format.TABLE:
            marks = {True: Text("ok", style="green"), False: Text("wrong", style="bold red")}
            rows = (
                (marks[finding.ok], finding.name, _with_remedy(finding.detail, finding.remedy, ok=finding.ok))
                for finding in findings
            )
            show(grid(("", "Check", "Finding"), rows))
        else:
            write_json(
                [
                    {"name": item.name, "ok": item.ok, "detail": item.detail, "remedy": item.remedy}
                    for item in findings
                ],
                output,
            )
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
    write_json(
        [
            {
                "name": view.name,
                "value": view.value,
                "source": _source(view.env),
                "default": view.default,
                "env": view.env,
                "description": view.description,
            }
            for view in views
        ],
        output,
    )


def _setting_row(view: "SettingView") -> tuple[str, Text, str, str]:
    changed = "" if view.value == view.default else f" (default: {view.default})"
    return view.env, Text(view.value, style="bold"), _source(view.env), view.description + changed


def _source(variable: str) -> str:
    return "environment" if variable in os.environ else "default"


def _with_remedy(detail: str, remedy: str, *, ok: bool) -> str:
    return detail if ok or not remedy else f"{detail}\n→ {remedy}"


def _settings(**overrides: object) -> "Settings":
    from server.config import load_settings

    return load_settings(**overrides)
