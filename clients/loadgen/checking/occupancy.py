"""Who had which table when, as far as the answers tell.

What ends a tenure for certain narrows its end from above; whatever may have ended it narrows it from below. Both are
taken so that the true moment is always inside, whichever order the service chose.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from loadgen.checking.clock import ServiceClock, wall_ns
from loadgen.checking.operations import NEVER_NS, Operation, Span
from loadgen.checking.tenure import Kind, Tenure, Window

HOLD_TAKES: Final = frozenset({"HoldTables", "ReplaceHold"})
SEATINGS: Final = frozenset({"ConfirmHold", "AssignTables", "ReassignTables", "AutoAssign"})
_ABOUT_ONE_HOLD: Final = frozenset({"ExtendHold", "ReleaseHold"})
LETS_HOLDS_LIVE: Final = frozenset({"pending", "pending_allocation", "confirmed"})
GIVES_UP_TABLES: Final = frozenset({"cancelled", "no_show"})
KEEPS_TABLES: Final = frozenset({"queue", "check_in"})

Effect = Literal["none", "possible", "ends"]


@dataclass
class Occupancy:
    """All tenures, and the operations of each booking by when they were first sent."""

    clock: ServiceClock
    tenures: list[Tenure] = field(default_factory=list)
    holds: dict[str, Tenure] = field(default_factory=dict)
    assignments: dict[str, Tenure] = field(default_factory=dict)
    blocks: dict[str, Tenure] = field(default_factory=dict)
    bookings: dict[tuple[str, str], list[Operation]] = field(default_factory=lambda: defaultdict(list))
    naming: dict[str, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    common: dict[tuple[str, str], list[Operation]] = field(default_factory=lambda: defaultdict(list))
    windows: dict[tuple[str, str], frozenset[Window]] = field(default_factory=dict)
    tenures_of: dict[tuple[str, str], list[Tenure]] = field(default_factory=lambda: defaultdict(list))

    def booking_of(self, operation: Operation) -> str:
        """The booking that an operation is about: as asked, or that of the hold it names."""
        hold = self.holds.get(operation.asked.hold_id)
        return operation.asked.booking_id or (hold.booking_id if hold else "")

    def windows_of(self, restaurant_id: str, booking_id: str) -> frozenset[Window]:
        """Every window that the booking was put for, as far as calls tell. Whoever asks may know an older one."""
        return self.windows.get((restaurant_id, booking_id), frozenset())

    def operations_of(self, tenure: Tenure) -> Sequence[Operation]:
        """Those of the tenure's booking that have to do with it: that name a hold or end it, or end whatever there is.

        A booking may have thousands of holds, and each of them only a few such operations.
        """
        if tenure.kind == "block":
            return self.naming.get(tenure.owner_id, [])
        common = self.common.get((tenure.restaurant_id, tenure.booking_id), [])
        named = self.naming.get(tenure.owner_id, []) if tenure.kind == "hold" else []
        return (
            sorted({id(each): each for each in (*named, *common)}.values(), key=_sent_ns) if named else common
        )


def occupancy_of(operations: Iterable[Operation], clock: ServiceClock) -> Occupancy:
    """What the operations say; `operations` in the order in which they were first sent."""
    found = Occupancy(clock)
    done = [operation for operation in operations if operation.outcome != "refused"]
    for operation in done:
        if operation.is_ok and operation.part("hold") and operation.method in HOLD_TAKES:
            _add(found, _hold(operation, found))
    for operation in done:
        found.bookings[operation.asked.restaurant_id, found.booking_of(operation)].append(operation)
    _index(found)
    found.windows = {booking: _windows(operations) for booking, operations in found.bookings.items()}
    # What is seated again sits where it sat: what gave it those tables has to be known first.
    for operation in sorted(done, key=lambda each: each.method == "TransitionBooking"):
        tenure = _taken(operation, found)
        if tenure is not None:
            _add(found, tenure)
    _set_ends(found)
    return found


def window_of(part: dict[str, Any], asked: tuple[str, str] | None) -> Window | None:
    """As answered, or else as asked for."""
    if part.get("window_start"):
        return wall_ns(part["window_start"]), wall_ns(part["window_end"])
    return None if asked is None else (wall_ns(asked[0]), wall_ns(asked[1]))


def _index(found: Occupancy) -> None:
    """By the hold or block that they name or ended, and by booking those that may concern more than that one hold."""
    for booking, operations in found.bookings.items():
        for operation in operations:
            for hold_id in {operation.asked.hold_id, *operation.superseded} - {""}:
                found.naming[hold_id].append(operation)
            plain = operation.method in HOLD_TAKES and operation.is_ok
            if not plain and operation.method not in _ABOUT_ONE_HOLD:
                found.common[booking].append(operation)


def _sent_ns(operation: Operation) -> int:
    return operation.span.earliest_ns


def _windows(operations: Iterable[Operation]) -> frozenset[Window]:
    puts = [operation for operation in operations if operation.method == "PutBooking"]
    windows = (window_of(operation.part("booking"), operation.asked.window) for operation in puts)
    return frozenset(window for window in windows if window)


def _taken(operation: Operation, found: Occupancy) -> Tenure | None:
    """The tenure that the operation began or may have begun, except holds that were answered."""
    if operation.method in HOLD_TAKES:
        return None if operation.part("hold") else _hold(operation, found)
    if operation.method in SEATINGS or (
        operation.method == "UnassignTables" and operation.part("assignment")
    ):
        return _assignment(operation, found)
    if operation.method == "TransitionBooking":
        return _seated_again(operation, found)
    if operation.method == "BlockTables":
        return _tenure("block", operation, operation.part("block"), "", found)
    return None


def _hold(operation: Operation, found: Occupancy) -> Tenure:
    part = operation.part("hold")
    booking_id = part.get("booking_id") or found.booking_of(operation)
    tenure = _tenure("hold", operation, part, booking_id, found)
    if part:
        tenure.expires_at = (part["expires_at"],)
    return tenure


def _assignment(operation: Operation, found: Occupancy) -> Tenure | None:
    part = operation.part("assignment")
    if operation.is_ok and not part:
        return None
    known = found.assignments.get(part.get("assignment_id", ""))
    if known is not None and "AutoAssign" in (operation.method, known.taken.method):
        _seen_again(known, operation)
        return None
    tenure = _tenure("assignment", operation, part, found.booking_of(operation), found)
    held = found.holds.get(operation.asked.hold_id)
    if held is not None and not part:
        tenure.table_ids, tenure.window = held.table_ids, held.window
    return tenure


def _seen_again(known: Tenure, operation: Operation) -> None:
    """Another call's answer names the same assignment: it was made before the earlier of the two answers."""
    begin, span = known.begin, operation.span
    known.begin = Span(min(begin.earliest_ns, span.earliest_ns), min(begin.latest_ns, span.latest_ns))


def _seated_again(operation: Operation, found: Occupancy) -> Tenure | None:
    """A no-show that came after all may have its tables back, and its answer doesn't name them."""
    if operation.is_ok and operation.part("booking").get("status") != "confirmed":
        return None
    if not operation.is_ok and operation.asked.action not in ("", "undo_no_show"):
        return None
    had = seatings_before(operation, found)
    if not had:
        return None
    tenure = _tenure("assignment", operation, {}, found.booking_of(operation), found)
    places = {(each.table_ids, each.window) for each in had}
    (tables, window), *others = places
    if (
        others
        or tables is None
        or window is None
        or found.windows_of(tenure.restaurant_id, tenure.booking_id) - {window}
    ):
        known = [each.table_ids for each in had if each.table_ids is not None]
        tables, window = frozenset().union(*known), None
        tenure.begin = Span(operation.span.earliest_ns, NEVER_NS)
    tenure.table_ids, tenure.window = tables, window
    return tenure


def seatings_before(operation: Operation, found: Occupancy) -> list[Tenure]:
    """The assignments one of which was its booking's last when the operation had its effect."""
    booking = (operation.asked.restaurant_id, found.booking_of(operation))
    span = operation.span
    made = [
        each
        for each in found.tenures_of.get(booking, ())
        if each.kind == "assignment" and each.taken.method != "TransitionBooking"
    ]
    certain = [each for each in made if each.is_definite and each.begin.latest_ns < span.earliest_ns]
    since_ns = max((each.begin.earliest_ns for each in certain), default=0)
    return [
        each for each in made if each.begin.earliest_ns <= span.latest_ns and each.begin.latest_ns >= since_ns
    ]


def _tenure(
    kind: Kind, operation: Operation, part: dict[str, Any], booking_id: str, found: Occupancy
) -> Tenure:
    asked = operation.asked
    tables = part.get("table_ids") or asked.table_ids
    window = window_of(part, asked.window)
    known = found.windows_of(asked.restaurant_id, booking_id)
    return Tenure(
        kind,
        part.get(f"{kind}_id", ""),
        asked.restaurant_id,
        booking_id,
        frozenset(tables) if tables else None,
        # Without an answer it may be for any window that the booking was put for.
        window if part or known <= {window} else None,
        operation,
        operation.span,
    )


def _add(found: Occupancy, tenure: Tenure) -> None:
    found.tenures.append(tenure)
    found.tenures_of[tenure.restaurant_id, tenure.booking_id].append(tenure)
    if tenure.owner_id and tenure.kind == "hold":
        found.holds[tenure.owner_id] = tenure
    elif tenure.owner_id and tenure.kind == "assignment":
        found.assignments[tenure.owner_id] = tenure
    elif tenure.owner_id:
        found.blocks[tenure.owner_id] = tenure


def _set_ends(found: Occupancy) -> None:
    taken = {id(tenure.taken): tenure for tenure in found.tenures}
    for tenure in found.tenures:
        if not tenure.is_definite:
            tenure.end = Span(tenure.begin.earliest_ns, NEVER_NS)
        elif tenure.kind == "hold":
            _set_end_of_hold(tenure, found, taken)
        else:
            _set_end(tenure, _enders(tenure, found), taken)


def _set_end_of_hold(hold: Tenure, found: Occupancy, taken: dict[int, Tenure]) -> None:
    operations = found.operations_of(hold)
    extended = [
        each for each in operations if each.method == "ExtendHold" and each.asked.hold_id == hold.owner_id
    ]
    known = [each.part("hold")["expires_at"] for each in extended if each.is_ok]
    hold.expires_at = (*hold.expires_at, *known)
    passed = next((each for each in operations if passes_on(each, hold)), None)
    if passed is not None:
        begun_ns = max(passed.span.earliest_ns, hold.begin.earliest_ns)
        hold.end, hold.ended = Span(begun_ns, passed.span.latest_ns), passed
        hold.next = taken.get(id(passed))
        return
    _set_end(hold, _enders(hold, found), taken)
    expiry = max(hold.expires_at, key=wall_ns)
    unknown = any(not each.is_ok for each in extended)
    lived_ns = max((each.span.earliest_ns for each in extended if each.is_ok), default=0)
    earliest_ns = min(hold.end.earliest_ns, found.clock.earliest_ns(expiry))
    latest_ns = hold.end.latest_ns if unknown else min(hold.end.latest_ns, found.clock.latest_ns(expiry))
    hold.end = Span(max(earliest_ns, lived_ns), latest_ns)


def passes_on(operation: Operation, hold: Tenure) -> bool:
    """Whether the answer says that this operation ended the hold, which was live until then."""
    if not operation.is_ok:
        return False
    if operation.method in ("ConfirmHold", "ReplaceHold") and operation.asked.hold_id == hold.owner_id:
        return True
    return hold.owner_id in operation.superseded


def _set_end(tenure: Tenure, enders: Iterable[tuple[Operation, Effect]], taken: dict[int, Tenure]) -> None:
    earliest_ns = latest_ns = NEVER_NS
    count = 0
    for operation, effect in enders:
        count += 1
        at_ns = max(operation.span.earliest_ns, tenure.begin.earliest_ns)
        if at_ns < earliest_ns:
            earliest_ns, tenure.ended = at_ns, operation
        if effect == "ends":
            latest_ns = min(latest_ns, operation.span.latest_ns)
    tenure.end = Span(earliest_ns, latest_ns)
    if count == 1 and latest_ns < NEVER_NS and tenure.kind == "assignment":
        tenure.next = taken.get(id(tenure.ended))


def _enders(tenure: Tenure, found: Occupancy) -> Iterator[tuple[Operation, Effect]]:
    """What ended the tenure or may have, unless it was over before the tenure began."""
    operations = found.operations_of(tenure)
    changed = any(changes_booking(operation) for operation in operations)
    for operation in operations:
        if operation is tenure.taken or operation.span.latest_ns < tenure.begin.earliest_ns:
            continue
        match tenure.kind:
            case "hold":
                effect = effect_on_hold(operation, tenure)
            case "assignment":
                effect = _effect_on_assignment(operation, tenure, found.clock, changed=changed)
            case _:
                effect = _effect_on_block(operation, tenure)
        named = bool(operation.asked.hold_id) and operation.asked.hold_id == tenure.owner_id
        if effect == "ends" and not named and operation.span.earliest_ns < tenure.begin.latest_ns:
            effect = "possible"
        if effect != "none":
            yield operation, effect


def changes_booking(operation: Operation) -> bool:
    """Whether it put a booking that was there before, or may have."""
    return operation.method == "PutBooking" and operation.part("booking").get("revision") != 1


def effect_on_hold(operation: Operation, hold: Tenure) -> Effect:
    """What an operation does to a live hold of its booking; refused ones do nothing and are not asked about."""
    ends: Effect = "ends" if operation.is_ok else "possible"
    if operation.asked.hold_id == hold.owner_id:
        return "none" if operation.method == "ExtendHold" else ends
    match operation.method:
        case "HoldTables" | "ReplaceHold":
            # An answer names the holds that gave way.
            shared = hold.table_ids is None or bool(hold.table_ids & set(operation.asked.table_ids))
            return "possible" if shared and not operation.is_ok else "none"
        case "ConfirmHold" | "AssignTables" | "ReassignTables":
            return ends
        case "AutoAssign":
            return "possible"
        case "PutBooking":
            return "possible" if changes_booking(operation) else "none"
        case "TransitionBooking":
            lives = operation.is_ok and operation.part("booking").get("status") in LETS_HOLDS_LIVE
            return "none" if lives else ends
        case _:
            return "none"


def _effect_on_assignment(
    operation: Operation, assignment: Tenure, clock: ServiceClock, *, changed: bool
) -> Effect:
    """`changed` says that the booking may have got another time or party: then it may be given tables again."""
    ends: Effect = "ends" if operation.is_ok else "possible"
    match operation.method:
        case "UnassignTables" | "ReassignTables":
            return ends
        case "ConfirmHold" | "AssignTables":
            return ends if changed else "none"
        case "AutoAssign":
            return "possible" if changed else "none"
        case "TransitionBooking":
            return _effect_of_step(operation, assignment, clock)
        case _:
            return "none"


def _effect_of_step(operation: Operation, assignment: Tenure, clock: ServiceClock) -> Effect:
    """A party that leaves gives back what is left of its window, which is all of it before it has begun."""
    if not operation.is_ok:
        return "none" if operation.asked.action in KEEPS_TABLES else "possible"
    status = operation.part("booking").get("status")
    if status in GIVES_UP_TABLES:
        return "ends"
    if status != "completed":
        return "none"
    unbegun = assignment.window is not None and (
        clock.earliest_of(assignment.window[0]) > operation.span.latest_ns
    )
    return "ends" if unbegun else "possible"


def _effect_on_block(operation: Operation, block: Tenure) -> Effect:
    if operation.method != "UnblockTables" or operation.asked.hold_id != block.owner_id:
        return "none"
    return "ends" if operation.is_ok else "possible"
