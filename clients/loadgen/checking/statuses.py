"""Whether bookings can have stood as the answers say: every step from a status that the booking may have had.

What a booking's status may have been at a moment is told by the operations that set it, or may have: one that set
another status for certain, after the first was over and before the moment came, rules the first one out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.checking.occupancy import SEATINGS, Occupancy, changes_booking
from loadgen.checking.operations import Operation, Span
from loadgen.checking.report import Violation

WAITING: Final = frozenset({"pending", "pending_allocation"})
ASSIGNABLE: Final = WAITING | {"confirmed"}
OVER: Final = frozenset({"checked_in", "completed", "cancelled", "no_show"})
STATUSES: Final = ASSIGNABLE | OVER
FOR_GOOD: Final = frozenset({"completed", "cancelled"})

# By action, the statuses that it leads from and the one that it leads to.
STEPS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "queue": (frozenset({"pending"}), "pending_allocation"),
    "check_in": (frozenset({"confirmed"}), "checked_in"),
    "complete": (frozenset({"checked_in"}), "completed"),
    "cancel": (ASSIGNABLE, "cancelled"),
    "no_show": (frozenset({"confirmed", "checked_in"}), "no_show"),
    "undo_no_show": (frozenset({"no_show"}), "confirmed"),
}
# By method, the statuses in which it can be done. AutoAssign may answer with what was done before.
_DONE_IN: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("PutBooking", "HoldTables", "ReplaceHold", "ConfirmHold", "AssignTables"), ASSIGNABLE),
    "ReassignTables": frozenset({"confirmed", "checked_in"}),
    "UnassignTables": frozenset({"confirmed"}),
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """A booking had one of these statuses at a moment of `span`; it was given it then unless it was only seen."""

    statuses: frozenset[str]
    span: Span
    operation: Operation | None = None

    @property
    def is_certain(self) -> bool:
        return self.operation is not None and self.operation.is_ok and self.operation.method != "AutoAssign"


class Statuses:
    """What the statuses of bookings may have been. At first they wait for tables."""

    def __init__(self, found: Occupancy) -> None:
        self._found = found
        self._known: dict[tuple[str, str], list[_Standing]] = {}

    def possible(self, booking: tuple[str, str], span: Span, but: Operation | None = None) -> frozenset[str]:
        """Those that the booking may have had at some moment of `span`, whatever `but` did."""
        standings = [each for each in self._standings(booking) if but is None or each.operation is not but]
        before = [each for each in standings if each.is_certain and each.span.latest_ns < span.earliest_ns]
        ended = frozenset[str]().union(*(each.statuses for each in before)) & FOR_GOOD
        if ended:
            return ended
        found: set[str] = set()
        for status in STATUSES:
            since_ns = max(
                (each.span.earliest_ns for each in before if status not in each.statuses), default=-1
            )
            if any(
                status in each.statuses
                and each.span.latest_ns >= since_ns
                and each.span.earliest_ns <= span.latest_ns
                for each in standings
            ):
                found.add(status)
        return frozenset(found)

    def of(self, operation: Operation) -> frozenset[str]:
        """Those of its booking that an operation may have met."""
        booking = (operation.asked.restaurant_id, self._found.booking_of(operation))
        return self.possible(booking, operation.span, but=operation)

    def _standings(self, booking: tuple[str, str]) -> list[_Standing]:
        if booking not in self._known:
            first = _Standing(WAITING, Span(0, 0))
            self._known[booking] = [first, *_told(self._found.bookings.get(booking, ()))]
        return self._known[booking]


def _told(operations: Sequence[Operation]) -> Iterator[_Standing]:
    for operation in operations:
        statuses = _statuses_after(operation)
        if statuses:
            yield _Standing(statuses, operation.span, operation)


def _statuses_after(operation: Operation) -> frozenset[str]:
    """What the operation made of the booking's status, or may have."""
    told = operation.part("booking").get("status")
    if told and operation.method != "AutoAssign":
        return frozenset({str(told)})
    match operation.method:
        case "TransitionBooking":
            return frozenset({STEPS[operation.asked.action][1]}) if operation.asked.action else STATUSES
        case "PutBooking":
            return WAITING
        case "UnassignTables":
            return frozenset({"pending"})
        case "ReassignTables":
            return frozenset()
        case method if method in SEATINGS:
            return frozenset({"confirmed"})
        case _:
            return frozenset()


def impossible_steps(operations: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """What was done to a booking that cannot have had a status in which it is done, and refused to one that cannot have
    had another.
    """
    statuses = Statuses(found)
    for operation in operations:
        allowed = _allowed(operation)
        if allowed is None or not found.booking_of(operation):
            continue
        if operation.is_ok:
            yield from _done_too_late(operation, statuses.of(operation), allowed)
        elif operation.reason == "INVALID_STATE_TRANSITION" and not _needs_tables_again(operation, found):
            yield from _refused_in_vain(operation, statuses.of(operation), allowed)


def _allowed(operation: Operation) -> frozenset[str] | None:
    """The statuses in which the operation can be done."""
    if operation.method == "TransitionBooking":
        return STEPS[operation.asked.action][0] if operation.asked.action else None
    return _DONE_IN.get(operation.method)


def _needs_tables_again(operation: Operation, found: Occupancy) -> bool:
    """A party does not check in on tables that were given for what it wanted before."""
    booking = (operation.asked.restaurant_id, found.booking_of(operation))
    return operation.asked.action == "check_in" and any(map(changes_booking, found.bookings.get(booking, ())))


def _done_too_late(operation: Operation, had: frozenset[str], allowed: frozenset[str]) -> Iterator[Violation]:
    led_elsewhere = operation.method == "TransitionBooking" and (
        operation.part("booking").get("status") != STEPS[operation.asked.action][1]
    )
    if led_elsewhere:
        told = operation.part("booking").get("status") or "nothing"
        yield Violation("wrong_status", f"{operation.asked.action} led to {told}.", operation.shown)
    if not had & allowed:
        yield Violation(
            "wrong_status",
            f"{_named(operation)} was done to a booking that can only have been {_listed(had)}.",
            operation.shown,
        )


def _refused_in_vain(
    operation: Operation, had: frozenset[str], allowed: frozenset[str]
) -> Iterator[Violation]:
    if had and had <= allowed:
        yield Violation(
            "refused_without_cause",
            f"INVALID_STATE_TRANSITION, but {_named(operation)} can be done to a booking that is {_listed(had)}.",
            operation.shown,
        )


def _named(operation: Operation) -> str:
    return operation.asked.action or operation.method


def _listed(statuses: frozenset[str]) -> str:
    return " or ".join(sorted(statuses)) or "nothing"
