"""`maitred bench`: the smallest run of each, through the command line."""

import json
import re
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from server.bench import programs
from server.cli import app, bench_evenings
from server.cli.failures import ExitCode, report
from server.cli.options import SAMPLE_TENANT
from server.simulation.seating import RULES

NOWHERE = "postgresql://maitred@127.0.0.1:1/maitred"
SMALLEST = ("bench", "planner", "--tables", "8", "--loads", "120", "--seeds", "2")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> ExitCode:
    monkeypatch.setattr(sys, "argv", ["maitred", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.run()
    return ExitCode(int(ended.value.code or 0))


def test_the_planner_is_measured_beside_other_rules(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highspy", reason="highspy solves the integer programs; it is in the dev group")
    assert run(monkeypatch, *SMALLEST, "-o", "json") is ExitCode.OK
    (case,) = json.loads(capfd.readouterr().out)
    assert (case["tables"], case["load_percent"], case["seeds"]) == (8, 120, [1, 2])
    assert case["optimum_exact"] == [True, True]
    assert list(case["rules"]) == list(RULES)
    reseated = zip(case["covers_reseated"], case["covers_asked"], strict=True)
    assert all(0 < covers <= asked for covers, asked in reseated)
    for figures in case["rules"].values():
        pairs = zip(figures["covers"], case["covers_optimum"], strict=True)
        ratios = [covers / best for covers, best in pairs]
        assert 0 < figures["ratio_min"] <= figures["ratio_median"] <= figures["ratio_max"] <= 1
        assert figures["ratio_median"] == pytest.approx(sum(ratios) / 2, abs=1e-4)


def test_the_table_names_every_rule_and_what_was_possible(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highspy", reason="highspy solves the integer programs; it is in the dev group")
    monkeypatch.setenv("COLUMNS", "100")
    assert run(monkeypatch, *SMALLEST) is ExitCode.OK
    out = capfd.readouterr().out
    assert [
        name for name in ("foresight", *RULES, "moving_everybody") if name.replace("_", " ") not in out
    ] == []


def test_where_nothing_was_proven_in_time_it_says_that_a_bound_stands_for_the_best(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highspy", reason="highspy solves the integer programs; it is in the dev group")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(bench_evenings, "QUICK_SOLVER_SECONDS_MAX", 0.0)
    assert run(monkeypatch, *SMALLEST, "--quick") is ExitCode.OK
    assert "bound, 0/2 proven" in capfd.readouterr().out


def test_without_the_solver_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    assert run(monkeypatch, *SMALLEST) is ExitCode.NOT_READY
    assert "pip install 'highspy<1.16'" in capfd.readouterr().err


def test_a_profile_is_of_one_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "bench", "--profile", "--processes", "2") is ExitCode.USAGE
    assert "a single process" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option", "complaint"),
    [
        ("bench --quick plans", "--quick", "goes with the whole run"),
        ("bench --history runs compare 2031", "--history", "goes with the whole run"),
        ("bench --quick --only overload,planner_ms", "--only", "--quick leaves out overload"),
        ("bench --processes 257", "--processes", "256"),
        ("bench --callers 20001", "--callers", "20000"),
        ("bench --clients 65", "--clients", "64"),
        ("load --servers 257", "--servers", "256"),
        ("load --steady --target 127.0.0.1:1", "--steady", "goes with --rate"),
        ("load --rate inf", "--rate", "1000000"),
        ("load --duration inf", "--duration", "86400"),
        ("load --processes 65", "--processes", "64"),
        ("load --lines 1001", "--lines", "1000"),
        ("bench plans --tables 1001", "--tables", "1000"),
        ("migrate check --data-dir {folder} --database-url {nowhere}", "--data-dir", "goes without"),
        ("verify --database-url {nowhere} --tenant {tenant}", "--tenant", "a whole database"),
        ("serve --database-url {nowhere} --port 0 --data-dir {folder}", "--data-dir", "goes without"),
        ("torture --workers 0 --kills-of-workers 2", "--kills-of-workers", "goes with --workers"),
        ("torture --scenario {few} --clients 3", "--clients", "2 bookings are too few"),
    ],
)
def test_what_would_have_no_effect_or_could_not_be_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: str,
    option: str,
    complaint: str,
) -> None:
    few = tmp_path / "few.toml"
    few.write_text(
        re.sub(r"(?m)^count = .*", "count = 2", (files("loadgen") / "scenarios" / "torture.toml").read_text())
    )
    monkeypatch.setenv("COLUMNS", "200")
    words = arguments.format(few=few, folder=tmp_path, nowhere=NOWHERE, tenant=SAMPLE_TENANT).split()
    assert run(monkeypatch, *words) is ExitCode.USAGE
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "Invalid value" in line)
    assert option in line
    assert complaint in line


def test_a_data_folder_that_is_typed_is_meant_although_the_environment_has_a_database(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MAITRED_DATABASE_URL", NOWHERE)
    assert run(monkeypatch, "migrate", "check", "--data-dir", str(tmp_path)) is ExitCode.NOT_READY
    assert f"there is no database in {tmp_path}" in "".join(capfd.readouterr().err.splitlines())


async def test_a_program_that_does_not_start_ends_a_measurement_with_what_it_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Exception, match="no such port") as failed:
        async with programs.running("-c", "raise SystemExit('no such port')", sign="up", settings={}):
            pass
    assert report(failed.value) is ExitCode.NOT_READY
    assert "Traceback" not in capsys.readouterr().err
