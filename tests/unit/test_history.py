"""A history keeps what a client asked and was told, whatever becomes of the client."""

import errno
import os
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from loadgen.checking.answers import answer_of
from loadgen.checking.history import HistoryWriter, Recorded, digest_of, read_history
from maitred.v1 import assignment_pb2, assignment_service_pb2


def asked(request_id: str) -> Recorded:
    window = ("2026-11-27T18:00:00+00:00", "2026-11-27T20:00:00+00:00")
    return Recorded("HoldTables", request_id=request_id, table_ids=("t1", "t2"), window=window, ttl_s=30.0)


def test_calls_are_read_as_they_were_told(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 3, seed="77")
    call = writer.invoked(asked("r1"))
    told = writer.returned(call, "ok", answer={"hold": {"hold_id": "h"}}, answer_digest=digest_of(b"bytes"))
    history = read_history(tmp_path)
    assert history.calls == (told,)
    assert (history.seed, told.name, len(history.clocks)) == ("77", "3/1", 1)
    assert told.returned_ns is not None
    assert told.invoked_ns <= told.returned_ns


def test_a_call_that_was_not_answered_is_of_unknown_outcome(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 1)
    writer.invoked(asked("r1"))
    (call,) = read_history(tmp_path).calls
    assert (call.outcome, call.returned_ns) == ("unknown", None)


def test_the_answer_whose_writing_was_cut_off_was_never_told(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 1)
    writer.returned(writer.invoked(asked("r1")), "ok")
    file = tmp_path / "client-1.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    (call,) = read_history(tmp_path).calls
    assert call.outcome == "unknown"


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 1)
    writer.invoked(asked("r1"))
    file = tmp_path / "client-1.jsonl"
    file.write_bytes(b"{torn\n" + file.read_bytes())
    with pytest.raises(ValueError, match=r"client-1\.jsonl:1"):
        read_history(tmp_path)


def test_calls_of_all_clients_come_by_the_moment_they_were_sent(tmp_path: Path) -> None:
    first, second = HistoryWriter(tmp_path, 1), HistoryWriter(tmp_path, 2)
    sent = [writer.invoked(asked("r")).name for writer in (first, second, first)]
    assert [call.name for call in read_history(tmp_path).calls] == sent


def test_an_answer_keeps_what_it_says_about_tables() -> None:
    hold = assignment_pb2.Hold(
        hold_id="h",
        booking_id="b",
        table_ids=["t"],
        state=assignment_pb2.HOLD_STATE_ACTIVE,
        expires_at=Timestamp(seconds=1_800_000_000, nanos=5_000),
    )
    answer = answer_of(assignment_service_pb2.HoldTablesResponse(hold=hold, superseded_hold_ids=["g"]))
    assert answer["hold"]["expires_at"] == "2027-01-15T08:00:00.000005+00:00"
    assert (answer["hold"]["state"], answer["hold"]["table_ids"]) == ("active", ["t"])
    assert answer["superseded_hold_ids"] == ["g"]


@pytest.mark.parametrize(
    "line", ["{}", "[1]", '{"line": "invoke", "call": 1}', '{"line": "return", "call": 7}']
)
def test_a_line_that_no_client_writes_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "client-1.jsonl").write_text(f'{{"line": "client", "client": 1, "seed": ""}}\n{line}\n')
    with pytest.raises(ValueError, match=r"client-1\.jsonl:2: "):
        read_history(tmp_path)


def test_a_line_that_finds_no_room_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = HistoryWriter(tmp_path, 3)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as problem:
            writer.invoked(Recorded("HoldTables"))
    assert problem.value.filename == str(tmp_path / "client-3.jsonl")
