"""What is wrong after a run is found, and what is right is not."""

import io
import logging
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from loadgen.checking.against_database import State
from loadgen.checking.history import Clock, History, Recorded, digest_of
from server.domain.invariants import InvariantCheck, InvariantCounts, InvariantReport, InvariantViolation
from server.persistence.torture import Rows
from server.telemetry.logs import LogForm, configure_logs
from server.torture.answers import LostAnswers
from server.torture.house import SETTINGS
from server.torture.receiver import Receiver
from server.torture.schedule import Kind
from server.torture.verdict import Evidence, calls_by_outcome, enough_faults, promise, promises
from server.torture.watching import Watcher
from tests.support.logs import unconfigured_logs

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
COUNTS = InvariantCounts(*[0] * 8)
CHECKS = ("no_overlap", "assignments_match_claims", "one_event_per_change", "epochs_in_order")
REFUSED = Recorded(
    "HoldTables", 0, 1, "refused once", outcome="refused", reason="TABLE_CONFLICT_HELD", returned_ns=2
)
CONFIRMED = Recorded(
    "ConfirmHold",
    0,
    2,
    "confirmed",
    invoked_ns=3,
    returned_ns=4,
    outcome="ok",
    answer={"assignment": {"assignment_id": "a1"}},
    answer_digest=digest_of(b"yes"),
)
CLOCKS = (Clock(0, 10**18),)
CLAIM = {
    "restaurant_id": "r",
    "table_id": "t1",
    "window_start": NOW.isoformat(),
    "window_end": (NOW + timedelta(hours=2)).isoformat(),
    "kind": "assignment",
    "owner_id": "a1",
    "booking_id": "b1",
    "expires_at": None,
}
EVENTS = {"e1": ("r", 1, 1), "e2": ("r", 2, 1)}


def report(broken: str = "") -> InvariantReport:
    found = (InvariantViolation("found"),)
    checks = (
        InvariantCheck(name, "always", int(name == broken), found if name == broken else ())
        for name in CHECKS
    )
    return InvariantReport(tuple(checks), COUNTS, NOW)


def evidence() -> Evidence:
    answers = LostAnswers(random.Random(1), digest_of)
    answers.add("confirmed", b"yes")
    # A question, whose first field is the same restaurant every time.
    answers.add("r", b"one state")
    answers.add("r", b"another")
    receiver = Receiver()
    for event_id in ("e1", "e2", "e1"):
        receiver.take(event_id, "r")
    rows = Rows(frozenset({"a1"}), (), EVENTS)
    return Evidence(
        History((REFUSED, CONFIRMED), CLOCKS),
        State(NOW.isoformat()),
        report(),
        rows,
        answers,
        receiver,
        (Watcher("r"),),
        {"server": ""},
    )


def with_call(**changed: object) -> Callable[[Evidence], Evidence]:
    def change(found: Evidence) -> Evidence:
        call = replace(CONFIRMED, call=3, **changed)  # type: ignore[arg-type] # fields of a record
        return replace(found, history=History((REFUSED, CONFIRMED, call), CLOCKS))

    return change


def with_rows(**changed: object) -> Callable[[Evidence], Evidence]:
    return lambda found: replace(found, rows=replace(found.rows, **changed))  # type: ignore[arg-type] # its fields


def with_two_told(found: Evidence) -> Evidence:
    """Neither of them was lost."""
    found.answers.digests.clear()
    return with_call(answer_digest=digest_of(b"no"), attempt=2)(found)


def with_lost(found: Evidence) -> Evidence:
    found.answers.digests["confirmed"] = digest_of(b"no")
    return found


def with_two_lost(found: Evidence) -> Evidence:
    found.answers.add("confirmed", b"no")
    return found


def names_of_broken(found: Evidence) -> set[str]:
    # What the checker of histories finds has its own tests.
    kept = promises(found, delivering=True)
    return {each.name for each in kept if not each.kept} - {"answers that contradict each other"}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda found: replace(found, report=report("no_overlap")), "overlaps"),
        (lambda found: replace(found, report=report("assignments_match_claims")), "half-done confirms"),
        (lambda found: replace(found, report=report("one_event_per_change")), "changes without their events"),
        (lambda found: replace(found, report=report("epochs_in_order")), "other contradictions in the rows"),
        (with_rows(made=frozenset()), "lost acknowledged holds and confirms"),
        (with_rows(repeated=("confirmed",)), "second effects of retried calls"),
        (with_lost, "retried calls with another answer"),
        (with_two_lost, "retried calls with another answer"),
        (with_two_told, "retried calls with another answer"),
        (with_call(answer_digest=digest_of(b"no"), attempt=2), "retried calls with another answer"),
        (
            with_call(
                method="HoldTables",
                request_id="h",
                answer={"hold": {"hold_id": "h1", "expires_at": CLAIM["window_end"]}},
            ),
            "lost acknowledged holds and confirms",
        ),
        *(
            (with_call(request_id="x", outcome=outcome, reason=reason), "INTERNAL, UNKNOWN and their like")
            for outcome, reason in (
                ("refused", "INTERNAL"),
                ("refused", "INVARIANT_BROKEN"),
                ("unknown", "UNKNOWN"),
                ("refused", "DATA_LOSS"),
            )
        ),
        (with_rows(committed={**EVENTS, "e3": ("r", 3, 1)}), "events lost, invented or out of order"),
        (with_rows(committed={"e1": ("r", 1, 1)}), "events lost, invented or out of order"),
        (
            with_rows(committed={"e1": ("r", 2, 1), "e2": ("r", 1, 1)}),
            "events lost, invented or out of order",
        ),
        (
            lambda found: replace(found, state=State(NOW.isoformat(), [CLAIM])),
            "watchers with a gap or a wrong picture",
        ),
        (
            lambda found: replace(found, watchers=(Watcher("r", gap="2 came after 0"),)),
            "watchers with a gap or a wrong picture",
        ),
        (
            lambda found: replace(found, logs={"server": '{"level": "critical"}'}),
            "programs that found a fault in themselves",
        ),
        (
            lambda found: replace(found, logs={"server": "Traceback (most recent call last):"}),
            "programs that found a fault in themselves",
        ),
    ],
)
def test_what_is_wrong_breaks_the_promise_that_it_belongs_to(
    change: Callable[[Evidence], Evidence], name: str
) -> None:
    assert names_of_broken(evidence()) == set()
    assert names_of_broken(change(evidence())) == {name}


@pytest.mark.parametrize(
    "change",
    [
        with_call(method="AutoAssign", request_id="auto"),
        with_call(outcome="unknown", reason="UNAVAILABLE", answer={}, answer_digest="none"),
        lambda found: replace(found, logs={"server": "serving on 127.0.0.1:7420"}),
        lambda found: replace(found, receiver=Receiver()),
    ],
)
def test_what_is_right_breaks_no_promise(change: Callable[[Evidence], Evidence]) -> None:
    found = change(evidence())
    found.answers.add("auto", b"out of time")
    kept = promises(found, delivering=bool(found.receiver.received))
    assert {each.name for each in kept if not each.kept} <= {"answers that contradict each other"}


def test_what_no_true_service_can_have_told_or_stored_breaks_the_first_promise() -> None:
    said = Recorded("GetBooking", outcome="refused", reason="INVARIANT_BROKEN", returned_ns=1)
    twice = [CLAIM, {**CLAIM, "owner_id": "a2"}]
    nothing = replace(evidence(), history=History((), CLOCKS))
    for found, rules in (
        (nothing, []),
        (replace(nothing, history=History((said,), CLOCKS)), ["invariant_broken"]),
        (replace(nothing, state=State(NOW.isoformat(), twice)), ["claims_overlap"]),
    ):
        first, *_ = promises(found, delivering=False)
        assert (first.name, first.found) == ("answers that contradict each other", len(rules))
        assert [sentence.partition(":")[0] for sentence in first.wrong] == rules


def test_of_many_sentences_all_are_counted_and_the_first_shown() -> None:
    broken = promise("name", "what", map(str, range(9)))
    assert (broken.found, broken.kept, broken.wrong) == (9, False, ("0", "1", "2", "3", "4"))


def fails() -> None:
    raise LookupError("nobody")


def says_critical(log: structlog.stdlib.BoundLogger) -> None:
    log.critical("service_ended", service="sweeper")


def tells_an_error(log: structlog.stdlib.BoundLogger) -> None:
    try:
        fails()
    except LookupError:
        log.exception("round_failed", service="sweeper")


def has_lost_a_task(_: structlog.stdlib.BoundLogger) -> None:
    """As asyncio says it, at the latest when the task is cleared away."""
    try:
        fails()
    except LookupError as error:
        logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)


def is_hindered(log: structlog.stdlib.BoundLogger) -> None:
    log.error("event_dead", error="nobody answers")


@pytest.mark.parametrize(
    ("says", "kept"),
    [(says_critical, False), (tells_an_error, False), (has_lost_a_task, False), (is_hindered, True)],
)
def test_what_programs_say_when_the_code_is_at_fault_is_found_in_their_logs(
    says: Callable[[structlog.stdlib.BoundLogger], None], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with unconfigured_logs():
        configure_logs(LogForm(SETTINGS["MAITRED_LOG_FORMAT"]), SETTINGS["MAITRED_LOG_LEVEL"])
        says(structlog.get_logger())
    found = promises(replace(evidence(), logs={"servers": written.getvalue()}), delivering=True)
    assert written.getvalue()
    assert found[-1].kept is kept


@pytest.mark.parametrize(
    ("happened", "missing"),
    [
        ({Kind.KILL_SERVER: 2, Kind.KILL_POSTGRES: 1, Kind.STALL_CALLS: 2, Kind.JUMP_CLOCK: 1}, []),
        (
            {Kind.KILL_SERVER: 1, Kind.KILL_POSTGRES: 3, Kind.STALL_CALLS: 3},
            ["kill a server process: 1 of 2"],
        ),
        ({Kind.KILL_SERVER: 2, Kind.STALL_CALLS: 2}, ["kill PostgreSQL: 0 of 1", "disturbances: 2 of 3"]),
    ],
)
def test_a_run_with_fewer_faults_than_wanted_says_which_are_missing(
    happened: dict[Kind, int], missing: list[str]
) -> None:
    assert list(enough_faults({Kind.KILL_SERVER: 2, Kind.KILL_POSTGRES: 1}, 3, happened)) == missing


def test_calls_are_counted_by_what_they_came_to() -> None:
    assert calls_by_outcome((REFUSED, CONFIRMED, CONFIRMED)) == {
        "HoldTables": {"TABLE_CONFLICT_HELD": 1},
        "ConfirmHold": {"ok": 2},
    }
