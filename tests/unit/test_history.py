"""A history keeps what a client asked and was told, whatever becomes of the client."""

import errno
import json
import os
from pathlib import Path
from typing import get_args

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from loadgen.checking.answers import answer_of
from loadgen.checking.history import HistoryWriter, Recorded, digest_of, read_history
from loadgen.checking.lines import Step
from loadgen.checking.statuses import STEPS
from maitred.v1 import assignment_pb2, assignment_service_pb2

WINDOW = ("2026-11-27T18:00:00+00:00", "2026-11-27T20:00:00+00:00")
HOLD = {"hold_id": "h", "window_start": WINDOW[0], "window_end": WINDOW[1], "expires_at": WINDOW[0]}
ASKED = {
    **dict.fromkeys(("request_id", "restaurant_id", "booking_id", "hold_id", "request_digest"), ""),
    "line": "invoke",
    "call": 1,
    "method": "HoldTables",
    "table_ids": ["t1"],
    "window": WINDOW,
    "ttl_s": None,
    "attempt": 1,
    "invoked_ns": 10,
}
TOLD = {
    "line": "return",
    "call": 1,
    "returned_ns": 10,
    "outcome": "ok",
    "reason": "",
    "answer": {"hold": HOLD},
    "answer_digest": "",
}


def asked(request_id: str) -> Recorded:
    return Recorded("HoldTables", request_id=request_id, table_ids=("t1", "t2"), window=WINDOW, ttl_s=30.0)


def test_calls_are_read_as_they_were_told(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, 3, seed="77")
    call = writer.invoked(asked("r1"))
    told = writer.returned(call, "ok", answer={"hold": HOLD}, answer_digest=digest_of(b"bytes"))
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


def written(folder: Path, *lines: object, client: int = 1) -> None:
    """A client's file with these lines, which are values or the text itself."""
    first = {"line": "client", "client": client, "seed": ""}
    texts = (line if isinstance(line, str) else json.dumps(line) for line in (first, *lines))
    (folder / f"client-{client}.jsonl").write_text("".join(f"{text}\n" for text in texts))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no JSON", "line: Invalid JSON: "),
        ("[" * 100_000, "line: Invalid JSON: recursion limit exceeded"),
        ({}, "line: Unable to extract tag"),
        ({"line": "words"}, "line: Input tag 'words' found "),
        ([1], "line: Input should be an object"),
        ({"line": "client", "client": 1, "seed": ""}, "line: the first line, and no other, "),
        ({"line": "clock", "monotonic_ns": 1}, "wall_ns: Field required"),
        (ASKED | {"invoked_ns": "now"}, "invoked_ns: Input should be a valid integer"),
        (ASKED | {"invoked_ns": 1 << 63}, "invoked_ns: Input should be less than 9223372036854775808"),
        (ASKED | {"attempt": True}, "attempt: Input should be a valid integer"),
        (ASKED | {"method": None}, "method: Input should be a valid string"),
        # Half a pair of UTF-16, which can be shown nowhere.
        (ASKED | {"booking_id": "\ud800"}, "line: Invalid JSON: "),
        (ASKED | {"table_ids": "t1"}, "table_ids: Input should be a valid array"),
        (
            ASKED | {"window": ["2031-05-01T18:00:00", "2031-05-01T20:00:00"]},
            "window.0: Input should be an instant ",
        ),
        (ASKED | {"window": WINDOW[:1]}, "window: List should have at least 2 items"),
        (ASKED | {"ttl_s": float("nan")}, "ttl_s: Input should be a finite number"),
        (ASKED | {"action": "dance"}, "action: Input should be '', 'queue', "),
        (TOLD | {"call": 7}, "call: expected one that waits for its answer, not 7"),
        (TOLD | {"returned_ns": 9}, "returned_ns: 9 is before the call's invoked_ns, 10"),
        (TOLD | {"outcome": "fine"}, "outcome: Input should be 'ok', 'refused' or 'unknown'"),
        (TOLD | {"answer": []}, "answer: Input should be an object"),
        (TOLD | {"answer": {"assignment": None}}, "answer.assignment: Input should be an object"),
        (TOLD | {"answer": {}}, "answer.hold: is missing; expected in what HoldTables answers"),
        (
            TOLD | {"answer": {"hold": HOLD | {"expires_at": "soon"}}},
            "answer.hold.expires_at: Input should be an instant ",
        ),
        (ASKED, "call: 1 was invoked before"),
    ],
)
def test_a_line_that_no_client_writes_is_named_with_what_is_wrong(
    tmp_path: Path, line: object, said: str
) -> None:
    written(tmp_path, {"line": "clock", "monotonic_ns": 1, "wall_ns": 1}, ASKED, line)
    with pytest.raises(ValueError, match=r"client-1\.jsonl:4: ") as problem:
        read_history(tmp_path)
    assert f"client-1.jsonl:4: {said}" in str(problem.value)


def test_an_answer_comes_once(tmp_path: Path) -> None:
    written(tmp_path, ASKED, TOLD, TOLD)
    with pytest.raises(ValueError, match=r"client-1\.jsonl:4: call: "):
        read_history(tmp_path)


def test_two_files_of_one_client_are_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "client-2.jsonl").write_bytes((tmp_path / "client-1.jsonl").read_bytes())
    (tmp_path / "client-3.jsonl").touch()
    (tmp_path / "client-4.jsonl").touch()
    with pytest.raises(ValueError, match=r"client-2\.jsonl:1: client: 1 has another file, .*client-1\.jsonl"):
        read_history(tmp_path)


def test_the_steps_that_are_asked_for_are_those_that_are_checked() -> None:
    assert set(get_args(Step)) == STEPS.keys()


def test_a_line_that_finds_no_room_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = HistoryWriter(tmp_path, 3)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as problem:
            writer.invoked(Recorded("HoldTables"))
    assert problem.value.filename == str(tmp_path / "client-3.jsonl")
