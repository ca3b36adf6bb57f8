"""`torture`: load and faults together, and whether every promise was kept."""

import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.client_failures import clients_explained
from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive
from server.cli.options import CALLERS_MAX, CLIENT_PROCESSES_MAX, LINES_MAX, Output, option
from server.cli.output import Format, note, show, write_json
from server.cli.output_files import make_room, write

if TYPE_CHECKING:
    from server.torture.run import Plan
    from server.torture.schedule import Kind

MINUTES_DEFAULT = 2.0
# What a run has for each of its minutes, or for each so many operations, unless somebody says otherwise.
OPERATIONS_PER_MINUTE = 25_000
SERVER_KILLS, POSTGRES_KILLS, WORKER_KILLS, DISTURBANCES = 3, 1, 1, 8
# Of so many servers to kill one is the process that looks after the others, which die with it.
SERVERS_PER_SUPERVISOR = 5

FAULTS, LOAD = "Faults", "Load"

Minutes = Annotated[
    float | None, option("--minutes", LOAD, f"How long; {MINUTES_DEFAULT:g} if left out.", 0.05, 1_440.0)
]
Operations = Annotated[int | None, option("--operations", LOAD, "As many operations instead of a time.", 1)]
InFlight = Annotated[int, option("--in-flight", LOAD, "Callers at a time.", 1, CALLERS_MAX)]
ScenarioName = Annotated[
    str, option("--scenario", LOAD, "What is called: a packaged scenario, or a .toml file.")
]
Clients = Annotated[int, option("--clients", LOAD, "Client processes.", 1, CLIENT_PROCESSES_MAX)]
Lines = Annotated[int, option("--lines", LOAD, "Connections of each client process.", 1, LINES_MAX)]
CallTimeout = Annotated[
    float,
    option("--timeout", LOAD, "Seconds that a caller waits for an answer before it asks again.", 0.05, 60.0),
]
Processes = Annotated[int, option("--processes", None, "Server processes.", 1, 32)]
Workers = Annotated[
    int, option("--workers", None, "Workers; without any no event is delivered, and none is checked.", 0, 32)
]
Seed = Annotated[
    int | None, option("--seed", None, "Decides calls and faults; a new one, which is shown, if left out.", 0)
]
LostAnswers = Annotated[
    float,
    option(
        "--lost-answers",
        FAULTS,
        "Share of the answers that are lost after the server has given them.",
        0.0,
        0.9,
    ),
]
History = Annotated[
    Path | None,
    option(
        "--history",
        None,
        "Keep the history of all calls in this folder. Without it one of a broken promise alone is kept.",
        file_okay=False,
    ),
]
Report = Annotated[
    Path | None, option("--report", None, "Write a page with a picture of the run.", dir_okay=False)
]


def _faults(name: str, help_text: str) -> typer.models.OptionInfo:
    return option(name, FAULTS, help_text, 0, 100_000)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The faults that were asked for; None means as many as the length of the run has by default."""

    servers: int | None
    postgres: int | None
    workers: int | None
    disturbances: int | None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(app, torture, panel="Check")


def torture(
    minutes: Minutes = None,
    operations: Operations = None,
    in_flight: InFlight = 1_000,
    scenario: ScenarioName = "torture",
    clients: Clients = 2,
    lines: Lines = 8,
    timeout: CallTimeout = 10.0,
    processes: Processes = 2,
    workers: Workers = 1,
    seed: Seed = None,
    lost_answers: LostAnswers = 1 / 3,
    kills_of_servers: Annotated[
        int | None, _faults("--kills-of-servers", "kill -9 of server processes.")
    ] = None,
    kills_of_postgres: Annotated[int | None, _faults("--kills-of-postgres", "kill -9 of PostgreSQL.")] = None,
    kills_of_workers: Annotated[int | None, _faults("--kills-of-workers", "kill -9 of workers.")] = None,
    disturbances: Annotated[
        int | None,
        _faults("--disturbances", "Pauses, cut and stalled connections, locks, clock jumps."),
    ] = None,
    history: History = None,
    report: Report = None,
    output: Output = Format.TABLE,
) -> None:
    """Kills, pauses, cuts off and starves a service under load, and looks whether it kept every promise.

    Starts everything from nothing: a durable PostgreSQL, servers, workers, clients, and connections between them that
    can be cut. A seed decides which faults come and when. Afterwards the history of all calls, the rows, the delivered
    events and what watchers saw are checked. Exits with 7 when a promise was broken.

    Example: [bold]maitred torture --minutes 2 --seed 7[/]
    """
    if minutes is not None and operations is not None:
        raise typer.BadParameter("either a time or a number of operations", param_hint="--operations")
    if in_flight < clients:
        raise typer.BadParameter(f"{clients} client processes need a caller each", param_hint="--in-flight")
    if kills_of_workers and not workers:
        raise typer.BadParameter("goes with --workers above 0", param_hint="--kills-of-workers")
    from loadgen.scenario import ScenarioError, load_scenario
    from server.torture.load import Burden
    from server.torture.run import Plan

    try:
        chosen = load_scenario(scenario)
    except ScenarioError as error:
        raise CommandFailure(ExitCode.BAD_FILE, str(error)) from None
    if chosen.bookings.count < clients:
        problem = f"{chosen.bookings.count} bookings are too few for {clients} client processes"
        raise typer.BadParameter(problem, param_hint="--clients")
    duration_s = None if operations is not None else (minutes or MINUTES_DEFAULT) * 60
    length = (duration_s or 0.0) / 60 + (operations or 0) / OPERATIONS_PER_MINUTE
    wanted = Wanted(kills_of_servers, kills_of_postgres, kills_of_workers, disturbances)
    plan = Plan(
        seed=random.randrange(10**6) if seed is None else seed,
        burden=Burden(chosen, in_flight, clients, lines, timeout, duration_s, operations),
        servers=processes,
        workers=workers,
        kills=_kills(wanted, length, processes, workers),
        disturbances=_number(wanted.disturbances, DISTURBANCES * length),
        lost=lost_answers,
    )
    _run(plan, scenario, history, report, output)


def _kills(wanted: Wanted, length: float, processes: int, workers: int) -> "dict[Kind, int]":
    from server.torture.schedule import Kind

    servers = _number(wanted.servers, SERVER_KILLS * length)
    supervisors = servers // SERVERS_PER_SUPERVISOR if processes > 1 else 0
    return {
        Kind.KILL_SERVER: servers - supervisors,
        Kind.KILL_SUPERVISOR: supervisors,
        Kind.KILL_POSTGRES: _number(wanted.postgres, POSTGRES_KILLS * length),
        Kind.KILL_WORKER: _number(wanted.workers, WORKER_KILLS * length) if workers else 0,
    }


def _number(given: int | None, default: float) -> int:
    return max(1, round(default)) if given is None else given


def _run(plan: "Plan", scenario: str, history: Path | None, report: Path | None, output: Format) -> None:
    from server.bootstrap import StartError
    from server.cli.torture_view import outcome_json, outcome_parts, repeat
    from server.torture.run import torture as run_torture

    if history is not None and any(history.glob("client-*.jsonl")):
        raise typer.BadParameter(f"{history} has a history already", param_hint="--history")
    make_room(report, history and history / "client-0.jsonl")
    folder = history or Path(tempfile.mkdtemp(prefix="maitred-history-"))
    note(f"to repeat it: {repeat(plan, scenario)}")
    try:
        with clients_explained():
            outcome = drive(run_torture(plan, folder, note))
    except (KeyboardInterrupt, StartError, CommandFailure):
        # What came to no verdict is of no use to anybody.
        if history is None:
            shutil.rmtree(folder)
        raise
    except Exception:
        note(f"the history is in {folder}")
        raise
    result = outcome_json(plan, scenario, outcome)
    if output is Format.TABLE:
        show(*outcome_parts(result))
    else:
        write_json(result, output)
    if outcome.kept and history is None:
        shutil.rmtree(folder)
    else:
        note(f"the history is in {folder}")
    if report is not None:
        from server.torture.page import page

        write(report, page(result))
    if not outcome.kept:
        raise typer.Exit(ExitCode.NOT_READY)
