"""Whether what was told as done can have been done: the right tables, for a hold that was live, once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loadgen.checking.clock import NS_PER_S, ServiceClock, wall_ns
from loadgen.checking.occupancy import (
    HOLD_TAKES,
    Occupancy,
    changes_booking,
    effect_on_hold,
    passes_on,
    window_of,
)
from loadgen.checking.operations import Operation
from loadgen.checking.report import Violation
from loadgen.checking.tenure import Tenure

# The tables that these calls name are those that their answer gives.
_NAMES_ITS_TABLES: Final = HOLD_TAKES | {"AssignTables", "ReassignTables", "BlockTables"}
_NEEDS_A_LIVE_HOLD: Final = frozenset({"ConfirmHold", "ExtendHold", "ReplaceHold"})


def wrong_answers(operations: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """Answers that contradict what was asked, or the hold that they are about."""
    for operation in operations:
        if not operation.is_ok:
            continue
        yield from _wrong_tables(operation)
        yield from _wrong_expiry(operation, found.clock)
        hold = found.holds.get(operation.asked.hold_id)
        if operation.method == "ConfirmHold" and hold is not None:
            yield from _not_as_held(operation, hold)
            yield from _for_an_old_need(operation, hold, found)


def dead_holds(found: Occupancy) -> Iterator[Violation]:
    """Holds that were used when they were over, or used up twice."""
    for hold in found.holds.values():
        used = [
            operation
            for operation in found.operations_of(hold)
            if operation.is_ok
            and (operation.asked.hold_id == hold.owner_id or passes_on(operation, hold))
            and operation is not hold.taken
        ]
        if used:
            yield from _used_twice(hold, used)
            yield from _used_after_its_end(hold, used, found)
            yield from _used_after_its_time(hold, used, found)


def ids_given_twice(found: Occupancy) -> Iterator[Violation]:
    """One hold or assignment that two requests are said to have made."""
    made: dict[tuple[str, str], list[Tenure]] = defaultdict(list)
    for tenure in found.tenures:
        if tenure.owner_id:
            made[tenure.kind, tenure.owner_id].append(tenure)
    for (kind, owner_id), tenures in made.items():
        if len(tenures) > 1:
            shown = tuple(call for tenure in tenures for call in tenure.taken.shown)
            yield Violation("one_id_twice", f"Two requests are said to have made {kind} {owner_id}.", shown)


def _wrong_tables(operation: Operation) -> Iterator[Violation]:
    if operation.method not in _NAMES_ITS_TABLES:
        return
    part = operation.part("hold") or operation.part("assignment") or operation.part("block")
    asked, given = sorted(set(operation.asked.table_ids)), sorted(part.get("table_ids", ()))
    if asked and asked != given:
        yield Violation(
            "wrong_tables",
            f"Tables {' '.join(asked)} were asked for, and {' '.join(given) or 'none'} were given.",
            operation.shown,
        )


def _wrong_expiry(operation: Operation, clock: ServiceClock) -> Iterator[Violation]:
    """A hold lives as long as was asked for, from the moment of its making; an extended one at least so long."""
    ttl_s, expires_at = operation.asked.ttl_s, operation.part("hold").get("expires_at")
    if ttl_s is None or not expires_at or operation.method not in HOLD_TAKES | {"ExtendHold"}:
        return
    made = (
        clock.earliest_ns(expires_at) - int(ttl_s * NS_PER_S),
        clock.latest_ns(expires_at) - int(ttl_s * NS_PER_S),
    )
    too_short = made[1] < operation.span.earliest_ns
    too_long = operation.method in HOLD_TAKES and made[0] > operation.span.latest_ns
    if too_short or too_long:
        yield Violation(
            "wrong_expiry",
            f"A life of {ttl_s:g} s was asked for; it ends {'sooner' if too_short else 'later'}: {expires_at}.",
            operation.shown,
        )


def _not_as_held(operation: Operation, hold: Tenure) -> Iterator[Violation]:
    part = operation.part("assignment")
    given = frozenset(part.get("table_ids", ()))
    shown = (*hold.taken.shown, *operation.shown)
    if part and given != hold.table_ids:
        held = " ".join(sorted(hold.table_ids or ()))
        yield Violation(
            "wrong_tables", f"Tables {held} were held, and {' '.join(sorted(given))} were assigned.", shown
        )
    if part and hold.window is not None and window_of(part, None) != hold.window:
        yield Violation(
            "wrong_window", "The tables were assigned for another window than they were held for.", shown
        )


def _for_an_old_need(operation: Operation, hold: Tenure, found: Occupancy) -> Iterator[Violation]:
    """The booking had got another window for certain, between the making of the hold and the call that confirmed it."""
    puts = [each for each in found.operations_of(hold) if changes_booking(each)]
    last = [
        put
        for put in puts
        if put.is_ok
        and hold.taken.span.latest_ns < put.span.earliest_ns
        and put.span.latest_ns < operation.span.earliest_ns
        and all(other is put or other.span.latest_ns < put.span.earliest_ns for other in puts)
    ]
    if last and window_of(last[0].part("booking"), None) != hold.window:
        yield Violation(
            "old_need",
            "The hold was made for a window that the booking no longer had when it was confirmed.",
            (*hold.taken.shown, *last[0].shown, *operation.shown),
        )


def _used_twice(hold: Tenure, used: Sequence[Operation]) -> Iterator[Violation]:
    """Only one operation can turn a hold into something else; a released hold cannot be confirmed, nor the reverse."""
    passed = [operation for operation in used if passes_on(operation, hold)]
    confirmed = [operation for operation in passed if operation.method == "ConfirmHold"]
    released = [
        operation
        for operation in used
        if operation.method == "ReleaseHold" and operation.part("hold").get("state") == "released"
    ]
    against = passed if len(passed) > 1 else [*confirmed, *released] if confirmed and released else []
    if against:
        ways = Counter(operation.method for operation in against)
        listed = " and ".join(f"{number} {method}" for method, number in ways.items())
        yield Violation(
            "hold_used_twice",
            f"Hold {hold.owner_id} cannot have been ended by more than one of these: {listed}.",
            tuple(call for operation in against for call in operation.shown),
        )


def _used_after_its_end(hold: Tenure, used: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    ended = [
        operation for operation in found.operations_of(hold) if operation.is_ok and _ends(operation, hold)
    ]
    for operation in used:
        if operation.method not in _NEEDS_A_LIVE_HOLD or operation.asked.hold_id != hold.owner_id:
            continue
        for other in ended:
            if other is not operation and other.span.latest_ns < operation.span.earliest_ns:
                yield Violation(
                    "hold_was_over",
                    f"{operation.method} succeeded after hold {hold.owner_id} had been ended by {other.method}.",
                    (*other.shown, *operation.shown),
                )


def _ends(operation: Operation, hold: Tenure) -> bool:
    """Whether the hold was over for certain when the operation was answered."""
    if operation.asked.hold_id == hold.owner_id or passes_on(operation, hold):
        return operation.method != "ExtendHold"
    began = hold.begin.latest_ns < operation.span.earliest_ns
    return began and operation is not hold.taken and effect_on_hold(operation, hold) == "ends"


def _used_after_its_time(hold: Tenure, used: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    for operation in used:
        if operation.method not in _NEEDS_A_LIVE_HOLD or operation.asked.hold_id != hold.owner_id:
            continue
        expiry = latest_expiry(hold, operation, found)
        if expiry is not None and found.clock.latest_ns(expiry) < operation.span.earliest_ns:
            yield Violation(
                "hold_was_over",
                f"{operation.method} succeeded after hold {hold.owner_id} had expired at {expiry}.",
                (*hold.taken.shown, *operation.shown),
            )


def latest_expiry(hold: Tenure, before: Operation, found: Occupancy) -> str | None:
    """When the hold expires at the latest, by what can have happened before `before` had its effect; None: unknown."""
    expiries: list[str] = [hold.taken.part("hold")["expires_at"]]
    for operation in _extensions(hold, found):
        if operation is before or operation.span.earliest_ns > before.span.latest_ns:
            continue
        if not operation.is_ok:
            return None
        expiries.append(operation.part("hold")["expires_at"])
    return max(expiries, key=wall_ns)


def earliest_expiry(hold: Tenure, before: Operation, found: Occupancy) -> str:
    """When the hold expires at the earliest, by what must have happened before `before` was sent."""
    known: list[str] = [
        operation.part("hold")["expires_at"]
        for operation in _extensions(hold, found)
        if operation.is_ok and operation.span.latest_ns <= before.span.earliest_ns
    ]
    first: str = hold.taken.part("hold")["expires_at"]
    return max([first, *known], key=wall_ns)


def _extensions(hold: Tenure, found: Occupancy) -> Iterator[Operation]:
    for operation in found.operations_of(hold):
        if operation.method == "ExtendHold" and operation.asked.hold_id == hold.owner_id:
            yield operation


def sums(found: Occupancy) -> Mapping[str, int]:
    """How many tenures of each kind were made for certain, or may have been."""
    definite = Counter(tenure.kind for tenure in found.tenures if tenure.is_definite)
    return {
        "holds": definite["hold"],
        "assignments": definite["assignment"],
        "blocks": definite["block"],
        "of_unknown_outcome": sum(not tenure.is_definite for tenure in found.tenures),
    }
