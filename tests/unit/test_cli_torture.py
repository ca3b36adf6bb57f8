"""`maitred torture`: how it ends where nothing could be judged."""

import asyncio
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from loadgen.acting.asking import Found
from loadgen.driving import ClientEndedError, HinderedError
from loadgen.driving.tally import Tally
from server.bootstrap import StartError
from server.cli import app
from server.cli.failures import ExitCode
from server.torture.run import Outcome
from server.torture.striking import Strikes
from server.torture.verdict import Promise


def run(monkeypatch: pytest.MonkeyPatch, torture: Callable[..., Awaitable[object]], folder: Path) -> ExitCode:
    """How the command ends with this in the place of a torture, and with temporary files in the folder."""
    monkeypatch.setattr("server.torture.run.torture", torture)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(sys, "argv", ["maitred", "torture", "--operations", "1000"])
    with pytest.raises(SystemExit) as ended:
        app.run()
    return ExitCode(int(ended.value.code or 0))


def test_a_torture_that_was_ended_leaves_no_history_that_nobody_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended_by_signal(_plan: object, history: Path, _tell: object) -> None:
        (history / "client-0.jsonl").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert run(monkeypatch, ended_by_signal, tmp_path) is ExitCode.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


def test_a_torture_whose_parts_do_not_start_leaves_none_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def does_not_start(*_: object) -> None:
        raise StartError("no usable PostgreSQL")

    assert run(monkeypatch, does_not_start, tmp_path) is ExitCode.NOT_READY
    assert list(tmp_path.iterdir()) == []


def came_to(*promises: Promise, missing: tuple[str, ...] = ()) -> Outcome:
    return Outcome(
        seconds=1.0,
        found=Found(Tally()),
        hold_attempts=0,
        calls={},
        strikes=Strikes(),
        beats=(),
        lost_answers=0,
        delivered=0,
        promises=promises,
        missing=missing,
    )


KEPT = Promise("overlaps", 0, "9 claims")


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (came_to(KEPT), ExitCode.OK, "kept"),
        (
            came_to(KEPT, Promise("half-done confirms", 1, "4 holds", ("h1",))),
            ExitCode.NOT_READY,
            "confirms: h1",
        ),
        (came_to(KEPT, missing=("kill PostgreSQL: 0 of 1",)), ExitCode.NOT_READY, "kill PostgreSQL: 0 of 1"),
    ],
)
def test_a_broken_promise_and_faults_that_did_not_come_end_with_7_and_keep_the_history(
    outcome: Outcome,
    code: ExitCode,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def judged(*_: object) -> Outcome:
        return outcome

    assert run(monkeypatch, judged, tmp_path) is code
    assert said in capfd.readouterr().out
    assert len(list(tmp_path.iterdir())) == (code is not ExitCode.OK)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/small/client-0.jsonl")


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (
            HinderedError("nobody answers at 127.0.0.1:7420"),
            ExitCode.UNREACHABLE,
            "nobody answers at 127.0.0.1",
        ),
        (ClientEndedError("client process 1 was killed"), ExitCode.NOT_READY, "client process 1 was killed"),
        (FULL, ExitCode.BAD_FILE, "/small/client-0.jsonl cannot be written: No space left on device"),
    ],
)
def test_what_keeps_clients_from_their_work_is_told_in_a_sentence(
    problem: Exception,
    code: ExitCode,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def hindered(*_: object) -> None:
        raise problem

    assert run(monkeypatch, hindered, tmp_path) is code
    told = capfd.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_the_history_of_a_torture_that_broke_off_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fails(*_: object) -> None:
        raise AssertionError("an invariant of the torture itself")

    assert run(monkeypatch, fails, tmp_path) is ExitCode.UNEXPECTED
    (kept,) = tmp_path.iterdir()
    assert f"the history is in {kept}" in capfd.readouterr().err.replace("\n", "")
