"""The checker raises no alarm about a correct service, and finds each bug of a broken one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loadgen.checking.against_database import State
from loadgen.checking.check import check, check_history
from loadgen.checking.history import History, HistoryWriter, Recorded
from loadgen.checking.overlaps import Stretch
from tests.checker.bugs import BUGS, with_bug
from tests.checker.evening import Evening
from tests.checker.scene import NoOccasionError, Scene

EVENINGS = 20


@cache
def evening(seed: int) -> tuple[History, State]:
    return Evening(seed).lived()


def test_a_correct_service_never_raises_an_alarm() -> None:
    # Twice as many: what may have happened and was not told is rarely of any consequence.
    for seed in range(2 * EVENINGS):
        report = check(*evening(seed))
        assert report.clean, f"seed {seed}\n{report.as_text()}"


def test_the_evenings_have_all_that_makes_checking_hard() -> None:
    calls = [call for seed in range(EVENINGS) for call in evening(seed)[0].calls]
    answered = {(call.method, call.reason or call.outcome) for call in calls}
    conflicts = {("HoldTables", "TABLE_CONFLICT_HELD"), ("HoldTables", "TABLE_CONFLICT_ASSIGNED")}
    assert answered >= conflicts | {
        ("ConfirmHold", "ok"),
        ("ReplaceHold", "ok"),
    }
    assert any(call.reason == "HOLD_EXPIRED" for call in calls)
    assert any(call.outcome == "unknown" for call in calls)
    assert any(call.attempt > 1 and call.outcome == "ok" for call in calls)
    assert any(call.answer.get("superseded_hold_ids") for call in calls)
    assert any(len(call.table_ids) == 3 and call.outcome == "ok" for call in calls)


@pytest.mark.parametrize(("bug", "rule"), BUGS.items(), ids=[bug.__name__ for bug in BUGS])
def test_a_bug_is_found_and_called_by_its_name(bug: Callable[[Scene], None], rule: str) -> None:
    tried = 0
    for seed in range(EVENINGS):
        try:
            broken = with_bug(bug, *evening(seed), seed)
        except NoOccasionError:
            continue
        tried += 1
        report = check(*broken)
        assert rule in report.by_rule, f"seed {seed}\n{report.as_text()}"
    assert tried, "no evening had an occasion for it"


@pytest.mark.parametrize(
    ("one", "other", "excluded"),
    [
        ((10, 30), (20, 40), True),
        ((10, 20), (20, 40), False),
        # When it was taken is not known so exactly: at some moment between the two.
        ((10, 30), (20, 15), True),
        ((10, 12), (20, 11), False),
        ((20, 10), (21, 11), False),
    ],
)
def test_of_two_stretches_that_may_have_followed_one_another_none_is_wrong(
    one: tuple[int, int], other: tuple[int, int], excluded: bool
) -> None:
    nobody: Any = None
    first, second = (Stretch(nobody, nobody, (0, 1), *each) for each in (one, other))
    assert (first.excludes(second), second.excludes(first)) == (excluded, excluded)


def test_a_violation_names_the_calls_that_show_it_and_the_seed() -> None:
    bug = next(bug for bug, rule in BUGS.items() if rule == "hold_used_twice")
    report = check(*with_bug(bug, *evening(1), 1))
    violation = next(each for each in report.violations if each.rule == "hold_used_twice")
    assert {call.method for call in violation.calls} == {"ConfirmHold"}
    text, document = report.as_text(), report.as_json()
    assert "Seed 1." in text
    assert all(f"{call.name} ConfirmHold asked at" in text for call in violation.calls)
    assert document["by_rule"]["hold_used_twice"] == 1
    assert {call["name"] for each in document["violations"] for call in each["calls"]} >= {
        call.name for call in violation.calls
    }


def test_a_history_is_checked_without_the_rows_too(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 1)
    writer.returned(
        writer.invoked(Recorded("HoldTables", request_id="r")), "refused", reason="BOOKING_NOT_FOUND"
    )
    report = check_history(tmp_path)
    assert report.clean
    assert "not compared with a database" in report.as_text()


def test_a_history_without_a_clock_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="no clock lines"):
        check(History(()))
