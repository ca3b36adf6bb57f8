"""What a measurement of the planner found, for people and for programs."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from server.cli.output import grid
from server.simulation.comparison import Outcome
from server.simulation.evenings import VERSION
from server.simulation.seating import RULES

DEFAULT = "default"


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """For each case a line for the most there could be, one for each rule, and one for moving everybody at will.

    Ratios are medians, with the least and the greatest beside them; milliseconds are the median of one plan.
    """
    return grid(
        ("Tables>", "Load>", "Seats guests by", "Covers>", "Ratio>", "Least>", "Most>", "Target>", "ms>"),
        (line for outcome in outcomes for line in _lines(outcome)),
        kept=9,
    )


def _lines(outcome: Outcome) -> Iterator[tuple[object, ...]]:
    case, runs = outcome.case, outcome.runs
    best = median(run.optimum.bound for run in runs)
    yield case.tables, f"{case.load_percent}%", _foresight(outcome), f"{best:.0f}", "1.000", "", "", "", ""
    for rule in RULES:
        target = "" if outcome.target is None or rule != DEFAULT else f"{outcome.target:.3f}"
        seated = _seated([run.seatings[rule].covers for run in runs], outcome.ratios(rule))
        yield "", "", rule.replace("_", " "), *seated, target, f"{outcome.plan_ms(rule):.2f}"
    moved = _seated([run.reseated for run in runs], outcome.ratios_reseated())
    yield "", "", "moving everybody", *moved, "", ""


def _seated(covers: list[int], ratios: list[float]) -> tuple[str, ...]:
    return f"{median(covers):.0f}", f"{median(ratios):.3f}", f"{ratios[0]:.3f}", f"{ratios[-1]:.3f}"


def _foresight(outcome: Outcome) -> str:
    """Says whether it is what could be done, or on how many evenings only an upper bound of that is known."""
    evenings = len(outcome.runs)
    return "foresight" if outcome.proven == evenings else f"bound, {outcome.proven}/{evenings} proven"


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The figures of a case under stable names, for programs."""
    return {
        "version": VERSION,
        "tables": outcome.case.tables,
        "load_percent": outcome.case.load_percent,
        "seeds": [run.seed for run in outcome.runs],
        "covers_asked": [run.asked for run in outcome.runs],
        "covers_optimum": [run.optimum.bound for run in outcome.runs],
        "optimum_exact": [run.optimum.exact for run in outcome.runs],
        "covers_reseated": [run.reseated for run in outcome.runs],
        "target": outcome.target,
        "rules": {
            rule: {
                "covers": [run.seatings[rule].covers for run in outcome.runs],
                "ratio_median": round(median(outcome.ratios(rule)), 4),
                "ratio_min": round(outcome.ratios(rule)[0], 4),
                "ratio_max": round(outcome.ratios(rule)[-1], 4),
                "plan_ms_median": round(outcome.plan_ms(rule), 4),
            }
            for rule in RULES
        },
    }
