"""A run as a page that needs nothing else: what was promised, and a picture of load and faults over time."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT, ROW = 1_000, 220, 14
LEFT, TOP = 60, 20

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: .2em .8em .2em 0; text-align: left; vertical-align: top }
td.n { text-align: right } .kept { color: #187a32 } .broken { color: #b3121d; font-weight: bold }
code { background: #f3f3f3; padding: .1em .3em } svg text { font-size: 11px; fill: #444 }
"""


def page(result: Mapping[str, Any]) -> str:
    """HTML of what `maitred torture -o json` writes."""
    verdict = "Every promise was kept." if result["kept"] else "Not every promise was kept."
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>maitred torture, seed {result["seed"]}</title>'
        f"<style>{STYLE}</style><h1>maitred torture, seed {result['seed']}</h1>"
        f'<p class="{"kept" if result["kept"] else "broken"}">{verdict}</p>'
        f"<p>{result['operations']} operations with {result['in_flight']} in flight, of them"
        f" {result['hold_attempts']} hold attempts; {result['lost_answers']} answers were lost after the server had"
        f" given them, {result['repeats']} calls were repeated. The faults took {result['seconds']:g} s.</p>"
        f"<p><code>{escape(result['repeat'])}</code></p>"
        f"{_promises(result['promises'])}{_missing(result['missing'])}"
        f"<h2>Load and faults over time</h2>{_picture(result['beats'], result['struck'])}"
        f"<h2>Calls by outcome</h2>{_calls(result['calls'])}</html>\n"
    )


def _promises(promises: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f'<tr><td class="{"kept" if each["kept"] else "broken"}">{"kept" if each["kept"] else "broken"}</td>'
        f'<td>{escape(each["name"])}</td><td class="n">{each["found"]}</td><td>{escape(each["looked_at"])}'
        f"{''.join(f'<br>{escape(sentence)}' for sentence in each['wrong'])}</td></tr>"
        for each in promises
    )
    return f"<table><tr><th></th><th>There must be no</th><th>Found</th><th>Looked at</th></tr>{rows}</table>"


def _missing(missing: Sequence[str]) -> str:
    return "".join(f'<p class="broken">too few faults: {escape(sentence)}</p>' for sentence in missing)


def _calls(calls: Mapping[str, Mapping[str, int]]) -> str:
    rows = "".join(
        f'<tr><td>{escape(method)}</td><td>{escape(outcome)}</td><td class="n">{number}</td></tr>'
        for method, counts in calls.items()
        for outcome, number in sorted(counts.items(), key=lambda each: -each[1])
    )
    return f"<table><tr><th>Method</th><th>Outcome</th><th>Calls</th></tr>{rows}</table>"


def _picture(beats: Sequence[Mapping[str, Any]], struck: Sequence[Mapping[str, Any]]) -> str:
    """Operations a second as a line, and below it a mark for each fault, a row for each kind."""
    if len(beats) < 2:
        return "<p>The run was too short for a picture.</p>"
    rates = [
        (after["at_s"], (after["operations"] - before["operations"]) / (after["at_s"] - before["at_s"]))
        for before, after in pairwise(beats)
    ]
    seconds = max(beats[-1]["at_s"], *(each["at_s"] for each in struck), 1.0)
    most = max(1.0, *(rate for _, rate in rates))
    across = (WIDTH - LEFT) / seconds
    line = " ".join(
        f"{LEFT + at_s * across:.1f},{TOP + HEIGHT * (1 - rate / most):.1f}" for at_s, rate in rates
    )
    kinds = sorted({each["kind"] for each in struck})
    rows = {kind: TOP + HEIGHT + 30 + number * ROW for number, kind in enumerate(kinds)}
    marks = "".join(
        f'<circle cx="{LEFT + each["at_s"] * across:.1f}" cy="{rows[each["kind"]]}" r="4" fill="'
        f'{"#b3121d" if each["kind"].startswith("kill") else "#c77700"}"><title>{each["at_s"]:g} s: '
        f"{escape(each['kind'])} {escape(each['note'])}</title></circle>"
        for each in struck
    )
    names = "".join(
        f'<text x="{WIDTH + 10}" y="{y + 4}">{escape(kind)}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#eee"/>'
        for kind, y in rows.items()
    )
    bottom = TOP + HEIGHT
    return (
        f'<svg viewBox="0 0 {WIDTH + 300} {bottom + 50 + len(kinds) * ROW}" width="100%" role="img">'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{bottom}" y2="{bottom}" stroke="#999"/>'
        f'<text x="0" y="{TOP + 4}">{most:.0f} /s</text><text x="{LEFT}" y="{bottom + 14}">0 s</text>'
        f'<text x="{WIDTH - 40}" y="{bottom + 14}">{seconds:.0f} s</text>'
        f'<polyline points="{line}" fill="none" stroke="#2166ac" stroke-width="1.5"/>{names}{marks}</svg>'
    )
