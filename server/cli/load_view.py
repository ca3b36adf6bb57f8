"""The report of a load, for people."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from loadgen.report import refusals
from server.cli.output import facts, grid

DIFFERENCES_SHOWN_MAX = 10
RULES = {
    None: "not compared: --metrics says where the server shows its counts",
    True: "the same as the callers'",
    False: "other than the callers'",
}


def load_tables(report: dict[str, Any]) -> list[RenderableType]:
    """Headline, latencies, what was not done, and what was compared and checked."""
    return [
        Text(f"{report['scenario']}: {report['about']}", style="bold"),
        facts(_headline(report)),
        "",
        Text(f"Latency in ms, from {report['latency_from']}", style="bold"),
        grid(("Call", "Outcome", "Count>", "p50>", "p90>", "p99>", "p99.9>", "Max>"), _latencies(report)),
        "",
        Text("Not done, and why", style="bold"),
        grid(("Reason", "Count>"), ((word, f"{count:,}") for word, count in refusals(report).items())),
        "",
        facts(_findings(report)),
        *_differences(report),
    ]


def _headline(report: dict[str, Any]) -> Iterator[tuple[str, object]]:
    if report["loop"] == "open":
        loop = f"open, {report['per_s']:g} operations a second, {report['missed']:,} not begun"
    else:
        loop = f"closed, {report['in_flight']:,} in flight"
    yield "loop", f"{loop}, {report['processes']} client processes"
    yield (
        "operations",
        f"{report['operations']:,} in {report['seconds']:g} s: {report['operations_per_s']:,} per s",
    )
    yield (
        "calls",
        f"{report['calls']:,}: {report['calls_per_s']:,} per s, {report['repeats']:,} of them repeats",
    )
    counts = (f"{count:,} {outcome}" for outcome, count in report["outcomes"].items())
    yield "outcomes", ", ".join(counts)
    yield "seed", f"{report['seed']}, run {report['run_id']}"
    if report["stopped"]:
        yield "ended", "before its time"


def _latencies(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    yield _latency_row("all", "", report["latency_ms"]["all"])
    for method, outcomes in report["methods"].items():
        for outcome, figures in outcomes.items():
            yield _latency_row(method, outcome, figures)


def _latency_row(method: str, outcome: str, figures: dict[str, float]) -> tuple[str, ...]:
    columns = ("p50", "p90", "p99", "p99.9", "max")
    return (method, outcome, f"{figures['count']:,}", *(f"{figures[column]:,.1f}" for column in columns))


def _findings(report: dict[str, Any]) -> Iterator[tuple[str, object]]:
    repeats, unequal = report["repeats"], report["unequal_answers"]
    yield (
        "repeated calls",
        _judged(
            f"{unequal:,} of {repeats:,} answers contradict the first",
            f"{repeats:,}, none contradicts",
            unequal,
        ),
    )
    broken = report["broken"]
    yield "broken calls", _judged(f"{broken:,} ended as INTERNAL or UNKNOWN", "none", broken)
    agree = report["counters"]["agree"]
    yield "server's counts", _judged(RULES[False], RULES[agree], agree is False)
    if report["check"] is None:
        yield "history", "not recorded (--history, --check)"
    else:
        check = report["check"]
        good = f"{check['counts'].get('calls', 0):,} calls, nothing that cannot have happened"
        yield "history", _judged(f"violations: {check['by_rule']}", good, not check["clean"])


def _judged(bad: str, good: str, wrong: object) -> Text:
    return Text(bad, style="bold red") if wrong else Text(good)


def _differences(report: dict[str, Any]) -> Iterator[RenderableType]:
    differences = report["counters"]["differences"][:DIFFERENCES_SHOWN_MAX]
    if differences:
        rows = (
            (item["method"], item["reason"] or item["status"], item["callers"], item["server"])
            for item in differences
        )
        yield grid(("Call", "End", "Callers>", "Server>"), rows)
    violations = (report["check"] or {}).get("violations", ())
    for violation in violations[:DIFFERENCES_SHOWN_MAX]:
        yield Text(f"{violation['rule']}: {violation['sentence']}")
