"""Measures the planner on simulated evenings, with a progress bar while it runs."""

from time import perf_counter

from server.cli.bench_commands import LARGE_SEEDS_MAX, LARGE_TABLES
from server.cli.failures import CommandFailure, ExitCode
from server.cli.output import progress_bar
from server.simulation.comparison import SOLVER_SECONDS_MAX, TARGETS, Case, Outcome, compare
from server.simulation.solver import SolverMissing

# Enough for rooms of 40 tables; of larger ones upper bounds are left.
QUICK_SOLVER_SECONDS_MAX = 1.0
QUICK_SEEDS_MAX = 2


def measured(tables: list[int] | None, loads: list[int] | None, seeds: int, *, quick: bool) -> list[Outcome]:
    """An outcome per case; without tables and loads, of all cases that have a target. Raises `CommandFailure`."""
    cases = _cases(tables, loads, quick=quick)
    counts = [_seeds(case, min(seeds, QUICK_SEEDS_MAX) if quick else seeds) for case in cases]
    return _measure(cases, counts, QUICK_SOLVER_SECONDS_MAX if quick else SOLVER_SECONDS_MAX)


def _cases(tables: list[int] | None, loads: list[int] | None, *, quick: bool) -> list[Case]:
    if not tables and not loads:
        return [Case(*key) for key in TARGETS if not quick or key[0] < LARGE_TABLES]
    rooms = tables or sorted({size for size, _ in TARGETS})
    return [Case(size, load) for size in rooms for load in loads or [100]]


def _seeds(case: Case, seeds: int) -> int:
    return min(seeds, LARGE_SEEDS_MAX) if case.tables >= LARGE_TABLES else seeds


def _measure(cases: list[Case], counts: list[int], solver_seconds_max: float) -> list[Outcome]:
    with progress_bar() as progress:
        task = progress.add_task("evenings", total=sum(counts))
        try:
            return [
                compare(
                    case,
                    range(1, count + 1),
                    perf_counter,
                    lambda: progress.advance(task),
                    solver_seconds_max,
                )
                for case, count in zip(cases, counts, strict=True)
            ]
        except SolverMissing as missing:
            raise CommandFailure(
                ExitCode.NOT_READY, str(missing), "Install it beside maitred: pip install 'highspy<1.16'"
            ) from None
