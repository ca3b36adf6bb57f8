"""`load`: making load on a server as a scenario says."""

import asyncio
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from server.cli.client_failures import clients_explained
from server.cli.commands import add_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive
from server.cli.options import (
    CLIENT_PROCESSES_MAX,
    LINES_MAX,
    SERVER_PROCESSES_MAX,
    Output,
    an_address,
    is_typed,
    option,
)
from server.cli.output import Format, note, show, write_json
from server.cli.output_files import make_room, write

if TYPE_CHECKING:
    from loadgen.checking.report import Report as Checked
    from loadgen.counters import Comparison, Counts
    from loadgen.driving import Tally
    from loadgen.running import LoadPlan, LoadResult, LoadRun
    from server.bench.loaded import Loaded

SERVER, LOAD, RESULT = "Server", "Load", "Result"
TARGET_OR_START = "--target and --start are one or the other"
CHECK_TARGET = "Check --target."


def register(app: typer.Typer) -> None:
    """Adds the command of this file."""
    add_command(app, load, panel="Check")


Scenario = Annotated[
    str, option("--scenario", LOAD, "Name of a packaged scenario, or path of a .toml file: docs/load.md.")
]
Target = Annotated[
    str | None,
    option("--target", SERVER, "host:port of a running server; without it one is started.", check=an_address),
]
Start = Annotated[
    bool,
    option(
        "--start",
        SERVER,
        "Start PostgreSQL and a server for this load, and end them after it.",
        variable="START_SERVER",
    ),
]
Servers = Annotated[
    int, option("--servers", SERVER, "Processes of the server that is started.", 1, SERVER_PROCESSES_MAX)
]
Metrics = Annotated[
    list[str] | None,
    option(
        "--metrics",
        SERVER,
        "Where --target shows its counts, such as http://127.0.0.1:9464/metrics, to compare them; repeat it.",
    ),
]
Operations = Annotated[int | None, option("--operations", LOAD, "Begin no more than so many.", 1)]
Duration = Annotated[
    float | None, option("--duration", LOAD, "Begin nothing after so many seconds.", 0.1, 86_400.0)
]
InFlight = Annotated[
    int | None,
    option("--in-flight", LOAD, "Callers who wait for their answers; with --rate, the most under way.", 1),
]
Rate = Annotated[
    float | None,
    option(
        "--rate", LOAD, "Begin so many operations a second, whether or not others are over.", 0.1, 1_000_000.0
    ),
]
Steady = Annotated[bool, option("--steady", LOAD, "With --rate: at equal distances, not at random.")]
Processes = Annotated[int, option("--processes", LOAD, "Client processes.", 1, CLIENT_PROCESSES_MAX)]
Lines = Annotated[int, option("--lines", LOAD, "Connections of each client process.", 1, LINES_MAX)]
Seed = Annotated[str | None, option("--seed", LOAD, "What all choices come from; one is made and told.")]
AnswerWithin = Annotated[float, option("--answer-within", LOAD, "Seconds to wait for one call.", 0.01, 600.0)]
History = Annotated[
    Path | None,
    option("--history", RESULT, "Write every call down in this folder, and check them afterwards."),
]
Check = Annotated[bool, option("--check", RESULT, "Check the calls without keeping them.")]
ReportFile = Annotated[Path | None, option("--report", RESULT, "Write a page with plots to this HTML file.")]


def load(
    context: typer.Context,
    scenario: Scenario = "mixed",
    target: Target = None,
    start: Start = False,
    servers: Servers = 1,
    metrics: Metrics = None,
    operations: Operations = None,
    duration: Duration = None,
    in_flight: InFlight = None,
    rate: Rate = None,
    steady: Steady = False,
    processes: Processes = 2,
    lines: Lines = 2,
    seed: Seed = None,
    answer_within: AnswerWithin = 10.0,
    history: History = None,
    check: Check = False,
    report: ReportFile = None,
    output: Output = Format.TABLE,
) -> None:
    """Makes load on a server, tells how it did, and looks for answers that cannot be true.

    Several client processes call the server as a scenario says. Each run puts up restaurants and bookings of its own,
    as a tenant of its own. Ctrl-C ends a run in good order, with the report so far. Exits with 7 when a repeated call
    got another answer, when server and callers counted differently, or when the history could not have happened.

    Example: [bold]maitred load --scenario hot_set --operations 5000 --check[/]
    """
    _require_one_server(context, target, start=start)
    if rate is None and is_typed(context, "steady"):
        raise typer.BadParameter("goes with --rate", param_hint="--steady")
    from server.bench.loaded import Loaded

    given: dict[str, Any] = {
        "processes": processes,
        "lines": lines,
        "seed": seed or str(secrets.randbelow(10**8)),
        "in_flight": in_flight,
        "per_s": rate,
        "steady": steady,
        "operations": operations,
        "duration_s": duration,
        "timeout_s": answer_within,
    }
    with tempfile.TemporaryDirectory(prefix="maitred-load-", ignore_cleanup_errors=True) as folder:
        given["history"] = history or (Path(folder) if check else None)
        plan = _plan(scenario, target or "", given)
        make_room(report, history and history / "client-0.jsonl")
        server = servers if target is None else Loaded(target, tuple(metrics or ()))
        found, tally, uncounted = drive(_work(plan, server))
    _tell(found, tally, report, output)
    if uncounted is not None:
        raise uncounted


def _require_one_server(context: typer.Context, target: str | None, *, start: bool) -> None:
    """Refuses what is said of a server that another option rules out."""
    if target is None:
        if is_typed(context, "metrics"):
            raise typer.BadParameter("goes with --target", param_hint="--metrics")
        return
    if start:
        raise typer.BadParameter(TARGET_OR_START, param_hint="--start")
    if is_typed(context, "servers"):
        raise typer.BadParameter("goes without --target", param_hint="--servers")


async def _work(
    plan: "LoadPlan", server: "Loaded | int"
) -> "tuple[dict[str, Any], Tally, CommandFailure | None]":
    """What is to be told, and why the server's counts are not in it where they should be. `server` is one that runs, or
    the number of processes of one that is to be started.
    """
    from loadgen.report import report_of
    from loadgen.running import LoadRun
    from server.bench.loaded import loaded_server

    async with AsyncExitStack() as stack:
        if isinstance(server, int):
            server = await stack.enter_async_context(loaded_server(note, server))
        else:
            # Before anything is put up: whether they can be read at all.
            await _counts(server)
        plan = replace(plan, target=server.address)
        note(f"seed {plan.seed}, run {plan.run_id}")
        run = await stack.enter_async_context(LoadRun(plan))
        await _prepare(run)
        before = await _counts(server)
        result = await _drive(run, plan)
        tally = result.found.tally
        comparison, uncounted = await compared(tally, before, server)
        return report_of(result, comparison, await _checked(run, plan, server)), tally, uncounted


async def compared(
    tally: "Tally", before: "Counts", server: "Loaded"
) -> "tuple[Comparison | None, CommandFailure | None]":
    """What callers and server counted, or why that of a server cannot be read any more: what the load found is told all
    the same.
    """
    from loadgen.counters import compare_settled

    if not server.metrics_urls:
        return None, None
    try:
        return await compare_settled(tally.replies, before, partial(_counts, server)), None
    except CommandFailure as unread:
        problem = f"the load could not be compared with the server's counts: {unread.problem}"
        return None, CommandFailure(unread.code, problem, "It may have ended meanwhile: look at its log.")


async def _counts(server: "Loaded") -> "Counts":
    from loadgen.counters import NotReadError, read_counts

    try:
        return await read_counts(server.metrics_urls)
    except NotReadError as problem:
        raise CommandFailure(ExitCode.UNREACHABLE, str(problem), "Check --metrics.") from None


async def _checked(run: "LoadRun", plan: "LoadPlan", server: "Loaded") -> "Checked | None":
    if plan.history is None:
        return None
    from loadgen.checking.check import check_history

    note("checking the history …")
    restaurants = range(plan.scenario.floors.restaurants)
    state = await server.state(UUID(run.place.restaurant_id(number)) for number in restaurants)
    return check_history(plan.history, state)


def _plan(scenario: str, target: str, given: dict[str, Any]) -> "LoadPlan":
    from loadgen.running import LoadPlan
    from loadgen.scenario import ScenarioError, load_scenario

    try:
        chosen = load_scenario(scenario)
    except ScenarioError as error:
        for problem in error.problems:
            note(f"  {problem}")
        raise CommandFailure(ExitCode.BAD_FILE, f"the scenario {error.source} is wrong") from None
    driving = chosen.driving
    if given["operations"] is None and given["duration_s"] is None:
        given["operations"] = driving.operations
    if given["in_flight"] is None:
        # An open loop is not to be closed by a limit that was meant for callers who wait.
        given["in_flight"] = driving.in_flight if given["per_s"] is None else 10 * driving.in_flight
    try:
        return LoadPlan(chosen, target, **given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _prepare(run: "LoadRun") -> None:
    from server.cli.load_progress import PreparingProgress

    with clients_explained(CHECK_TARGET), PreparingProgress() as progress:
        await run.prepare(progress.told)


async def _drive(run: "LoadRun", plan: "LoadPlan") -> "LoadResult":
    from server.cli.load_progress import DrivingProgress

    async with _ended_by_ctrl_c(run):
        with clients_explained(CHECK_TARGET), DrivingProgress(plan) as progress:
            return await run.drive(progress.told)


@asynccontextmanager
async def _ended_by_ctrl_c(run: "LoadRun") -> AsyncIterator[None]:
    """The first Ctrl-C lets the load end in good order, the second ends it at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = 0

    def interrupted() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            note("ending; Ctrl-C again ends at once")
            run.stop()
        elif task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    except asyncio.CancelledError:
        if asked > 1:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _tell(found: dict[str, Any], tally: "Tally", page: Path | None, output: Format) -> None:
    from loadgen.report import is_sound
    from server.cli.load_view import load_tables

    if output is Format.TABLE:
        show(*load_tables(found))
    else:
        write_json(found, output)
    if page is not None:
        from loadgen.page import page_of

        write(page, page_of(found, tally))
    if not is_sound(found):
        raise typer.Exit(ExitCode.NOT_READY)
