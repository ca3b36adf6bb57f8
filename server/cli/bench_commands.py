"""`bench`: measurements that anybody can repeat."""

from typing import Annotated

import typer

from server.cli import bench_comparing, bench_main, bench_running
from server.cli.commands import add_command, unwrapped
from server.cli.options import Output, option
from server.cli.output import Format, show, write_json

SEEDS_DEFAULT = 10
# The room of 400 tables takes most of the time, and its evenings differ little.
LARGE_TABLES, LARGE_SEEDS_MAX = 400, 3

bench = typer.Typer(invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    bench.callback(help=unwrapped(bench_main.main_run.__doc__ or ""))(bench_main.main_run)
    add_command(bench, bench_comparing.compare)
    add_command(bench, bench_comparing.markdown)
    add_command(bench, planner)
    add_command(bench, bench_running.outbox)
    add_command(bench, bench_running.plans)
    app.add_typer(bench, name="bench", rich_help_panel="Check")


def planner(
    seeds: Annotated[
        int,
        option(
            "--seeds",
            None,
            f"Evenings per case, seeds from 1; at most {LARGE_SEEDS_MAX} from {LARGE_TABLES} tables up.",
            1,
            1000,
        ),
    ] = SEEDS_DEFAULT,
    tables: Annotated[
        list[int] | None,
        option(
            "--tables", None, "Tables of the room; repeat it for several rooms.", 2, 400, variable="ROOMS"
        ),
    ] = None,
    loads: Annotated[
        list[int] | None,
        option(
            "--loads",
            None,
            "Guests who ask, in percent of what the room can take; repeat it for several loads.",
            10,
            300,
        ),
    ] = None,
    quick: Annotated[
        bool,
        option(
            "--quick",
            None,
            "At most two evenings per case, no room of 400 tables, and little time for proofs: under a minute.",
        ),
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """How many guests the planner seats on simulated evenings, beside the most that perfect foresight could seat.

    Requests come one by one; each takes the first choice of a rule and keeps it, and nobody is declined whom a table
    would fit. Every rule has the same evenings. Without --tables and --loads, all cases that have a target are
    measured, in about a quarter of an hour. Where the best seating cannot be proven in time, an upper bound stands
    for it, so ratios are too low rather than too high. The last line of a case is what would be seated if everybody
    could be moved whenever somebody asks. Needs the package highspy.

    Example: [bold]maitred bench planner --tables 120 --loads 100 --seeds 3[/]
    """
    from server.cli.bench_evenings import measured
    from server.cli.bench_result import outcome_json, outcome_table

    outcomes = measured(tables, loads, seeds, quick=quick)
    if output is Format.TABLE:
        show(outcome_table(outcomes))
    else:
        write_json([outcome_json(outcome) for outcome in outcomes], output)
