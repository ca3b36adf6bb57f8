"""`bench` without a subcommand: the main run, kept as files."""

import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.bench.sizes import MAIN_FULL, MAIN_QUICK, MainSizes
from server.cli.bench_history import file_of, history_folder, save_run
from server.cli.bench_running import SIZES, Quick, Repeats
from server.cli.failures import CommandFailure, ExitCode
from server.cli.looking_up import drive
from server.cli.options import (
    CALLERS_MAX,
    CLIENT_PROCESSES_MAX,
    SERVER_PROCESSES_MAX,
    Output,
    is_typed,
    option,
)
from server.cli.output import Format, note, results, show, write_json
from server.cli.output_files import make_room, write

if TYPE_CHECKING:
    from server.bench.figures import Findings, Target
    from server.bench.profile import Profile

# Below that the explanations would be columns of single words.
EXPLAINED_WIDTH = 120

History = Annotated[
    Path | None,
    option(
        "--history",
        None,
        "Folder that runs are kept in; without it maitred/bench among your state (XDG_STATE_HOME).",
        variable="RUNS",
        file_okay=False,
    ),
]


Only = Annotated[str | None, option("--only", None, "Figures or curves by name, with commas between.")]
Scale = Annotated[
    float, option("--scale", SIZES, "Calls per repeat, as a multiple of the usual number.", 0.001, 100)
]
Callers = Annotated[int | None, option("--callers", SIZES, "Calls in flight.", 1, CALLERS_MAX)]
ClientCount = Annotated[
    int | None, option("--clients", SIZES, "Client processes, of both sides.", 1, CLIENT_PROCESSES_MAX)
]
ProcessCount = Annotated[
    int, option("--processes", SIZES, "Processes of the server.", 1, SERVER_PROCESSES_MAX)
]
Profiled = Annotated[
    bool, option("--profile", None, "Tell where the time of a server goes, too: of one process.")
]


def main_run(
    context: typer.Context,
    quick: Quick = False,
    only: Only = None,
    repeats: Repeats = None,
    scale: Scale = 1.0,
    callers: Callers = None,
    clients: ClientCount = None,
    processes: ProcessCount = 1,
    profile: Profiled = False,
    history: History = None,
    output: Output = Format.TABLE,
) -> None:
    """Measures maitred against stated targets: alone, everything that has to be fast; with a subcommand, one part.

    Starts a durable PostgreSQL, servers and client processes from nothing and leaves nothing behind but the run's
    files: JSON, and a page with plots. What is divided by what takes turns within each repeat, so only ratios count.
    The whole run takes about twenty minutes; the machine should have nothing else to do. --quick draws fewer curves,
    has fewer live claims, leaves out overload and the second process, and says so.

    Example: [bold]maitred bench --only hold_vs_raw_sql,hold_vs_empty_rpc --profile[/]
    """
    if context.invoked_subcommand is not None:
        _require_nothing_typed(context)
        return
    if profile and processes > 1:
        raise typer.BadParameter("--profile looks at a single process", param_hint="--processes")
    sizes = _sizes(MAIN_QUICK if quick else MAIN_FULL, repeats, scale, callers, clients)
    sizes = replace(sizes, processes=processes)
    wanted, began = _figures_of(sizes, only), datetime.now(UTC)
    folder = history_folder(history)
    make_room(folder / "run.json")
    findings, made_with, looked = _measure(sizes, wanted, profile=profile)
    run = _run_of(findings, made_with, looked, sizes, wanted) | {
        "began_at": began.isoformat(timespec="seconds")
    }
    path = file_of(folder, run, began)
    if output is Format.TABLE:
        _show(findings, looked)
    else:
        write_json({**run, "file": str(path)}, output)
    _keep(run, path)
    if run["left_out"]:
        note(f"left out: {', '.join(run['left_out'])}")
    note(f"kept as {path}, with plots in {path.with_suffix('.html').name}")
    if run["missing"]:
        raise CommandFailure(ExitCode.NOT_READY, f"not measured: {', '.join(run['missing'])}")


def _require_nothing_typed(context: typer.Context) -> None:
    """Refuses what stands between `bench` and a subcommand, which has options of its own."""
    for name in context.params:
        if is_typed(context, name):
            problem = f"goes with the whole run; what {context.invoked_subcommand} is told comes after it"
            raise typer.BadParameter(problem, param_hint=f"--{name}")


def _figures_of(sizes: MainSizes, only: str | None) -> frozenset[str]:
    """What was asked for, which these sizes have to leave room for, or everything."""
    from server.bench.main_run import left_out

    wanted = chosen_figures(only)
    if only is not None and (missing := wanted & {*left_out(sizes)}):
        raise typer.BadParameter(f"--quick leaves out {', '.join(sorted(missing))}", param_hint="--only")
    return wanted


def _run_of(
    findings: "Findings",
    made_with: dict[str, object],
    looked: "Profile | None",
    sizes: MainSizes,
    wanted: frozenset[str],
) -> dict[str, Any]:
    """Everything that is known of the run."""
    from server.bench.main_run import left_out
    from server.cli.bench_view import findings_json, profile_json

    return {
        **findings_json(findings, _targets(findings), _told(sizes), made_with),
        "left_out": sorted(wanted & set(left_out(sizes))),
        **({"profile": profile_json(looked)} if looked else {}),
    }


def _targets(findings: "Findings") -> "dict[str, Target]":
    from server.bench.main_run import TARGETS

    return {figure.key: TARGETS[figure.key] for figure in findings.figures if figure.key in TARGETS}


def _keep(run: dict[str, Any], path: Path) -> None:
    from server.cli.bench_page import page

    save_run(path, run)
    write(path.with_suffix(".html"), page(run))


def _show(findings: "Findings", looked: "Profile | None") -> None:
    from server.cli.bench_view import findings_table, profile_tables

    explained = results().width >= EXPLAINED_WIDTH
    show(findings_table(findings, _targets(findings), explained=explained))
    if looked:
        show("", *profile_tables(looked))


def _measure(
    sizes: MainSizes, wanted: frozenset[str], *, profile: bool
) -> "tuple[Findings, dict[str, object], Profile | None]":
    from server.bench.ground import conditions, own_ground
    from server.bench.main_run import measure_main
    from server.bench.profile import read_profile

    async def work() -> "tuple[Findings, dict[str, object]]":
        async with own_ground(note) as ground:
            return await measure_main(ground, sizes, wanted, noted), conditions(ground)

    with tempfile.TemporaryDirectory(prefix="maitred-") as folder:
        noted = Path(folder) / "profile.json" if profile else None
        findings, made_with = drive(work())
        return findings, made_with, read_profile(noted) if noted else None


def chosen_figures(only: str | None) -> frozenset[str]:
    """What was asked for, or everything. Raises `typer.BadParameter` naming what there is not."""
    from server.bench.main_run import NAMES

    if only is None:
        return NAMES
    names = frozenset(name.strip() for name in only.split(",") if name.strip())
    unknown = sorted(names - NAMES)
    if unknown or not names:
        known = ", ".join(sorted(NAMES))
        raise typer.BadParameter(
            f"no such figure: {', '.join(unknown) or 'none'}; there are: {known}", param_hint="--only"
        )
    return names


def _sizes(
    sizes: MainSizes, repeats: int | None, scale: float, callers: int | None, clients: int | None
) -> MainSizes:
    counts = ("holds", "pairs", "plans", "calls", "lone", "crowd_holds", "searches", "questions")
    scaled = replace(sizes, **{name: max(2, round(getattr(sizes, name) * scale)) for name in counts})
    return replace(
        scaled,
        repeats=repeats or sizes.repeats,
        curve_repeats=min(repeats or sizes.curve_repeats, sizes.curve_repeats),
        callers=callers or sizes.callers,
        clients=clients or sizes.clients,
    )


def _told(sizes: MainSizes) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(sizes).items()}
