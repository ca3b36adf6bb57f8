"""Whether the rows of the database are what the answers promised, no less and no more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from loadgen.checking.clock import wall_ns
from loadgen.checking.occupancy import HOLD_TAKES, SEATINGS, Occupancy
from loadgen.checking.operations import Operation, Span
from loadgen.checking.report import Violation
from loadgen.checking.statuses import Statuses
from loadgen.checking.tenure import Tenure, Window

Row = Mapping[str, Any]

# The ways an assignment may come into being that nobody was told the id of.
_MAY_SEAT: Final = SEATINGS | {"UnassignTables", "TransitionBooking"}


@dataclass(frozen=True)
class State:
    """Rows of a database after the last call, as `maitred check` reads them; ids and instants are text.

    `taken_at` is the database's clock. `claims` have an owner_id: hold, assignment or block; `ledger` has the method,
    the request_id, whether it was refused, the reason, and the id of the hold or assignment answered; `events` the
    type, the request_id and the id of the hold, assignment, block or booking they are about.
    """

    taken_at: str
    claims: Sequence[Row] = ()
    holds: Sequence[Row] = ()
    assignments: Sequence[Row] = ()
    bookings: Sequence[Row] = ()
    ledger: Sequence[Row] = ()
    events: Sequence[Row] = ()

    @cached_property
    def live_claims(self) -> list[Row]:
        """Those that keep others out."""
        now_ns = wall_ns(self.taken_at)
        return [row for row in self.claims if not row["expires_at"] or wall_ns(row["expires_at"]) > now_ns]

    @cached_property
    def claims_of(self) -> Mapping[str, list[Row]]:
        """Live claims by their owner."""
        owned: dict[str, list[Row]] = defaultdict(list)
        for row in self.live_claims:
            owned[row["owner_id"]].append(row)
        return owned


def differences(state: State, operations: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """Everything that is missing in the database, or is there without a call that can have made it."""
    yield from _lost(state, found)
    yield from _kept(state, found)
    yield from _standing_otherwise(state, found)
    yield from _overlapping(state)
    yield from _from_nowhere(state, operations, found)
    yield from _ledger_differs(state, operations)
    yield from _events_missing(state, operations)
    yield from _out_of_order(state, operations)


def _lost(state: State, found: Occupancy) -> Iterator[Violation]:
    """What was promised and cannot have ended before the rows were read."""
    earliest_ns, latest_ns = found.clock.earliest_ns(state.taken_at), found.clock.latest_ns(state.taken_at)
    rows = {row["hold_id"]: row for row in state.holds} | {
        row["assignment_id"]: row for row in state.assignments
    }
    seats = {row["booking_id"]: row["assignment_id"] for row in state.bookings}
    for tenure in found.tenures:
        promised = (
            tenure.is_definite and tenure.begin.latest_ns < earliest_ns and tenure.end.earliest_ns > latest_ns
        )
        if not promised or not tenure.owner_id:
            continue
        wrong = _wrong_claims(tenure, state, leans=bool(seats.get(tenure.booking_id)))
        if tenure.kind != "block":
            wrong = _wrong_row(tenure, rows.get(tenure.owner_id)) or wrong
        if tenure.kind == "assignment" and seats.get(tenure.booking_id) != tenure.owner_id:
            wrong = wrong or "its booking does not have it"
        if wrong:
            yield Violation(
                "lost",
                f"{tenure.kind.capitalize()} {tenure.owner_id} was promised, but {wrong}.",
                tenure.taken.shown,
            )


def _wrong_row(tenure: Tenure, row: Row | None) -> str:
    if row is None:
        return "the database does not have it"
    if row["state"] != "active":
        return f"the database calls it {row['state']}"
    if frozenset(row["table_ids"]) != tenure.table_ids:
        return "the database has other tables for it"
    return "" if _window(row) == tenure.window else "the database has another window for it"


def _wrong_claims(tenure: Tenure, state: State, *, leans: bool) -> str:
    """A hold whose booking has tables already claims only what those don't cover."""
    if tenure.kind == "hold" and leans:
        return ""
    claimed = {
        row["table_id"] for row in state.claims_of.get(tenure.owner_id, ()) if _window(row) == tenure.window
    }
    missing = sorted((tenure.table_ids or frozenset()) - claimed)
    return f"nothing keeps others away from {' '.join(missing)}" if missing else ""


def _kept(state: State, found: Occupancy) -> Iterator[Violation]:
    """Claims of owners that had ended for certain."""
    read_ns = found.clock.earliest_ns(state.taken_at)
    for tenure in found.tenures:
        if tenure.end.latest_ns >= read_ns or not tenure.owner_id:
            continue
        left = state.claims_of.get(tenure.owner_id, ())
        if left:
            tables = " ".join(sorted(row["table_id"] for row in left))
            ended = tenure.ended.shown if tenure.ended else ()
            yield Violation(
                "not_given_back",
                f"{tenure.kind.capitalize()} {tenure.owner_id} had ended, but still keeps others away from {tables}.",
                (*tenure.taken.shown, *ended),
            )


def _standing_otherwise(state: State, found: Occupancy) -> Iterator[Violation]:
    """Bookings with a status that they can't have had when the rows were read."""
    statuses = Statuses(found)
    read = Span(found.clock.earliest_ns(state.taken_at), found.clock.latest_ns(state.taken_at))
    for row in state.bookings:
        booking = (row["restaurant_id"], row["booking_id"])
        if booking not in found.bookings:
            continue
        may_be = statuses.possible(booking, read)
        if row["status"] not in may_be:
            yield Violation(
                "lost",
                f"Booking {booking[1]} is {' or '.join(sorted(may_be))} by what was answered, but the database calls "
                f"it {row['status']}.",
                tuple(call for each in found.bookings[booking] for call in each.shown),
            )


def _overlapping(state: State) -> Iterator[Violation]:
    places: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in state.live_claims:
        places[row["restaurant_id"], row["table_id"]].append(row)
    for (_, table_id), rows in places.items():
        rows.sort(key=_window)
        last = rows[0]
        for row in rows[1:]:
            if _window(row)[0] < _window(last)[1]:
                yield Violation(
                    "claims_overlap",
                    f"The database has table {table_id} claimed by {last['kind']} {last['owner_id']} and {row['kind']} "
                    f"{row['owner_id']} for overlapping windows.",
                )
            last = max(last, row, key=lambda each: _window(each)[1])


def _from_nowhere(state: State, operations: Sequence[Operation], found: Occupancy) -> Iterator[Violation]:
    """Holds and assignments that no call made: more of a booking than it has calls that nobody was answered."""
    began_ns = min((operation.span.earliest_ns for operation in operations), default=0)
    yield from _unaccounted("hold", state.holds, found.holds, HOLD_TAKES, began_ns, found)
    yield from _unaccounted("assignment", state.assignments, found.assignments, _MAY_SEAT, began_ns, found)
    for row in state.live_claims:
        owner_id = row["owner_id"]
        tenure = found.holds.get(owner_id) or found.assignments.get(owner_id) or found.blocks.get(owner_id)
        if tenure is not None and not _claims_its_own(row, tenure):
            yield Violation(
                "from_nowhere",
                f"{tenure.kind.capitalize()} {tenure.owner_id} was not given so much of {row['table_id']}.",
                tenure.taken.shown,
            )


def _claims_its_own(row: Row, tenure: Tenure) -> bool:
    start, end = _window(row)
    inside = tenure.window is None or (tenure.window[0] <= start and end <= tenure.window[1])
    return inside and tenure.may_have(row["table_id"]) and (row["booking_id"] or "") == tenure.booking_id


def _unaccounted(
    kind: str,
    rows: Iterable[Row],
    known: Mapping[str, Tenure],
    methods: frozenset[str],
    began_ns: int,
    found: Occupancy,
) -> Iterator[Violation]:
    left: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row[f"{kind}_id"] not in known and found.clock.latest_ns(row["created_at"]) >= began_ns:
            left[row["restaurant_id"], row["booking_id"]].append(row)
    for booking, unknown in left.items():
        untold = [
            each for each in found.bookings.get(booking, ()) if each.method in methods and _may_make(each)
        ]
        if len(unknown) > len(untold):
            ids = " ".join(row[f"{kind}_id"] for row in unknown)
            yield Violation(
                "from_nowhere",
                f"Booking {booking[1]} has {len(unknown)} {kind}s that no answer names ({ids}), and {len(untold)} "
                f"calls that can have made one.",
                tuple(call for each in found.bookings.get(booking, ()) for call in each.shown),
            )


def _may_make(operation: Operation) -> bool:
    """Whether the operation may have made one without telling its id."""
    if not operation.is_ok:
        return True
    return operation.method == "TransitionBooking" and operation.part("booking").get("status") == "confirmed"


def _ledger_differs(state: State, operations: Sequence[Operation]) -> Iterator[Violation]:
    """Every definite answer is recorded, as what it was."""
    ledger = {(row["method"], row["request_id"]): row for row in state.ledger}
    for operation in operations:
        forgets = operation.method == "AutoAssign" and not operation.is_ok
        if operation.outcome == "unknown" or forgets or not operation.asked.request_id:
            continue
        row = ledger.get((operation.method, operation.asked.request_id))
        wrong = _wrong_record(operation, row)
        if wrong:
            yield Violation("ledger_differs", f"The answer was given, but {wrong}.", operation.shown)


def _wrong_record(operation: Operation, row: Row | None) -> str:
    if row is None:
        return "it is not recorded"
    if row["refused"] != (operation.outcome == "refused"):
        return f"it is recorded as {'refused' if row['refused'] else 'done'}"
    if row["refused"]:
        return "" if row["reason"] == operation.reason else f"it is recorded as refused with {row['reason']}"
    part = operation.part("hold").get("hold_id") or operation.part("assignment").get("assignment_id")
    return f"another one is recorded: {row['subject_id']}" if part and row["subject_id"] != part else ""


def _events_missing(state: State, operations: Sequence[Operation]) -> Iterator[Violation]:
    """Each change that was acknowledged is told to the world."""
    told = {(row["event_type"], row["subject_id"]) for row in state.events}
    # A booking may take many steps, each with an event of its own request.
    told |= {(row["event_type"], row["request_id"]) for row in state.events}
    for operation in operations:
        if not operation.is_ok:
            continue
        for event_type, subject in _events_of(operation):
            if (event_type, subject) not in told:
                yield Violation(
                    "event_missing", f"There is no event {event_type} about {subject}.", operation.shown
                )


def _events_of(operation: Operation) -> Iterator[tuple[str, str]]:
    hold, assignment, block = (operation.part(member) for member in ("hold", "assignment", "block"))
    if block:
        released = operation.method == "UnblockTables"
        yield f"capacity.block.{'released' if released else 'created'}", block["block_id"]
    if operation.method == "TransitionBooking":
        yield "capacity.booking.transitioned", operation.asked.request_id
    if operation.method in HOLD_TAKES and hold:
        yield "capacity.hold.created", hold["hold_id"]
    if operation.method == "ReleaseHold" and hold.get("state") == "released":
        yield "capacity.hold.released", hold["hold_id"]
    if operation.method == "ReplaceHold":
        yield "capacity.hold.released", operation.asked.hold_id
    if operation.method == "ConfirmHold":
        yield "capacity.hold.confirmed", operation.asked.hold_id
    if operation.method in _MAY_SEAT and assignment:
        yield "capacity.assignment.sync", assignment["assignment_id"]


def _out_of_order(state: State, operations: Sequence[Operation]) -> Iterator[Violation]:
    """An operation that was answered before another one was sent is committed before it.

    The floor version of its events tells where the service put it among the changes of its restaurant.
    """
    versions = {row["request_id"]: row["floor_version"] for row in state.events if row["request_id"]}
    committed: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.asked.request_id in versions:
            committed[operation.asked.restaurant_id].append(operation)

    def version(operation: Operation) -> int:
        return int(versions[operation.asked.request_id])

    for placed in committed.values():
        latest_sent = None
        for operation in sorted(placed, key=version):
            if latest_sent is not None and operation.span.latest_ns < latest_sent.span.earliest_ns:
                yield Violation(
                    "order_of_commits",
                    f"The call was answered before the other was sent, but is committed after it: floor version "
                    f"{version(operation)} after {version(latest_sent)}.",
                    (*operation.shown, *latest_sent.shown),
                )
            if latest_sent is None or operation.span.earliest_ns > latest_sent.span.earliest_ns:
                latest_sent = operation


def counted(state: State) -> Mapping[str, int]:
    """How many rows of each kind there are."""
    return {
        "claims": len(state.live_claims),
        "ledger_rows": len(state.ledger),
        "events": len(state.events),
    }


def _window(row: Row) -> Window:
    return wall_ns(row["window_start"]), wall_ns(row["window_end"])
