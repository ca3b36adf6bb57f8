"""Runs of `bench` that were kept: found again, held beside each other, told as Markdown and as a page."""

import errno
import os
import re
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from server.bench.comparison import Verdict, compared, differences
from server.cli.bench_comparing import markdown_lines
from server.cli.bench_history import (
    RunNotFoundError,
    file_of,
    find_run,
    history_folder,
    read_run,
    save_run,
)
from server.cli.bench_page import page
from server.cli.failures import CommandFailure

RUN: dict[str, Any] = {
    "began_at": "2031-05-01T18:00:00+00:00",
    "ratios": {"hold_rate": 0.8, "hold_rate_processor": 0.9, "wait_ms": 2.0, "absent": None, "alone": 1.0},
    "spreads": {
        "hold_rate": [0.7, 0.9],
        "hold_rate_processor": [0.8, 1.0],
        "wait_ms": [1.5, 2.5],
        "alone": [0.9, 1.1],
    },
    "targets": {
        "hold_rate": {"bound": 1.0, "at_least": True},
        "wait_ms": {"bound": 3.0, "at_least": False},
    },
    "reached": {"hold_rate": False, "wait_ms": True},
    "behind": {"hold_per_s": 512.25},
    "curves": [
        {
            "key": "holds_by_callers",
            "title": "Holds per second",
            "x": "callers",
            "y": "per second",
            "sizes": [1, 1000],
            "series": {"holds": [10.0, 400.0]},
        }
    ],
    "latencies": {"hold": [[1.25, 10], [1.5625, 4]]},
    "sizes": {"repeats": 5, "holds": 2000},
    "conditions": {"machine": "x86_64", "cores": 2, "commit": "abc1234"},
    "left_out": ["overload"],
}
AT = datetime(2031, 5, 1, 18, tzinfo=UTC)


def later(**figures: tuple[float, float, float]) -> dict[str, Any]:
    """A later run in which these figures came out otherwise: median, least and most."""
    run = deepcopy(RUN)
    for key, (value, least, most) in figures.items():
        run["ratios"][key] = value
        run["spreads"][key] = [least, most]
    return run


def verdict(key: str, new: dict[str, Any]) -> Verdict:
    return next(each.verdict for each in compared(RUN, new) if each.key == key)


def test_spreads_that_have_something_in_common_differ_by_noise() -> None:
    assert verdict("hold_rate", later(hold_rate=(1.2, 0.9, 1.4))) is Verdict.NOISE
    assert verdict("hold_rate", later(hold_rate=(0.5, 0.2, 0.7))) is Verdict.NOISE


def test_what_lies_apart_is_better_or_worse_by_the_side_of_its_target() -> None:
    assert verdict("hold_rate", later(hold_rate=(1.2, 0.91, 1.4))) is Verdict.BETTER
    assert verdict("hold_rate", later(hold_rate=(0.5, 0.2, 0.69))) is Verdict.WORSE
    assert verdict("wait_ms", later(wait_ms=(3.0, 2.6, 3.1))) is Verdict.WORSE
    assert verdict("wait_ms", later(wait_ms=(1.0, 0.9, 1.4))) is Verdict.BETTER


def test_a_figure_for_comparison_has_the_side_of_the_one_it_belongs_to() -> None:
    assert verdict("hold_rate_processor", later(hold_rate_processor=(0.5, 0.4, 0.6))) is Verdict.WORSE
    assert verdict("alone", later(alone=(2.0, 1.9, 2.1))) is Verdict.HIGHER
    assert verdict("alone", later(alone=(0.5, 0.4, 0.6))) is Verdict.LOWER


def test_of_nothing_there_is_no_ratio() -> None:
    (found,) = (each for each in compared(later(wait_ms=(0.0, 0.0, 0.0)), RUN) if each.key == "wait_ms")
    assert (found.ratio, found.verdict) == (None, Verdict.WORSE)


def test_a_figure_that_only_one_run_has_is_named_all_the_same() -> None:
    new = later(fresh=(1.0, 1.0, 1.0))
    del new["ratios"]["wait_ms"]
    figures = compared(RUN, new)
    found = {each.key: each for each in figures}
    assert len(found) == len(figures)
    assert (found["fresh"].old, found["fresh"].new, found["fresh"].verdict) == (None, 1.0, Verdict.ONE_SIDED)
    assert (found["wait_ms"].old, found["wait_ms"].new) == (2.0, None)
    assert found["absent"].verdict is Verdict.ONE_SIDED
    assert found["hold_rate"].ratio == 1.0


def test_what_was_not_the_same_for_both_runs_is_told() -> None:
    new = deepcopy(RUN)
    new["sizes"]["holds"] = 400
    new["sizes"]["plans"] = 90
    new["conditions"]["cores"] = 8
    new["conditions"]["commit"] = "def5678"
    assert list(differences(RUN, new)) == ["cores: 2 → 8", "holds: 2000 → 400", "plans: None → 90"]


def test_a_run_is_found_by_file_by_the_beginning_of_its_name_and_as_the_latest(tmp_path: Path) -> None:
    first, second = (file_of(tmp_path, RUN, AT.replace(hour=hour)) for hour in (18, 19))
    for file in (first, second):
        save_run(file, RUN)
    assert first.name == "20310501T180000Z-abc1234.json"
    assert find_run(tmp_path, str(first)) == first
    assert find_run(tmp_path, "20310501T18") == first
    assert find_run(tmp_path, "latest") == second
    assert read_run(first) == RUN
    with pytest.raises(RunNotFoundError, match="2 runs"):
        find_run(tmp_path, "2031")
    with pytest.raises(RunNotFoundError, match="20310501T190000Z"):
        find_run(tmp_path, "2032")


def test_a_file_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    for text in ("[]", "{}", "no JSON"):
        other.write_text(text, encoding="utf-8")
        with pytest.raises(RunNotFoundError, match=r"other\.json"):
            read_run(other)


def test_runs_are_kept_among_the_users_state_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_folder(None) == tmp_path / "maitred" / "bench"
    assert history_folder(Path("here")) == Path("here")


def test_whoever_has_no_home_is_asked_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", Mock(side_effect=RuntimeError("no home")))
    with pytest.raises(CommandFailure, match="no home to keep runs in") as problem:
        history_folder(None)
    assert "--history" in problem.value.remedy


def test_a_run_that_finds_no_room_leaves_no_half_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(file: Path, *_: object, **__: object) -> None:
        file.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CommandFailure, match=r"run\.json cannot be written: No space left on device"):
        save_run(tmp_path / "run.json", RUN)
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_has_no_room_is_not_taken_away(tmp_path: Path) -> None:
    link = tmp_path / "run.json"
    link.symlink_to("/dev/full")
    with pytest.raises(CommandFailure, match="No space left on device"):
        save_run(link, RUN)
    assert link.is_symlink()


def test_markdown_has_a_line_for_every_figure() -> None:
    lines = list(markdown_lines(RUN))
    assert lines[2] == "| `hold_rate` | 0.80 | 0.70 to 0.90 | ≥ 1 | missed |"
    assert lines[4] == "| `wait_ms` | 2.00 | 1.50 to 2.50 | ≤ 3 | reached |"
    assert lines[5] == "| `absent` | – | – | – | – |"
    assert len(lines) == 2 + len(RUN["ratios"])


def test_a_page_has_every_figure_and_plot_and_asks_nobody_for_anything() -> None:
    told = page({**RUN, "left_out": ["<overload>"]})
    assert all(key in told for key in (*RUN["ratios"], *RUN["behind"]))
    assert told.count("<svg") == 2
    assert "&lt;overload&gt;" in told
    addresses = set(re.findall(r"(?:src|href)=\"([^\"]*)\"", told))
    assert all(address.startswith("#") for address in addresses), addresses
    assert page({**RUN, "left_out": ["<overload>"]}) == told
