"""What a measurement of a running maitred found, for people and for programs."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from server.bench.figures import Figure, Findings, Target
from server.bench.profile import Profile, Share
from server.cli.output import grid

DIGITS = 3


def findings_table(findings: Findings, targets: Mapping[str, Target], *, explained: bool = True) -> Table:
    """A line per figure: the median with its spread, the target and whether it was reached. Figures without a target
    are there to judge the others by. `explained` adds what each of them is.
    """
    columns = ("Figure", "Value>", "Least>", "Most>", "Target>", "", "What")
    lines = (_line(figure, targets.get(figure.key)) for figure in findings.figures)
    shown = len(columns) if explained else len(columns) - 1
    return grid(columns[:shown], (line[:shown] for line in lines), kept=6)


def _line(figure: Figure, target: Target | None) -> tuple[object, ...]:
    what = figure.note or (target.what if target else "for comparison")
    if figure.value is None:
        return figure.key, "–", "", "", _bound(target), Text("not measured", style="yellow"), what
    numbers = (_number(figure.value), _number(figure.least), _number(figure.most))
    return figure.key, *numbers, _bound(target), _verdict(figure.value, target), what


def _number(value: float) -> str:
    return f"{value:.{DIGITS - 1}f}"


def _bound(target: Target | None) -> str:
    return "" if target is None else f"{'≥' if target.more_is_better else '≤'} {target.bound:g}"


def _verdict(value: float, target: Target | None) -> Text:
    if target is None:
        return Text("")
    reached = target.reached_by(value)
    return Text("reached" if reached else "missed", style="green" if reached else "bold red")


def findings_json(
    findings: Findings,
    targets: Mapping[str, Target],
    sizes: Mapping[str, object],
    conditions: Mapping[str, object],
) -> dict[str, Any]:
    """The figures under stable names. `ratios` has every figure, null where it could not be measured."""
    return {
        "ratios": {figure.key: _rounded(figure.value) for figure in findings.figures},
        "spreads": {
            figure.key: [_rounded(figure.least), _rounded(figure.most)]
            for figure in findings.figures
            if figure.value is not None
        },
        "targets": {
            key: {"bound": target.bound, "at_least": target.more_is_better} for key, target in targets.items()
        },
        "reached": {
            figure.key: targets[figure.key].reached_by(figure.value)
            for figure in findings.figures
            if figure.key in targets and figure.value is not None
        },
        "missing": {figure.key: figure.note for figure in findings.figures if figure.value is None},
        "behind": {name: _rounded(value) for name, value in findings.behind.items()},
        "curves": [
            {
                "key": curve.key,
                "title": curve.title,
                "x": curve.x,
                "y": curve.y,
                "sizes": list(curve.sizes),
                "series": {
                    name: [_rounded(value) for value in values] for name, values in curve.series.items()
                },
            }
            for curve in findings.curves
        ],
        "latencies": {
            name: [[_rounded(up_to_ms), count] for up_to_ms, count in counts]
            for name, counts in findings.latencies.items()
        },
        "sizes": dict(sizes),
        "conditions": dict(conditions),
    }


def profile_tables(profile: Profile) -> tuple[Table, ...]:
    """Where a server's time went, in shares of its processor time."""
    return tuple(
        grid(("Itself>", "With calls>", f"Of the time, {what}"), map(_share_line, shares), kept=2)
        for what, shares in profile.lists()
    )


def _share_line(share: Share) -> tuple[str, str, str]:
    return f"{share.itself:.1%}", f"{share.within:.1%}", share.name


def profile_json(profile: Profile) -> dict[str, list[dict[str, Any]]]:
    """The same for programs."""
    return {
        what: [
            {"name": share.name, "itself": _rounded(share.itself), "within": _rounded(share.within)}
            for share in shares
        ]
        for what, shares in profile.lists()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
