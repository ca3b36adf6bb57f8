"""What the checker says about a few calls, where an evening rarely has the occasion. Times are in seconds."""

from dataclasses import replace
from typing import Any

import pytest

from loadgen.checking.against_database import State
from loadgen.checking.check import check
from loadgen.checking.history import Clock, History, Recorded
from loadgen.checking.report import Report
from tests.checker.evening import MS, WALL_NS
from tests.checker.service import iso

SECOND = 1_000 * MS
WINDOW = ("2026-11-27T18:30:00+00:00", "2026-11-27T20:30:00+00:00")


def judged(*calls: Recorded, rows: State | None = None) -> Report:
    """Of calls that each has a request of its own, unless they say otherwise."""
    numbered = [
        replace(call, call=number, request_id=call.request_id or f"r{number}")
        for number, call in enumerate(calls)
    ]
    return check(History(tuple(numbered), (Clock(0, WALL_NS),)), rows)


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


NOW_AS = {"revision": 2, "window_start": WINDOW[0], "window_end": WINDOW[1]}
GROWN = called(
    "PutBooking", 1, booking_id="b", window=WINDOW, answer={"booking": {**NOW_AS, "status": "confirmed"}}
)


def step(sent_s: float, action: str, status: str = "") -> Recorded:
    """One that led to a status, or was refused."""
    about: dict[str, Any] = {"booking_id": "b", "action": action}
    if not status:
        return called("TransitionBooking", sent_s, reason="INVALID_STATE_TRANSITION", **about)
    return called(
        "TransitionBooking", sent_s, **about, answer={"booking": {"booking_id": "b", "status": status}}
    )


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
    report = judged(assigned(0), GROWN, held(2, 99, tables="t1 t2"))
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


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ((assigned(0.5), step(2, "check_in")), {"refused_without_cause": 1}),
        # It has to get tables for what it wants now.
        ((assigned(0.5), GROWN, step(2, "check_in")), {}),
        # An automatic assignment may answer with what was done before.
        (
            (
                assigned(0.5),
                step(1, "check_in", "checked_in"),
                replace(assigned(2), method="AutoAssign", table_ids=()),
                step(3, "complete", "completed"),
            ),
            {},
        ),
    ],
)
def test_a_booking_stands_as_its_calls_left_it(calls: tuple[Recorded, ...], found: dict[str, int]) -> None:
    report = judged(*calls)
    assert report.by_rule == found, report.as_text()


LATER = ("2026-11-27T19:30:00+00:00", "2026-11-27T21:30:00+00:00")


def claim(
    owner_id: str, table_id: str, window: tuple[str, str] = WINDOW, booking_id: str = "b"
) -> dict[str, Any]:
    about = {"restaurant_id": "one", "booking_id": booking_id, "expires_at": None, "kind": "assignment"}
    times = {"window_start": window[0], "window_end": window[1]}
    return {**about, **times, "owner_id": owner_id, "table_id": table_id}


def rows(*claims: dict[str, Any], assignment_id: str | None = "assignment-b") -> State:
    booking = {
        "restaurant_id": "one",
        "booking_id": "b",
        "assignment_id": assignment_id,
        "status": "confirmed",
    }
    made = {"restaurant_id": "one", "created_at": WINDOW[0]}
    hold, seats = part("hold", "b", "t1")["hold"], part("assignment", "b", "t1")["assignment"]
    taken_at = iso((WALL_NS + 9 * SECOND) // 1_000)
    return State(
        taken_at, claims, [{**made, **hold}], [{**made, **seats}] if assignment_id else [], [booking]
    )


@pytest.mark.parametrize(
    ("also", "wrong"),
    [
        ((), False),
        ((claim("assignment-b", "t2"),), True),
        ((claim("assignment-b", "t1", LATER),), True),
        ((claim("assignment-b", "t1", booking_id="c"),), True),
    ],
)
def test_whoever_has_tables_claims_those_and_no_others(also: tuple[dict[str, Any], ...], wrong: bool) -> None:
    report = judged(held(0, 2), assigned(1), rows=rows(claim("assignment-b", "t1"), *also))
    assert ("from_nowhere" in report.by_rule) is wrong, report.as_text()


def test_a_hold_leans_on_the_tables_that_its_booking_has() -> None:
    leaning = judged(assigned(0), GROWN, held(2, 99), rows=rows(claim("assignment-b", "t1")))
    assert "lost" not in leaning.by_rule, leaning.as_text()
    assert "lost" in judged(held(2, 99), rows=rows(assignment_id=None)).by_rule


def moved(sent_s: float, told_s: float, tables: str) -> Recorded:
    about: dict[str, Any] = {"booking_id": "b", "table_ids": tuple(tables.split()), "window": WINDOW}
    given = {"assignment": {**part("assignment", "b", tables)["assignment"], "assignment_id": "moved"}}
    return called("ReassignTables", sent_s, told_s, **about, answer=given)


def automatic(sent_s: float, assignment_id: str = "auto", told: str = "") -> Recorded:
    given = {**part("assignment", "b", "t1")["assignment"], "assignment_id": assignment_id}
    return called("AutoAssign", sent_s, booking_id="b", answer={"assignment": given}, answer_digest=told)


def one_request(*calls: Recorded) -> tuple[Recorded, ...]:
    return tuple(replace(call, request_id="same") for call in calls)


def slowly(call: Recorded, told_s: float) -> Recorded:
    return replace(call, returned_ns=int(told_s * SECOND))


# Somebody else has the table for a while.
MEANWHILE = (
    slowly(held(6, 99, "c"), 7),
    called(
        "ReleaseHold",
        8,
        booking_id="c",
        hold_id="hold-c",
        answer={"hold": {"hold_id": "hold-c", "state": "released"}},
    ),
)
OVERLOADED = called(
    "AssignTables", 0, reason="SERVER_OVERLOADED", booking_id="b", table_ids=("t1",), window=WINDOW
)
REUSED = called("AssignTables", 1, reason="REQUEST_ID_REUSED", booking_id="b", request_digest="another")
WAY: dict[str, Any] = {"booking_id": "c", "table_ids": ("t1",), "window": WINDOW}
IN_THE_WAY = called("HoldTables", 5, reason="TABLE_CONFLICT_HELD", **WAY)


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        # A table is handed on without a gap, by a confirm as by a move.
        ((held(0, 99), slowly(confirmed(5), 9), *MEANWHILE), {"table_given_twice"}),
        ((assigned(0.5), moved(5, 9, "t1 t2"), *MEANWHILE), {"table_given_twice"}),
        ((assigned(0.5), moved(5, 9, "t2"), *MEANWHILE), set()),
        # Who may have left may have been followed by others, who keeps its tables may not.
        ((assigned(0.5), lost(step(1, "cancel")), assigned(2, "c")), set()),
        ((assigned(0.5), lost(step(1, "check_in")), assigned(2, "c")), {"table_given_twice"}),
        ((held(0.5, 99), step(1, "cancel", "cancelled"), assigned(2, "c")), set()),
        ((held(0.5, 99), step(1, "queue", "pending_allocation"), assigned(2, "c")), {"table_given_twice"}),
        # A change may have ended the hold, and so may another hold that nobody was told of.
        ((held(0, 99), GROWN, assigned(2, "c")), set()),
        ((held(0, 99), lost(held(1, 2)), assigned(5, "c")), set()),
        # After a change there may be other tables.
        ((assigned(0.5), GROWN, replace(assigned(2, "b", "t2"), answer=moved(2, 2, "t2").answer)), set()),
        ((assigned(0.5), GROWN, lost(automatic(2)), assigned(3, "c")), set()),
        # Whoever came after all sits where the last move has put it, if it was made.
        (
            (
                assigned(0.5),
                lost(moved(1, 1, "t2")),
                step(2, "no_show", "no_show"),
                step(3, "undo_no_show", "confirmed"),
                assigned(4, "c"),
            ),
            set(),
        ),
        # What was in the way until it expired, and what may have been extended.
        ((held(0, 2), IN_THE_WAY), {"refused_without_cause"}),
        ((held(0, 2), lost(extended(1, 10)), IN_THE_WAY), set()),
        # Repeats: of an automatic assignment its assignment alone has to be the same.
        (one_request(automatic(0, told="in time"), automatic(1, told="later")), set()),
        (one_request(automatic(0), automatic(1, "other")), {"one_request_two_answers"}),
        ((automatic(0), automatic(1)), set()),
        (one_request(OVERLOADED, assigned(1)), set()),
        (one_request(assigned(0), REUSED), set()),
    ],
)
def test_what_may_have_been_is_believed_and_nothing_else(
    calls: tuple[Recorded, ...], found: set[str]
) -> None:
    report = judged(*calls)
    assert report.by_rule.keys() == found, report.as_text()
