"""A run as a page: its figures, how long calls took, and how things grow. It needs nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from server.cli.bench_plot import curve_svg, latencies_svg

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } .missed { color: #b00020; font-weight: 600 }
.reached { color: #1d7a3e } .quiet { color: #8592a0 } svg { max-width: 100%; height: auto }
"""


def page(run: Mapping[str, Any]) -> str:
    """The page of a run, as `bench -o json` tells it."""
    parts = ("<!doctype html>", '<html lang="en"><meta charset="utf-8">', *_head(run), *_figures(run))
    plots = (*_latencies(run), *(curve_svg(curve) for curve in run["curves"]))
    return "\n".join((*parts, *plots, *_behind(run), "</html>"))


def _head(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"<title>maitred bench {escape(str(run['began_at']))}</title><style>{STYLE}</style>"
    yield f"<h1>maitred bench</h1><p>{escape(str(run['began_at']))}</p>"
    yield f'<p class="quiet">{_listed(run["conditions"])}</p><p class="quiet">{_listed(run["sizes"])}</p>'
    if run["left_out"]:
        yield f"<p>Left out: {escape(', '.join(run['left_out']))}</p>"


def _figures(run: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>Figure<th>Median<th>Least to most<th>Target<th></tr>"
    for key, value in run["ratios"].items():
        target, reached = run["targets"].get(key), run["reached"].get(key)
        bound = f"{'≥' if target['at_least'] else '≤'} {target['bound']:g}" if target else ""
        verdict = "" if reached is None else "reached" if reached else "missed"
        spread = " to ".join(f"{each:.2f}" for each in run["spreads"].get(key, ()))
        number = "–" if value is None else f"{value:.2f}"
        cells = f'<td class="n">{number}<td class="n">{spread}<td>{bound}<td class="{verdict}">{verdict}'
        yield f"<tr><td>{escape(key)}{cells}</tr>"
    yield "</table>"


def _latencies(run: Mapping[str, Any]) -> Iterator[str]:
    if run["latencies"]:
        yield "<h2>How long calls took</h2>"
        yield latencies_svg(run["latencies"])
    if run["curves"]:
        yield "<h2>How things grow</h2>"


def _behind(run: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Behind the figures</h2><p>Rates and times compare within this run alone.</p><table>"
    for name, value in run["behind"].items():
        yield f'<tr><td>{escape(name)}<td class="n">{value:.2f}</tr>'
    yield "</table>"
    for what, shares in run.get("profile", {}).items():
        yield f"<h2>Where the server's time went, {escape(what)}</h2>"
        yield "<table><tr><th>Itself<th>With what it calls<th></tr>"
        for share in shares:
            cells = "".join(f'<td class="n">{share[part]:.1%}' for part in ("itself", "within"))
            yield f"<tr>{cells}<td>{escape(share['name'])}</tr>"
        yield "</table>"


def _listed(facts: Mapping[str, Any]) -> str:
    return escape(" · ".join(f"{name} {value}" for name, value in facts.items()))
