"""What people read in a terminal of any width, and what becomes of what nobody reads."""

import datetime as dt
import io
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from maitred_client.messages import (
    Alternative,
    AlternativeKind,
    ErrorReason,
    Floor,
    FloorHeartbeat,
    Plan,
    WatchFloorResponse,
    Zone,
)
from server.cli import output
from server.cli.alternatives_view import alternatives_view
from server.cli.failures import CommandFailure, ExitCode, report
from server.cli.floor_watching import print_changes
from server.cli.output_files import make_room

EVENT = "581da4e1-6a13-437b-868e-a517dfe3c0aa"
PROBLEM = "the receiver answered 410 and wants no more of these"


def test_a_program_that_is_not_on_the_path_is_told_as_a_shell_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in two words" / "bin"
    folder.mkdir(parents=True)
    (folder / "maitred").touch()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "")
    assert shlex.split(output.typed("maitred")) == [str(folder / "maitred")]
    monkeypatch.chdir(folder.parent)
    assert output.typed("maitred") == "bin/maitred"


@pytest.fixture(params=["1", "40", "80"])
def narrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", request.param)
    output.results.cache_clear()
    yield
    output.results.cache_clear()


@pytest.mark.usefixtures("narrow")
def test_what_may_not_be_wrapped_is_never_cut_off_and_hides_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    committed = "2026-11-22 08:08:48 UTC"
    columns = ("Event", "Status", "Type", "Committed", "Last error")
    row = (EVENT, "dead", "capacity.booking.transitioned", committed, PROBLEM)
    output.show(output.grid(columns, [row], kept=4))
    printed = capsys.readouterr().out
    first = next(line for line in printed.splitlines() if EVENT in line)
    assert all(value in first for value in row[:4])
    assert all(word in printed for word in PROBLEM.split())


@pytest.mark.parametrize("narrow", ["80"], indirect=True)
@pytest.mark.usefixtures("narrow")
def test_what_a_party_could_have_instead_fits_a_terminal_without_a_broken_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reasons = ["COMBINATION_TOO_LARGE", "SLACK_BUDGET_EXCEEDED"]
    plan = Plan(
        table_names=["W1", "W2", "W3"],
        zone_id="1",
        relaxed=map(ErrorReason.Value, (f"ERROR_REASON_{each}" for each in reasons)),
    )
    instead = Alternative(kind=AlternativeKind.ALTERNATIVE_KIND_OTHER_ZONE, plan=plan)
    output.show(alternatives_view([instead], Floor(zones=[Zone(zone_id="1", name="Terrace")]), dt.UTC))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert {"sit", "another", "Terrace", *reasons} <= set(printed.replace(",", " ").split())


@pytest.mark.parametrize("narrow", ["40"], indirect=True)
@pytest.mark.usefixtures("narrow")
def test_columns_that_want_more_than_there_is_share_it(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.grid(("One", "Other", "Short"), [("a " * 40, "b " * 40, "c d e")], kept=0))
    first = capsys.readouterr().out.splitlines()[1]
    assert len(first) == 40
    assert "c d e" in first
    assert first.count("a") == first.count("b") == 8


@pytest.mark.usefixtures("narrow")
def test_a_fact_is_never_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.facts([("maitred plan --party 4 --start 20:00", f"{EVENT} is confirmed")]))
    printed = capsys.readouterr().out
    assert "maitred plan --party 4 --start 20:00" in printed
    assert EVENT in printed


def test_what_stands_between_colons_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    report(CommandFailure(ExitCode.UNREACHABLE, "maitred:abc: no answer", "Check maitred:abc: or not."))
    output.show("a :smile: [dim]and[/] a", output.grid(("Table",), [(":x:",)]))
    printed = capsys.readouterr()
    assert printed.err.count("maitred:abc:") == 2
    assert printed.out.split() == ["a", ":smile:", "and", "a", "Table", ":x:"]


def test_a_log_that_found_no_room_for_a_line_goes_on_when_there_is_room_again() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader) as lines, os.fdopen(writer, "w") as piped:
        log = output.Stream(piped, has_results=False)
        filled = os.write(writer, bytes(1_000_000))
        log.write("a line without room\n")
        log.flush()
        lines.read(filled)
        log.write("a line with room\n")
        log.flush()
        assert "a line with room\n" in [lines.readline(), lines.readline()]


async def test_a_watch_that_nobody_reads_any_more_ends_while_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    heard: list[int] = []

    async def quiet() -> AsyncIterator[WatchFloorResponse]:
        for beat in range(1, 4):
            heard.append(beat)
            if beat == 2:
                os.close(reader)
            yield WatchFloorResponse(heartbeat=FloorHeartbeat(floor_version=beat))

    with os.fdopen(writer, "w") as piped:
        monkeypatch.setattr("sys.stdout", piped)
        await print_changes(quiet())
    assert heard == [1, 2]


@pytest.mark.parametrize("form", [output.Format.JSON, output.Format.JSONL])
def test_json_loses_no_character_where_a_stream_cannot_take_it(
    form: output.Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii", errors="replace"))
    output.write_json({"name": "窓際"}, form)
    assert json.loads(raw.getvalue()) == {"name": "窓際"}


def test_room_for_a_file_is_made_without_the_file_and_there_is_none_for_one_that_cannot_be_written(
    tmp_path: Path,
) -> None:
    make_room(tmp_path / "new" / "page.html", None)
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(CommandFailure, match="new cannot be written: Is a directory"):
        make_room(tmp_path / "new")
