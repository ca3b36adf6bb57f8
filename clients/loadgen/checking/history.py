"""What clients asked and what they were told, in files that survive the client.

A history is a folder with one file of JSON lines per client process, `client-<n>.jsonl`. A call is two lines: one
before it is sent and one after its answer came. A call without the second line is of unknown outcome. Instants are
nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share; a `clock` line now and then says what the wall
clock showed.

A call may be recorded as invoked too early and as returned too late, never the other way round.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from loadgen.checking.lines import NEEDED, checked

Outcome = Literal["ok", "refused", "unknown"]

CLOCK_EVERY_NS: Final = 1_000_000_000
_PERMISSIONS: Final = 0o644
# What is known when a call is sent; the other fields come with the answer.
_ASKED: Final = (
    "method",
    "request_id",
    "restaurant_id",
    "booking_id",
    "hold_id",
    "table_ids",
    "window",
    "ttl_s",
    "action",
    "attempt",
    "request_digest",
    "invoked_ns",
)
_TOLD: Final = ("returned_ns", "outcome", "reason", "answer", "answer_digest")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call. `client` and `call` name it; the writer gives both.

    `method` is the RPC's name, for example "HoldTables". `window` is that of the booking, start and end in ISO 8601,
    or of the block. `hold_id` is the hold, or the block, that the call acts on; one that it makes is in `answer`.
    `action` is the step that TransitionBooking is to take, as in "check_in". `attempt` counts from 1: repeats of a
    request_id are calls of their own. `request_digest` is of the request's bytes, so that a
    repeat with another payload shows. `outcome` is `refused` whenever the service or gRPC said no; `reason` is then
    the ErrorReason without its prefix, or the name of the gRPC code when there is none. `answer` is
    `answers.answer_of(response)`; `answer_digest` is of all bytes that were answered, of a refusal its details.
    """

    method: str
    client: int = 0
    call: int = 0
    request_id: str = ""
    restaurant_id: str = ""
    booking_id: str = ""
    hold_id: str = ""
    table_ids: tuple[str, ...] = ()
    window: tuple[str, str] | None = None
    ttl_s: float | None = None
    action: str = ""
    attempt: int = 1
    request_digest: str = ""
    invoked_ns: int = 0
    returned_ns: int | None = None
    outcome: Outcome = "unknown"
    reason: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    answer_digest: str = ""

    @property
    def name(self) -> str:
        """How people find the call's lines: client and number."""
        return f"{self.client}/{self.call}"


@dataclass(frozen=True, slots=True)
class Clock:
    """What the wall clock showed at an instant of the monotonic one; both in nanoseconds."""

    monotonic_ns: int
    wall_ns: int

    @property
    def offset_ns(self) -> int:
        return self.wall_ns - self.monotonic_ns


@dataclass(frozen=True, slots=True)
class History:
    """All calls by the moment they were invoked. `seed` is whatever the run was made from, if anybody said."""

    calls: tuple[Recorded, ...]
    clocks: tuple[Clock, ...] = ()
    seed: str = ""


class HistoryWriter:
    """Appends one client process's calls to its file.

    Each line is one write to the file, not kept in the process, so that a killed process loses nothing it was told.
    Threads and tasks of the process may share a writer. Raises FileExistsError when the client has a file already: a
    restarted process is a new client.
    """

    def __init__(self, folder: Path, client: int, seed: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.client = client
        self._numbers = count(1)
        self._clock_due_ns = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._path = folder / f"client-{client}.jsonl"
        self._file = os.open(self._path, flags, _PERMISSIONS)
        self._write({"line": "client", "client": client, "seed": seed})

    def invoked(self, asked: Recorded) -> Recorded:
        """Writes down the call that is about to be sent, and gives it back with its number; now is its `invoked_ns`."""
        now_ns = time.monotonic_ns()
        self._note_clock(now_ns)
        call = replace(asked, client=self.client, call=next(self._numbers), invoked_ns=now_ns)
        self._write({"line": "invoke", "call": call.call, **_parts(call, _ASKED)})
        return call

    def returned(
        self,
        call: Recorded,
        outcome: Outcome,
        *,
        reason: str = "",
        answer: Mapping[str, Any] | None = None,
        answer_digest: str = "",
        returned_ns: int | None = None,
    ) -> Recorded:
        """Writes down what the call was told; `returned_ns` is when, at the earliest, and now by default."""
        at_ns = time.monotonic_ns() if returned_ns is None else returned_ns
        told = replace(
            call,
            returned_ns=at_ns,
            outcome=outcome,
            reason=reason,
            answer=answer or {},
            answer_digest=answer_digest,
        )
        self._write({"line": "return", "call": call.call, **_parts(told, _TOLD)})
        return told

    def close(self) -> None:
        os.close(self._file)

    def _note_clock(self, now_ns: int) -> None:
        if now_ns < self._clock_due_ns:
            return
        self._clock_due_ns = now_ns + CLOCK_EVERY_NS
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        clock = {"monotonic_ns": (before_ns + after_ns) // 2, "wall_ns": wall_ns}
        self._write({"line": "clock", **clock})

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None


def digest_of(content: bytes) -> str:
    """Names bytes in a history; equal digests mean equal bytes."""
    return blake2b(content, digest_size=16).hexdigest()


def read_history(folder: Path) -> History:
    """Every client's calls.

    A last line that was cut off by the end of its process counts as never written. Raises ValueError for any other
    line that is none, which names file, line, field and what is expected, and FileNotFoundError for a folder without
    histories.
    """
    files = sorted(folder.glob("client-*.jsonl"))
    if not files:
        raise FileNotFoundError(f"no client-<n>.jsonl in {folder}")
    calls: list[Recorded] = []
    clocks: list[Clock] = []
    seed = ""
    clients: dict[int, Path] = {}
    for file in files:
        known = _ClientFile(file)
        if known.client is not None and clients.setdefault(known.client, file) is not file:
            raise ValueError(f"{file}:1: client: {known.client} has another file, {clients[known.client]}")
        calls += known.calls.values()
        clocks += known.clocks
        seed = known.seed or seed
    return History(
        tuple(sorted(calls, key=lambda call: (call.invoked_ns, call.client, call.call))), tuple(clocks), seed
    )


class _ClientFile:
    """One file, read. `client` is None where its process did not get to end a line."""

    def __init__(self, file: Path) -> None:
        self.calls: dict[int, Recorded] = {}
        self.clocks: list[Clock] = []
        self.seed = ""
        self.client: int | None = None
        # What follows the last line break is a line that its process did not get to end.
        *whole, _ = file.read_bytes().split(b"\n")
        for number, text in enumerate(whole, 1):
            try:
                self._take(checked(text), is_first=number == 1)
            except ValueError as problem:
                raise ValueError(f"{file}:{number}: {problem}") from None

    def _take(self, line: Mapping[str, Any], *, is_first: bool) -> None:
        kind = line["line"]
        if (kind == "client") != is_first:
            raise ValueError("line: the first line, and no other, is that of the client")
        if kind == "client":
            self.client, self.seed = line["client"], line["seed"]
        elif kind == "clock":
            self.clocks.append(Clock(line["monotonic_ns"], line["wall_ns"]))
        elif kind == "invoke":
            self._invoked(line)
        else:
            self._returned(line)

    def _invoked(self, line: Mapping[str, Any]) -> None:
        if line["call"] in self.calls:
            raise ValueError(f"call: {line['call']} was invoked before")
        # Older histories have no actions.
        parts = {name: line[name] for name in _ASKED if name in line}
        parts["table_ids"] = tuple(parts["table_ids"])
        parts["window"] = tuple(parts["window"]) if parts["window"] else None
        self.calls[line["call"]] = Recorded(client=self.client or 0, call=line["call"], **parts)

    def _returned(self, line: Mapping[str, Any]) -> None:
        call = self.calls.get(line["call"])
        if call is None or call.returned_ns is not None:
            raise ValueError(f"call: expected one that waits for its answer, not {line['call']}")
        if line["returned_ns"] < call.invoked_ns:
            raise ValueError(
                f"returned_ns: {line['returned_ns']} is before the call's invoked_ns, {call.invoked_ns}"
            )
        needed = NEEDED.get(call.method, "")
        if line["outcome"] == "ok" and needed and needed not in line["answer"]:
            raise ValueError(f"answer.{needed}: is missing; expected in what {call.method} answers")
        self.calls[line["call"]] = replace(call, **{name: line[name] for name in _TOLD})


def _parts(call: Recorded, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(call, name) for name in names}
