"""Figures of a measurement: what a spread is, what reaches a target, and what is said of what could not be measured."""

import sys

import pytest
from rich.console import Console

from server.bench import peer
from server.bench.figures import Figure, Findings, Target, percentile, ratio
from server.cli.bench_view import findings_json, findings_table

AT_LEAST = Target("as many as the other", 1.0, more_is_better=True)
AT_MOST = Target("as short as the other", 1.0, more_is_better=False)
TARGETS = {"rate": AT_LEAST, "time": AT_MOST, "absent": AT_LEAST}


def shown(findings: Findings) -> str:
    console = Console(width=120, record=True, file=None)
    with console.capture() as captured:
        console.print(findings_table(findings, TARGETS))
    return captured.get()


def test_a_ratio_compares_each_repeat_with_itself() -> None:
    assert ratio("rate", [10, 40, 90], [10, 20, 30]) == Figure("rate", 2, 1, 3)


def test_a_percentile_is_of_everything_and_its_spread_of_the_repeats() -> None:
    fast, slow = [1.0] * 99 + [2.0], [3.0] * 100
    figure = percentile("time", [fast, slow], 50)
    assert (figure.value, figure.least, figure.most) == (2.5, 1.0, 3.0)
    assert percentile("time", [[4.0]], 99).value == 4.0


def test_a_target_is_reached_from_its_own_side() -> None:
    assert [AT_LEAST.reached_by(value) for value in (0.9, 1.0, 1.1)] == [False, True, True]
    assert [AT_MOST.reached_by(value) for value in (0.9, 1.0, 1.1)] == [True, True, False]


def test_what_could_not_be_measured_is_named_and_the_rest_is_told_all_the_same() -> None:
    findings = Findings(
        (
            Figure("rate", 1.2, 1.1, 1.3),
            Figure("time", 1.2, 1.1, 1.3),
            Figure("absent", None, note="no peer"),
        ),
        {},
    )
    told = findings_json(findings, TARGETS, {}, {})
    assert told["ratios"] == {"rate": 1.2, "time": 1.2, "absent": None}
    assert told["reached"] == {"rate": True, "time": False}
    assert told["missing"] == {"absent": "no peer"}
    lines = shown(findings).splitlines()
    verdicts = [
        [word for word in ("reached", "missed", "not measured") if word in line] for line in lines[1:4]
    ]
    assert verdicts == [["reached"], ["missed"], ["not measured"]]
    assert "no peer" in lines[3]


def test_a_figure_without_a_target_is_told_without_a_verdict() -> None:
    findings = Findings((Figure("beside", 1.2, 1.1, 1.3), Figure("absent", None, note="no peer")), {})
    told = findings_json(findings, {"rate": AT_LEAST}, {}, {})
    assert (told["spreads"], told["reached"]) == ({"beside": [1.1, 1.3]}, {})
    line = shown(findings).splitlines()[1]
    assert line.split() == ["beside", "1.20", "1.10", "1.30", "for", "comparison"]


def test_a_missing_peer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, peer.PACKAGE, None)
    assert not peer.is_installed()
