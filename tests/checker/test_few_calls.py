"""What the checker says about a few calls, where an evening rarely has the occasion. Times are in seconds."""

from dataclasses import replace
from typing import Any

import pytest

from loadgen.checking.check import check
from loadgen.checking.history import Clock, History, Recorded
from loadgen.checking.report import Report
from tests.checker.evening import MS, WALL_NS
from tests.checker.service import iso

SECOND = 1_000 * MS
WINDOW = ("2026-11-27T18:30:00+00:00", "2026-11-27T20:30:00+00:00")


def judged(*calls: Recorded) -> Report:
    """Of calls that each has a request of its own."""
    numbered = [replace(call, call=number, request_id=f"r{number}") for number, call in enumerate(calls)]
    return check(History(tuple(numbered), (Clock(0, WALL_NS),)))


def called(
    method: str, sent_s: float, told_s: float | None = None, reason: str = "", **parts: Any
) -> Recorded:
    """A call that was answered a little later, or at `told_s`; refused with a reason."""
    told_ns = int((sent_s + 0.01 if told_s is None else told_s) * SECOND)
    about = {"restaurant_id": "one", "outcome": "refused" if reason else "ok", **parts}
    return Recorded(method, invoked_ns=int(sent_s * SECOND), returned_ns=told_ns, reason=reason, **about)


def lost(call: Recorded) -> Recorded:
    """Nobody knows what came of it."""
    return replace(call, outcome="unknown", returned_ns=None, answer={})


def part(member: str, booking_id: str, tables: str, expires_s: float = 0.0) -> dict[str, Any]:
    expires_at = iso((WALL_NS + int(expires_s * SECOND)) // 1_000)
    window = {"window_start": WINDOW[0], "window_end": WINDOW[1]}
    about = {f"{member}_id": f"{member}-{booking_id}", "booking_id": booking_id, "table_ids": tables.split()}
    return {member: {**about, **window, "expires_at": expires_at, "state": "active"}}


def held(sent_s: float, expires_s: float, booking_id: str = "b", tables: str = "t1") -> Recorded:
    asked: dict[str, Any] = {"booking_id": booking_id, "table_ids": tuple(tables.split()), "window": WINDOW}
    return called("HoldTables", sent_s, **asked, answer=part("hold", booking_id, tables, expires_s))


def extended(sent_s: float, expires_s: float, told_s: float | None = None) -> Recorded:
    return called("ExtendHold", sent_s, told_s, **OF_HOLD, answer=part("hold", "b", "t1", expires_s))


def confirmed(sent_s: float) -> Recorded:
    return called("ConfirmHold", sent_s, **OF_HOLD, answer=part("assignment", "b", "t1"))


def assigned(sent_s: float, booking_id: str = "b", tables: str = "t1") -> Recorded:
    asked: dict[str, Any] = {"booking_id": booking_id, "table_ids": tuple(tables.split()), "window": WINDOW}
    return called("AssignTables", sent_s, **asked, answer=part("assignment", booking_id, tables))


OF_HOLD: dict[str, Any] = {"booking_id": "b", "hold_id": "hold-b"}
EXPIRED: dict[str, Any] = {**OF_HOLD, "reason": "HOLD_EXPIRED"}


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        # The first life is over after two seconds, and the extended one after ten.
        ((held(0, 2), extended(1, 10), confirmed(5)), {}),
        ((held(0, 2), confirmed(5)), {"hold_was_over": 1}),
        ((held(0, 2), extended(1, 10), confirmed(11)), {"hold_was_over": 1}),
        # Nobody was told whether it was extended, or how long.
        ((held(0, 2), lost(extended(1, 10)), confirmed(5)), {}),
        # What comes later does not help.
        ((held(0, 2), confirmed(5), lost(extended(6, 10))), {"hold_was_over": 1}),
        # An extension that was already over when somebody is said to be too late.
        ((held(0, 2), extended(1, 10), called("ConfirmHold", 5, **EXPIRED)), {"refused_without_cause": 1}),
        ((held(0, 2), extended(1, 10), called("ConfirmHold", 11, **EXPIRED)), {}),
        # It need not have been extended by then.
        ((held(0, 2), extended(1, 10, told_s=6), called("ConfirmHold", 5, **EXPIRED)), {}),
        # Another one's hold was.
        ((held(0, 2), held(0, 9, "c", "t2"), called("ConfirmHold", 5, **EXPIRED)), {}),
    ],
)
def test_a_hold_lives_as_long_as_its_last_extension_said(
    calls: tuple[Recorded, ...], found: dict[str, int]
) -> None:
    report = judged(*calls)
    assert report.by_rule == found, report.as_text()


def released(sent_s: float) -> Recorded:
    given_back = {"hold": {**part("hold", "b", "t1", 99)["hold"], "state": "released"}}
    return called("ReleaseHold", sent_s, **OF_HOLD, answer=given_back)


def elsewhen(call: Recorded) -> Recorded:
    """Answered with another window."""
    ((member, given),) = call.answer.items()
    return replace(call, answer={member: {**given, "window_end": "2026-11-27T21:30:00+00:00"}})


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ((held(0, 99), released(1), extended(2, 120)), {"hold_was_over"}),
        ((held(0, 99), released(1), confirmed(2)), {"hold_was_over", "hold_used_twice"}),
        # It had to end when its booking got tables.
        ((held(0, 99), assigned(1), extended(2, 120)), {"hold_was_over"}),
        ((held(0, 99), elsewhen(confirmed(1))), {"wrong_window"}),
        ((held(0, 99), held(1, 99)), {"one_id_twice"}),
        ((replace(held(0, 10), ttl_s=10.0), replace(held(0, 20, "c", "t2"), ttl_s=10.0)), {"wrong_expiry"}),
    ],
)
def test_each_of_these_calls_contradicts_the_one_before(calls: tuple[Recorded, ...], found: set[str]) -> None:
    report = judged(*calls)
    assert report.by_rule.keys() == found, report.as_text()


def test_a_booking_may_hold_what_it_has() -> None:
    grown = {
        "booking": {"status": "confirmed", "revision": 2, "window_start": WINDOW[0], "window_end": WINDOW[1]}
    }
    put = called("PutBooking", 1, booking_id="b", window=WINDOW, answer=grown)
    report = judged(assigned(0), put, held(2, 99, tables="t1 t2"))
    assert report.clean, report.as_text()


def test_a_table_given_twice_for_hours_is_told_once() -> None:
    assert judged(assigned(0), held(1, 99, "c")).by_rule == {"table_given_twice": 1}


@pytest.mark.parametrize(("restaurant_id", "dishonest"), [("one", True), ("another", False)])
def test_a_block_is_looked_for_where_it_was_made(restaurant_id: str, dishonest: bool) -> None:
    blocked = called("BlockTables", 0, table_ids=("t1",), window=WINDOW, answer=part("block", "", "t1"))
    refused = called(
        "UnblockTables", 1, reason="BLOCK_NOT_FOUND", hold_id="block-", restaurant_id=restaurant_id
    )
    assert judged(blocked, refused).by_rule == ({"refused_without_cause": 1} if dishonest else {})
