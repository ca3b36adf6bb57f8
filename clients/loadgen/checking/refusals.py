"""Whether a refusal can have been true at any moment between the question and the answer.

A refusal is dishonest when nothing that any call did, or may have done, can have made it true meanwhile. Only reasons
that speak of who has what are judged; what the floor, the policy or the clock of the house forbids is not in a
history.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from loadgen.checking.occupancy import (
    Occupancy,
    changes_booking,
    effect_on_hold,
    seatings_before,
    window_of,
)
from loadgen.checking.operations import Operation
from loadgen.checking.overlaps import hours_of
from loadgen.checking.report import Violation
from loadgen.checking.successes import earliest_expiry
from loadgen.checking.tenure import Tenure, Window

_IN_THE_WAY: Final[Mapping[str, str]] = {
    "TABLE_CONFLICT_HELD": "hold",
    "TABLE_CONFLICT_ASSIGNED": "assignment",
    "TABLE_BLOCKED": "block",
}
_TAKERS: Final = frozenset(
    {
        "HoldTables",
        "ReplaceHold",
        "ConfirmHold",
        "AssignTables",
        "ReassignTables",
        "BlockTables",
        "TransitionBooking",
    }
)


@dataclass(frozen=True, slots=True)
class _Question:
    """A refusal on the grounds that something is in the way of a booking on tables, for one of the windows that the
    booking may have had.
    """

    operation: Operation
    booking_id: str
    kind: str
    table_ids: tuple[str, ...]
    windows: frozenset[Window]


def dishonest_refusals(operations: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """Every refusal that nothing can have caused."""
    refused = [operation for operation in operations if operation.outcome == "refused"]
    yield from _nothing_in_the_way(refused, found)
    for operation in refused:
        hold = found.holds.get(operation.asked.hold_id)
        wrong = _wrong(operation, hold, found)
        if wrong:
            shown = (*(hold.taken.shown if hold else ()), *operation.shown)
            yield Violation("refused_without_cause", f"{operation.reason}, but {wrong}.", shown)
    for operation in operations:
        hold = found.holds.get(operation.asked.hold_id)
        expired = operation.method == "ReleaseHold" and operation.part("hold").get("state") == "expired"
        if operation.is_ok and expired and hold is not None:
            wrong = _not_expired(operation, hold, found)
            if wrong:
                yield Violation(
                    "refused_without_cause", f"The hold is called expired, but {wrong}.", operation.shown
                )


def _wrong(operation: Operation, hold: Tenure | None, found: Occupancy) -> str:
    """Why the refusal cannot have been true; `hold` is the one that the call names, if it is known."""
    if hold is not None and operation.reason in _JUDGES_OF_HOLDS:
        return _JUDGES_OF_HOLDS[operation.reason](operation, hold, found)
    judge = _JUDGES.get(operation.reason)
    return judge(operation, found) if judge else ""


def _nothing_in_the_way(refused: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """A sweep over time with everything that may have been taken at each moment, per table and hour."""
    questions = [question for operation in refused for question in _questions(operation, found)]
    open_places = _Places(found.tenures)
    for question in sorted(questions, key=lambda each: each.operation.span.earliest_ns):
        if not open_places.has_cause(question):
            tables = " ".join(question.table_ids)
            yield Violation(
                "refused_without_cause",
                f"{question.operation.reason} on {tables}, but nobody else can have had them at the time.",
                question.operation.shown,
            )


def _questions(operation: Operation, found: Occupancy) -> Iterator[_Question]:
    kind = _IN_THE_WAY.get(operation.reason)
    if kind is None or operation.method not in _TAKERS:
        return
    asked, hold = operation.asked, found.holds.get(operation.asked.hold_id)
    tables = asked.table_ids or tuple(sorted((hold.table_ids if hold else None) or ()))
    if asked.action == "undo_no_show":
        tables = _had(operation, found)
    booking_id = found.booking_of(operation)
    windows = {window_of({}, asked.window), hold.window if hold else None}
    known = frozenset(window for window in windows if window) | found.windows_of(
        asked.restaurant_id, booking_id
    )
    if tables and known:
        yield _Question(operation, booking_id, kind, tables, known)


def _had(operation: Operation, found: Occupancy) -> tuple[str, ...]:
    """The tables that a no-show may have had; none where nobody knows them."""
    tables = [tenure.table_ids for tenure in seatings_before(operation, found)]
    return () if None in tables else tuple(sorted(frozenset().union(*(each or () for each in tables))))


class _Places:
    """What may have been taken, found by table and hour; questions come by the moment they were asked."""

    def __init__(self, tenures: Sequence[Tenure]) -> None:
        self._anywhere: list[Tenure] = []
        coming: dict[tuple[str, str, int], list[Tenure]] = defaultdict(list)
        for tenure in tenures:
            if tenure.table_ids is None or tenure.window is None:
                self._anywhere.append(tenure)
                continue
            for table_id in tenure.table_ids:
                for hour in hours_of(tenure.window):
                    coming[tenure.restaurant_id, table_id, hour].append(tenure)
        self._places = {key: _Place(tenures) for key, tenures in coming.items()}

    def has_cause(self, question: _Question) -> bool:
        restaurant_id = question.operation.asked.restaurant_id
        if any(
            tenure.restaurant_id == restaurant_id and _may_cause(tenure, question)
            for tenure in self._anywhere
        ):
            return True
        for table_id in question.table_ids:
            for hour in {hour for window in question.windows for hour in hours_of(window)}:
                place = self._places.get((restaurant_id, table_id, hour))
                if place is not None and place.has_cause(question):
                    return True
        return False


class _Place:
    """One table in one hour of the windows."""

    def __init__(self, tenures: Sequence[Tenure]) -> None:
        self._coming = sorted(tenures, key=lambda tenure: tenure.begin.earliest_ns)
        self._next = 0
        self._going: list[tuple[int, int, Tenure]] = []

    def has_cause(self, question: _Question) -> bool:
        span = question.operation.span
        while self._next < len(self._coming) and self._begins_ns(self._next) <= span.earliest_ns:
            tenure = self._coming[self._next]
            heappush(self._going, (tenure.end.latest_ns, self._next, tenure))
            self._next += 1
        while self._going and self._going[0][0] < span.earliest_ns:
            heappop(self._going)
        if any(_may_cause(tenure, question) for _, _, tenure in self._going):
            return True
        number = self._next
        while number < len(self._coming) and self._begins_ns(number) <= span.latest_ns:
            if _may_cause(self._coming[number], question):
                return True
            number += 1
        return False

    def _begins_ns(self, number: int) -> int:
        return self._coming[number].begin.earliest_ns


def _may_cause(tenure: Tenure, question: _Question) -> bool:
    span = question.operation.span
    return (
        tenure.kind == question.kind
        and tenure.taken is not question.operation
        and not (tenure.booking_id and tenure.booking_id == question.booking_id)
        and tenure.begin.earliest_ns <= span.latest_ns
        and tenure.end.latest_ns >= span.earliest_ns
        and any(tenure.may_have(table_id) for table_id in question.table_ids)
        and any(tenure.overlaps(window) for window in question.windows)
    )


def _not_expired(operation: Operation, hold: Tenure, found: Occupancy) -> str:
    expiry = earliest_expiry(hold, operation, found)
    return (
        f"its life was to last until {expiry}"
        if found.clock.earliest_ns(expiry) > operation.span.latest_ns
        else ""
    )


def _not_confirmed(operation: Operation, hold: Tenure, found: Occupancy) -> str:
    confirmed = any(
        other.method == "ConfirmHold" and other.asked.hold_id == hold.owner_id
        for other in _meanwhile(operation, hold, found)
    )
    return "" if confirmed else "nobody had asked to confirm it"


def _not_released(operation: Operation, hold: Tenure, found: Occupancy) -> str:
    released = any(
        effect_on_hold(other, hold) != "none" or hold.owner_id in other.superseded
        for other in _meanwhile(operation, hold, found)
    )
    return "" if released else "nothing had been asked that ends it"


def _not_missing(operation: Operation, hold: Tenure, found: Occupancy) -> str:
    return "the hold had been made before" if _was_there(hold, operation) else ""


def _block_not_missing(operation: Operation, found: Occupancy) -> str:
    block = found.blocks.get(operation.asked.hold_id)
    return "the block had been made before" if block and _was_there(block, operation) else ""


def _was_there(owner: Tenure, operation: Operation) -> bool:
    """Whether it had been made, in the restaurant where it was looked for, before anybody looked."""
    same = owner.restaurant_id == operation.asked.restaurant_id
    return same and owner.taken.span.latest_ns < operation.span.earliest_ns


def _not_another(operation: Operation, hold: Tenure, found: Occupancy) -> str:
    """A hold that is what the call says, of a booking that nobody changed."""
    asked = operation.asked
    if asked.booking_id != hold.booking_id or operation.method != "ConfirmHold":
        return ""
    if asked.table_ids and frozenset(asked.table_ids) != (hold.table_ids or frozenset()):
        return ""
    changing = (
        "UnassignTables",
        "ReassignTables",
        "TransitionBooking",
        "AutoAssign",
        "AssignTables",
        "ConfirmHold",
    )
    others = _meanwhile(operation, hold, found)
    changed = any(other.method in changing or changes_booking(other) for other in others)
    return (
        "" if changed else "the call names the hold's own booking and tables, and the booking was not changed"
    )


def _not_assigned(operation: Operation, found: Occupancy) -> str:
    tenures = _tenures_of_booking(operation, found)
    span = operation.span
    seated = any(
        each.kind == "assignment"
        and each.begin.earliest_ns <= span.latest_ns
        and each.end.latest_ns >= span.earliest_ns
        for each in tenures
    )
    return "" if seated else "the booking cannot have had tables at the time"


def _assigned(operation: Operation, found: Occupancy) -> str:
    span = operation.span
    seated = any(
        each.kind == "assignment"
        and each.is_definite
        and each.begin.latest_ns < span.earliest_ns
        and each.end.earliest_ns > span.latest_ns
        for each in _tenures_of_booking(operation, found)
    )
    return "the booking had tables all the time" if seated else ""


def _tenures_of_booking(operation: Operation, found: Occupancy) -> Sequence[Tenure]:
    return found.tenures_of.get((operation.asked.restaurant_id, found.booking_of(operation)), ())


def _meanwhile(operation: Operation, hold: Tenure, found: Occupancy) -> Iterator[Operation]:
    """The booking's other operations that may have had their effect after the hold began and before this was
    answered.
    """
    for other in found.operations_of(hold):
        in_time = other.span.earliest_ns <= operation.span.latest_ns
        if in_time and other is not hold.taken and other.span.latest_ns >= hold.begin.earliest_ns:
            yield other


_JUDGES_OF_HOLDS: Final[Mapping[str, Callable[[Operation, Tenure, Occupancy], str]]] = {
    "HOLD_EXPIRED": _not_expired,
    "HOLD_ALREADY_CONFIRMED": _not_confirmed,
    "HOLD_ALREADY_RELEASED": _not_released,
    "HOLD_NOT_FOUND": _not_missing,
    "HOLD_MISMATCH": _not_another,
}
_JUDGES: Final[Mapping[str, Callable[[Operation, Occupancy], str]]] = {
    "BLOCK_NOT_FOUND": _block_not_missing,
    "BOOKING_ALREADY_ASSIGNED": _not_assigned,
    "ASSIGNMENT_NOT_FOUND": _assigned,
}
