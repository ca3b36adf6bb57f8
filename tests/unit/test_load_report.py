"""The report of a load: what it counts, what makes it unsound, and that people can read it."""

import asyncio
import datetime as dt
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadgen.acting.asking import Found
from loadgen.checking.report import Report as Checked
from loadgen.checking.report import Violation
from loadgen.counters import Comparison, Difference
from loadgen.driving import Reply, Tally
from loadgen.report import is_sound, refusals, report_of
from loadgen.running import LoadPlan, LoadResult
from loadgen.scenario import packaged_scenarios
from server.bench.loaded import Loaded
from server.cli import app, load_command
from server.cli.failures import CommandFailure, ExitCode
from server.cli.load_view import load_tables

S, MS = 1_000_000_000, 1_000_000
AGREED = Comparison(compared=3, unsure=0, differences=())
DIFFERS = Comparison(3, 0, (Difference("HoldTables", "OK", "", callers=2, server=1),))
CLEAN = Checked((), {"calls": 3})
STAINED = Checked((Violation("given_twice", "A table was given twice."),), {"calls": 3})


def tally_of(*calls: tuple[int, Reply]) -> Tally:
    tally = Tally()
    for began_ns, reply in calls:
        tally.note("HoldTables", reply, began_ns)
    return tally


def result_of(tally: Tally, unequal: int = 0) -> LoadResult:
    plan = LoadPlan(packaged_scenarios()["mixed"], "host:1", 2, "7", in_flight=4, per_s=50.0, operations=3)
    began_at = dt.datetime(2031, 5, 1, tzinfo=dt.UTC)
    return LoadResult(
        plan, Found(tally, operations=3, repeats=1, unequal=unequal), began_at, 1.5, stopped=False
    )


GOOD = tally_of(
    (10 * S, Reply("OK", "", b"", 10 * S + 20 * MS)),
    (10 * S, Reply("OK", "", b"", 10 * S + 40 * MS)),
    (12 * S, Reply("ABORTED", "TABLE_CONFLICT_HELD", b"", 12 * S + 10 * MS)),
)


def report(
    tally: Tally = GOOD,
    unequal: int = 0,
    counted: Comparison | None = AGREED,
    checked: Checked | None = CLEAN,
) -> dict[str, Any]:
    return report_of(result_of(tally, unequal), counted, checked)


def printed(found: dict[str, Any]) -> str:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(*load_tables(found))
    return shown.get()


def test_everything_is_counted_once_and_seconds_without_answers_are_there() -> None:
    found = report()
    assert (found["calls"], found["operations"], found["seconds"], found["calls_per_s"]) == (3, 3, 2.01, 1.5)
    assert found["outcomes"] == {"ok": 2, "refused": 1, "unknown": 0}
    assert found["per_second"] == [{"OK": 2}, {}, {"TABLE_CONFLICT_HELD": 1}]
    assert found["methods"]["HoldTables"]["ok"]["max"] == 40.0
    assert found["methods"]["HoldTables"]["ok"]["p50"] == pytest.approx(20.0, rel=0.004)
    assert refusals(found) == {"TABLE_CONFLICT_HELD": 1}


def test_it_says_from_where_latencies_count() -> None:
    open_loop = result_of(GOOD)
    closed_loop = replace(open_loop, plan=replace(open_loop.plan, per_s=None))
    for made, loop, origin in ((open_loop, "open", "intended start"), (closed_loop, "closed", "sending")):
        found = report_of(made, None, None)
        assert (found["loop"], found["latency_from"]) == (loop, origin)
        assert re.search(rf"loop +{loop}, ", printed(found))


def test_a_load_is_sound_when_nothing_contradicts_it() -> None:
    assert is_sound(report())
    assert is_sound(report(counted=None, checked=None))


@pytest.mark.parametrize(
    "found",
    [
        report(unequal=1),
        report(counted=DIFFERS),
        report(checked=STAINED),
        report(tally_of((10 * S, Reply("INTERNAL", "INVARIANT_BROKEN", b"", 11 * S)))),
    ],
    ids=["another answer to a repeat", "other counts", "a violation", "a broken invariant"],
)
def test_a_load_is_unsound_when_anything_does(found: dict[str, Any]) -> None:
    assert not is_sound(found)


def test_people_are_told_what_differs_and_what_was_not_compared() -> None:
    differing, plain = report(counted=DIFFERS, checked=STAINED), report(counted=None, checked=None)
    told, otherwise = printed(differing), printed(plain)
    assert "other than the callers'" in told
    assert "given_twice: A table was given twice." in told
    assert re.search(r"HoldTables +OK +2 +1\n", told)
    assert "not compared" in otherwise
    assert "not recorded" in otherwise
    assert "before its time" not in otherwise
    assert "before its time" in printed({**plain, "stopped": True})


def loaded(monkeypatch: pytest.MonkeyPatch, uncounted: CommandFailure | None, *options: str) -> int:
    """The exit code of a load that found what `report` says."""

    async def work(*_: object) -> tuple[dict[str, Any], Tally, CommandFailure | None]:
        return report(counted=None), GOOD, uncounted

    monkeypatch.setattr(load_command, "_work", work)
    monkeypatch.setattr(sys, "argv", ["maitred", "load", "--target", "host:1", "-o", "json", *options])
    with pytest.raises(SystemExit) as ended:
        app.run()
    return int(ended.value.code or 0)


def test_a_result_is_told_even_where_its_page_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    monkeypatch.setattr(load_command, "make_room", lambda *_: page.mkdir())
    assert loaded(monkeypatch, None, "--report", str(page)) == ExitCode.BAD_FILE
    told = capfd.readouterr()
    assert json.loads(told.out)
    assert f"{page} cannot be written" in told.err.replace("\n", "")


def test_a_result_is_told_even_where_the_servers_counts_cannot_be_read_any_more(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = Loaded("host:1", ("http://127.0.0.1:1/metrics",))
    comparison, uncounted = asyncio.run(load_command.compared(GOOD, {}, gone))
    assert comparison is None
    assert loaded(monkeypatch, uncounted) == ExitCode.UNREACHABLE
    told = capfd.readouterr()
    assert json.loads(told.out)
    assert "http://127.0.0.1:1/metrics" in told.err
