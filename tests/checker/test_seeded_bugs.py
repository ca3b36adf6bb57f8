"""The checker on the real server: no alarm while it is whole, and a word for each bug that is sown into it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loadgen.checking.history import read_history
from server.cli.app import app
from server.cli.failures import CommandFailure, ExitCode
from tests.checker.seeded import SEEDED, checked
from tests.support.programs import run

# The others take a longer load: `python -m tests.checker.sowing`.
IN_THE_SUITE = (
    "constraint dropped",
    "own hold in the way",
    "ledger skipped",
    "member of a merge forgotten",
    "expiry early by ten seconds",
)


async def test_the_whole_server_raises_no_alarm_neither_here_nor_on_the_command_line(
    database_url: str, tmp_path: Path
) -> None:
    report = await checked(database_url, tmp_path, 1)
    assert report.clean, report.as_text()
    assert report.counts["holds"] > 5
    assert report.counts["ledger_rows"] >= report.counts["operations"]
    found = (await run("check", str(tmp_path), "--database-url", database_url, "-o", "json")).json()
    assert (found["clean"], found["database"], found["seed"]) == (True, True, "1")
    assert found["counts"]["calls"] == len(read_history(tmp_path).calls)


@pytest.mark.parametrize("name", IN_THE_SUITE)
async def test_a_bug_in_the_server_is_found(database_url: str, tmp_path: Path, name: str) -> None:
    sown = SEEDED[name]
    report = await checked(database_url, tmp_path, 1, sown, calls_max=30)
    assert sown.rules & report.by_rule.keys(), report.as_text()


def test_the_command_line_shows_what_is_wrong_and_ends_with_7(tmp_path: Path) -> None:
    (tmp_path / "client-1.jsonl").write_text("\n".join(json.dumps(line) for line in BROKEN) + "\n")
    ended = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert ended.exit_code == ExitCode.NOT_READY
    assert "1 × invariant_broken" in ended.output
    assert "4/1 HoldTables asked at 0.000000 s, booking b, tables t" in ended.output
    nothing = CliRunner().invoke(app, ["check", str(tmp_path / "elsewhere")])
    assert isinstance(nothing.exception, CommandFailure)
    assert nothing.exception.code == ExitCode.BAD_FILE


def test_rows_are_not_looked_for_where_no_restaurant_can_be(tmp_path: Path) -> None:
    lines = (line | {"restaurant_id": "r"} for line in BROKEN)
    (tmp_path / "client-1.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    ended = CliRunner().invoke(app, ["check", str(tmp_path), "--data-dir", str(tmp_path / "data")])
    assert isinstance(ended.exception, CommandFailure)
    assert ended.exception.code == ExitCode.BAD_FILE
    assert "call 4/1: restaurant_id: expected a UUID, not 'r'" in ended.exception.problem


CALL: dict[str, Any] = {
    "method": "HoldTables",
    "request_id": "r",
    "restaurant_id": "",
    "booking_id": "b",
    "hold_id": "",
}
CALL |= {
    "table_ids": ["t"],
    "window": None,
    "ttl_s": None,
    "attempt": 1,
    "request_digest": "",
    "invoked_ns": 1,
}
TOLD: dict[str, Any] = {
    "returned_ns": 2,
    "outcome": "unknown",
    "reason": "INVARIANT_BROKEN",
    "answer": {},
    "answer_digest": "",
}
BROKEN = (
    {"line": "client", "client": 4, "seed": ""},
    {"line": "clock", "monotonic_ns": 1, "wall_ns": 1},
    {"line": "invoke", "call": 1, **CALL},
    {"line": "return", "call": 1, **TOLD},
)
