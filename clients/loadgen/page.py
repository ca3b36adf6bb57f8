"""A report with plots as one HTML page that needs nothing else."""

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log2
from typing import Any, Final

from matplotlib.axes import Axes

from loadgen.drawing import drawn
from loadgen.driving import UNSURE, Histogram, Outcome, Tally
from loadgen.report import NS_PER_MS, is_sound, refusals

COLORS: Final = {Outcome.OK: "#3f9b6c", Outcome.REFUSED: "#f2c14e", Outcome.UNKNOWN: "#d62839"}
INK = "#1f2933"
WIDTH_IN, HEIGHT_IN = 10.0, 3.4
REFUSALS_SHOWN_MAX = 16
BINS_PER_DOUBLING = 4
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }} svg {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ text-align: right; padding: .15rem .7rem; border-bottom: 1px solid #e3e8ee }}
th:first-child, td:first-child {{ text-align: left }} .wrong {{ color: #d62839; font-weight: bold }}
</style></head><body>{body}</body></html>
"""


def page_of(report: dict[str, Any], tally: Tally) -> str:
    """The page. `report` is that of `report_of`, and `tally` what it was made from."""
    unsure = {reason or status for _, status, reason in tally.replies if status in UNSURE}
    body = [
        f"<h1>{escape(report['scenario'])}</h1><p>{escape(report['about'])}</p>",
        _verdict(report),
        _table(("", ""), _facts(report)),
        f"<h2>Latency from {report['latency_from']}</h2>",
        drawn(lambda axes: _draw_latencies(axes, tally), WIDTH_IN, HEIGHT_IN),
        _table(("method, outcome", "count", "p50 ms", "p90", "p99", "p99.9", "max"), _latency_rows(report)),
        "<h2>Answers per second</h2>",
        drawn(lambda axes: _draw_rates(axes, report["per_second"], unsure), WIDTH_IN, HEIGHT_IN),
        "<h2>What was not done, and why</h2>",
        drawn(lambda axes: _draw_refusals(axes, refusals(report)), WIDTH_IN, HEIGHT_IN)
        if refusals(report)
        else "<p>Nothing.</p>",
    ]
    return PAGE.format(title=escape(f"maitred load: {report['scenario']}"), body="\n".join(body))


def _verdict(report: dict[str, Any]) -> str:
    sentences = []
    if report["unequal_answers"]:
        sentences.append(f"{report['unequal_answers']} repeated calls got another answer.")
    if report["broken"]:
        sentences.append(f"{report['broken']} calls broke something in the service.")
    if report["counters"]["agree"] is False:
        sentences.append("Server and callers counted differently.")
    if report["check"] and not report["check"]["clean"]:
        sentences.append(f"The history has violations: {escape(str(report['check']['by_rule']))}.")
    kind = "" if is_sound(report) else ' class="wrong"'
    return f"<p{kind}>{' '.join(sentences) or 'Nothing was found that a correct service could not have done.'}</p>"


def _facts(report: dict[str, Any]) -> list[tuple[object, ...]]:
    names = ("loop", "in_flight", "per_s", "processes", "seconds", "operations", "calls", "calls_per_s")
    more = ("repeats", "missed", "preparing_s", "seed", "run_id", "began_at", "target")
    return [(name.replace("_", " "), report[name]) for name in (*names, *more) if report[name] is not None]


def _latency_rows(report: dict[str, Any]) -> list[tuple[object, ...]]:
    rows = {"all calls": report["latency_ms"]["all"]}
    for method, outcomes in report["methods"].items():
        rows |= {f"{method}, {outcome}": figures for outcome, figures in outcomes.items()}
    columns = ("count", "p50", "p90", "p99", "p99.9", "max")
    return [(name, *(figures[column] for column in columns)) for name, figures in rows.items()]


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = ("".join(f"<td>{escape(f'{cell}')}</td>" for cell in row) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _draw_latencies(axes: Axes, tally: Tally) -> None:
    """How many calls took how long, with equal widths on a logarithmic axis."""
    for outcome, color in COLORS.items():
        edges, counts = _binned(tally.latency(outcome=outcome))
        if counts:
            axes.stairs(counts, edges, fill=True, alpha=0.55, color=color, label=outcome.value)
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    axes.set_ylabel("calls")
    if tally.latencies:
        axes.legend(frameon=False)


def _binned(histogram: Histogram) -> tuple[list[float], list[int]]:
    """Edges in ms, one more than counts; each bin is the same part of a doubling."""
    counts: dict[int, int] = {}
    for low_ns, _, count in histogram.buckets():
        place = _place(max(low_ns, 1))
        counts[place] = counts.get(place, 0) + count
    if not counts:
        return [], []
    places = range(min(counts), max(counts) + 1)
    edges = [2.0 ** (place / BINS_PER_DOUBLING) / NS_PER_MS for place in (*places, places[-1] + 1)]
    return edges, [counts.get(place, 0) for place in places]


def _place(value: int) -> int:
    return floor(log2(value) * BINS_PER_DOUBLING)


def _draw_rates(axes: Axes, per_second: list[dict[str, int]], unsure: set[str]) -> None:
    rates: dict[Outcome, list[int]] = {outcome: [] for outcome in COLORS}
    for counts in per_second:
        done = counts.get("OK", 0)
        unknown = sum(counts.get(word, 0) for word in unsure)
        rates[Outcome.OK].append(done)
        rates[Outcome.UNKNOWN].append(unknown)
        rates[Outcome.REFUSED].append(sum(counts.values()) - done - unknown)
    for outcome, color in COLORS.items():
        axes.plot(rates[outcome], color=color, label=outcome.value, marker="o", markersize=2.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the beginning; the first and the last are cut short")
    axes.set_ylabel("answers")
    axes.legend(frameon=False)


def _draw_refusals(axes: Axes, counts: dict[str, int]) -> None:
    shown = list(counts.items())[:REFUSALS_SHOWN_MAX][::-1]
    axes.barh([word for word, _ in shown], [count for _, count in shown], color=COLORS[Outcome.REFUSED])
    axes.margins(x=0.1)
    for place, (_, count) in enumerate(shown):
        axes.text(count, place, f" {count:,}", va="center", color=INK)
