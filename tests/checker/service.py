"""A correct service in miniature: one call after the other, each at one moment, with the rules of the real one.

It knows holds, assignments, merges, windows, blocks, the steps of a booking's life, expiry, the ledger and the events;
floors and policies don't exist here, and a booking that has tables is not changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

US_PER_S = 1_000_000
RESTAURANT = "lumen"
Answer = dict[str, Any]
Window = tuple[str, str]

# By action, what a booking may be, and what it is then.
STEPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "check_in": (("confirmed",), "checked_in"),
    "complete": (("checked_in",), "completed"),
    "cancel": (("pending", "confirmed"), "cancelled"),
    "no_show": (("confirmed", "checked_in"), "no_show"),
    "undo_no_show": (("no_show",), "confirmed"),
}


class Refused(Exception):
    """The service says no; the text is the reason."""


def iso(at_us: int) -> str:
    return (
        datetime.fromtimestamp(at_us // US_PER_S, UTC)
        .replace(microsecond=at_us % US_PER_S)
        .isoformat(timespec="microseconds")
    )


@dataclass
class Booking:
    booking_id: str
    window: Window
    status: str = "pending"
    revision: int = 1
    epoch: int = 1
    assignment_id: str | None = None
    last_assignment_id: str = ""


@dataclass
class Owner:
    """A hold, an assignment or a block; it claims all its tables while it is live."""

    kind: str
    owner_id: str
    booking_id: str
    table_ids: tuple[str, ...]
    window: Window
    created_us: int
    state: str = "active"
    expires_us: int | None = None
    hold_id: str = ""

    def live_at(self, now_us: int) -> bool:
        return self.state == "active" and (self.expires_us is None or self.expires_us > now_us)

    def row(self) -> dict[str, Any]:
        row = {
            "restaurant_id": RESTAURANT,
            f"{self.kind}_id": self.owner_id,
            "booking_id": self.booking_id,
            "table_ids": list(self.table_ids),
            "window_start": self.window[0],
            "window_end": self.window[1],
            "state": self.state,
            "created_at": iso(self.created_us),
        }
        return row if self.expires_us is None else {**row, "expires_at": iso(self.expires_us)}


@dataclass
class Service:
    """`now_us` is its clock, microseconds since 1970, set by whoever lets it work."""

    random: Random
    now_us: int = 0
    bookings: dict[str, Booking] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    ledger: dict[tuple[str, str], tuple[object, str, str, Answer]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    _claiming: dict[str, Owner] = field(default_factory=dict)
    floor_version: int = 0
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _request_id: str = ""

    def answer(self, method: str, request_id: str, payload: Mapping[str, Any]) -> tuple[str, str, Answer]:
        """Outcome, reason and answer; a repeat gets what is recorded."""
        known = self.ledger.get((method, request_id))
        if known is not None:
            same = known[0] == payload
            return (known[1], known[2], known[3]) if same else ("refused", "REQUEST_ID_REUSED", {})
        self._request_id = request_id
        self.floor_version += 1
        work: Callable[..., Answer] = getattr(self, method)
        try:
            told: tuple[str, str, Answer] = ("ok", "", work(**payload))
        except Refused as refusal:
            told = ("refused", str(refusal), {})
        self.ledger[method, request_id] = (dict(payload), *told)
        return told

    def PutBooking(self, booking_id: str, window: Window) -> Answer:
        known = self.bookings.get(booking_id)
        if known is None:
            known = self.bookings[booking_id] = Booking(booking_id, window)
        elif known.status == "confirmed":
            raise Refused("CUTOFF_PASSED")
        elif known.status != "pending":
            raise Refused("INVALID_STATE_TRANSITION")
        else:
            known.revision += 1
            if known.window != window:
                known.epoch += 1
                known.window = window
                self._end_holds(known)
        self._tell("capacity.booking.changed", booking_id)
        return {"booking": self._booking(known)}

    def HoldTables(self, booking_id: str, table_ids: tuple[str, ...], ttl_s: float) -> Answer:
        booking = self._assignable(booking_id)
        self._require_free(booking, table_ids)
        superseded = [
            hold.owner_id for hold in self._live_holds(booking) if set(hold.table_ids) & set(table_ids)
        ]
        for hold_id in superseded:
            self._end(self.owners[hold_id])
        return {"hold": self._hold(booking, table_ids, ttl_s), "superseded_hold_ids": superseded}

    def ExtendHold(self, hold_id: str, ttl_s: float) -> Answer:
        hold = self._live_hold(hold_id)
        expires_us = self.now_us + int(ttl_s * US_PER_S)
        assert hold.expires_us is not None
        if expires_us > hold.expires_us:
            hold.expires_us = expires_us
            self._tell("capacity.hold.extended", hold_id)
        return {"hold": self._hold_part(hold)}

    def ReplaceHold(self, hold_id: str, table_ids: tuple[str, ...], ttl_s: float) -> Answer:
        old = self._live_hold(hold_id)
        booking = self._assignable(old.booking_id)
        self._require_free(booking, table_ids)
        others = [
            hold.owner_id
            for hold in self._live_holds(booking)
            if hold is not old and set(hold.table_ids) & set(table_ids)
        ]
        for ended in (*others, hold_id):
            self._end(self.owners[ended])
        new = self._hold(booking, table_ids, ttl_s)
        return {"hold": new, "released_hold_id": hold_id, "superseded_hold_ids": others}

    def ReleaseHold(self, hold_id: str) -> Answer:
        hold = self._known_hold(hold_id)
        if hold.state == "confirmed":
            raise Refused("HOLD_ALREADY_CONFIRMED")
        if hold.live_at(self.now_us):
            self._end(hold)
        return {"hold": self._hold_part(hold)}

    def ConfirmHold(self, hold_id: str, booking_id: str, table_ids: tuple[str, ...]) -> Answer:
        hold = self._known_hold(hold_id)
        if hold.booking_id != booking_id or (table_ids and set(table_ids) != set(hold.table_ids)):
            raise Refused("HOLD_MISMATCH")
        hold = self._live_hold(hold_id)
        booking = self._assignable(booking_id)
        hold.state = "confirmed"
        self._tell("capacity.hold.confirmed", hold_id)
        return self._seat(booking, hold.table_ids, hold_id)

    def AssignTables(self, booking_id: str, table_ids: tuple[str, ...]) -> Answer:
        booking = self._assignable(booking_id)
        self._require_free(booking, table_ids)
        return self._seat(booking, table_ids)

    def ReassignTables(self, booking_id: str, table_ids: tuple[str, ...]) -> Answer:
        booking, present = self._seated(booking_id, "confirmed", "checked_in")
        if set(table_ids) == set(present.table_ids):
            raise Refused("BOOKING_ALREADY_ASSIGNED")
        self._require_free(booking, table_ids)
        self._let_go(present)
        booking.epoch += 1
        return self._seat(booking, table_ids, status=booking.status)

    def UnassignTables(self, booking_id: str, table_ids: tuple[str, ...]) -> Answer:
        booking, present = self._seated(booking_id, "confirmed")
        if set(table_ids) - set(present.table_ids):
            raise Refused("TABLE_NOT_FOUND")
        self._let_go(present)
        booking.epoch += 1
        kept = tuple(table for table in present.table_ids if table_ids and table not in table_ids)
        if kept:
            return self._seat(booking, kept)
        booking.status, booking.assignment_id = "pending", None
        booking.revision += 1
        return {"booking": self._booking(booking)}

    def TransitionBooking(self, booking_id: str, action: str) -> Answer:
        booking = self._known_booking(booking_id)
        allowed, status = STEPS[action]
        if booking.status not in allowed:
            raise Refused("INVALID_STATE_TRANSITION")
        if action == "undo_no_show":
            had = self.owners[booking.last_assignment_id].table_ids
            self._require_free(booking, had)
            self._seat(booking, had)
        else:
            self._step(booking, status)
        self._tell("capacity.booking.transitioned", booking_id)
        return {"booking": self._booking(booking)}

    def _step(self, booking: Booking, status: str) -> None:
        self._end_holds(booking)
        if booking.assignment_id and status != "checked_in":
            self._let_go(self.owners[booking.assignment_id])
        if status == "completed" and booking.assignment_id:
            self.owners[booking.assignment_id].state = "completed"
        elif status != "checked_in":
            booking.assignment_id = None
        booking.status = status
        booking.revision += 1

    def BlockTables(self, table_ids: tuple[str, ...], window: Window) -> Answer:
        self._require_free(Booking("", window), table_ids)
        block = Owner(
            "block", f"block-{next(self._numbers)}", "", tuple(sorted(table_ids)), window, self.now_us
        )
        self.owners[block.owner_id] = self._claiming[block.owner_id] = block
        self._tell("capacity.block.created", block.owner_id)
        return {"block": block.row()}

    def UnblockTables(self, hold_id: str) -> Answer:
        """Histories name the block where they name holds."""
        block = self.owners.get(hold_id)
        if block is None or block.kind != "block":
            raise Refused("BLOCK_NOT_FOUND")
        if block.state == "active":
            block.state = "released"
            self._tell("capacity.block.released", hold_id)
        return {"block": block.row()}

    def _known_booking(self, booking_id: str) -> Booking:
        if booking_id not in self.bookings:
            raise Refused("BOOKING_NOT_FOUND")
        return self.bookings[booking_id]

    def _assignable(self, booking_id: str) -> Booking:
        booking = self._known_booking(booking_id)
        if booking.status not in ("pending", "confirmed"):
            raise Refused("INVALID_STATE_TRANSITION")
        if booking.assignment_id:
            raise Refused("BOOKING_ALREADY_ASSIGNED")
        return booking

    def _seated(self, booking_id: str, *statuses: str) -> tuple[Booking, Owner]:
        booking = self._known_booking(booking_id)
        if booking.assignment_id is None:
            raise Refused("ASSIGNMENT_NOT_FOUND")
        if booking.status not in statuses:
            raise Refused("INVALID_STATE_TRANSITION")
        return booking, self.owners[booking.assignment_id]

    def _known_hold(self, hold_id: str) -> Owner:
        hold = self.owners.get(hold_id)
        if hold is None or hold.kind != "hold":
            raise Refused("HOLD_NOT_FOUND")
        return hold

    def _live_hold(self, hold_id: str) -> Owner:
        hold = self._known_hold(hold_id)
        if hold.state in ("confirmed", "released"):
            raise Refused(f"HOLD_ALREADY_{hold.state.upper()}")
        if not hold.live_at(self.now_us):
            raise Refused("HOLD_EXPIRED")
        return hold

    def _live_holds(self, booking: Booking) -> list[Owner]:
        return [
            owner for owner in self._live() if owner.kind == "hold" and owner.booking_id == booking.booking_id
        ]

    def _live(self) -> list[Owner]:
        """Who keeps others out now."""
        self._claiming = {key: owner for key, owner in self._claiming.items() if owner.live_at(self.now_us)}
        return list(self._claiming.values())

    def _require_free(self, booking: Booking, table_ids: tuple[str, ...]) -> None:
        kinds = {
            owner.kind
            for owner in self._live()
            if (owner.kind == "block" or owner.booking_id != booking.booking_id)
            and set(owner.table_ids) & set(table_ids)
            and owner.window[0] < booking.window[1]
            and booking.window[0] < owner.window[1]
        }
        if "block" in kinds:
            raise Refused("TABLE_BLOCKED")
        if "assignment" in kinds:
            raise Refused("TABLE_CONFLICT_ASSIGNED")
        if "hold" in kinds:
            raise Refused("TABLE_CONFLICT_HELD")

    def _hold(self, booking: Booking, table_ids: tuple[str, ...], ttl_s: float) -> Answer:
        hold = Owner(
            "hold",
            f"hold-{next(self._numbers)}",
            booking.booking_id,
            tuple(sorted(table_ids)),
            booking.window,
            self.now_us,
            expires_us=self.now_us + int(ttl_s * US_PER_S),
        )
        self.owners[hold.owner_id] = self._claiming[hold.owner_id] = hold
        self._tell("capacity.hold.created", hold.owner_id)
        return self._hold_part(hold)

    def _seat(
        self, booking: Booking, table_ids: tuple[str, ...], hold_id: str = "", status: str = "confirmed"
    ) -> Answer:
        self._end_holds(booking)
        assignment = Owner(
            "assignment",
            f"assignment-{next(self._numbers)}",
            booking.booking_id,
            tuple(sorted(table_ids)),
            booking.window,
            self.now_us,
            hold_id=hold_id,
        )
        self.owners[assignment.owner_id] = self._claiming[assignment.owner_id] = assignment
        booking.status, booking.assignment_id = status, assignment.owner_id
        booking.last_assignment_id = assignment.owner_id
        booking.revision += 1
        self._tell("capacity.assignment.sync", assignment.owner_id)
        part = {
            **assignment.row(),
            "assignment_epoch": booking.epoch,
            "hold_id": hold_id,
            "merge_group_id": "",
        }
        return {"assignment": part, "booking": self._booking(booking)}

    def _end(self, hold: Owner) -> None:
        hold.state = "released"
        self._tell("capacity.hold.released", hold.owner_id)

    def _end_holds(self, booking: Booking) -> None:
        for hold in self._live_holds(booking):
            self._end(hold)

    def _let_go(self, assignment: Owner) -> None:
        assignment.state = "released"
        self._tell("capacity.assignment.released", assignment.owner_id)

    def _hold_part(self, hold: Owner) -> Answer:
        row = hold.row()
        over = hold.state == "active" and not hold.live_at(self.now_us)
        return {**row, "state": "expired" if over else hold.state}

    def _booking(self, booking: Booking) -> Answer:
        return {
            "booking_id": booking.booking_id,
            "status": booking.status,
            "window_start": booking.window[0],
            "window_end": booking.window[1],
            "assignment_epoch": booking.epoch,
            "revision": booking.revision,
        }

    def _tell(self, event_type: str, subject_id: str) -> None:
        self.events.append(
            {
                "restaurant_id": RESTAURANT,
                "floor_version": self.floor_version,
                "event_type": event_type,
                "request_id": self._request_id,
                "subject_id": subject_id,
            }
        )
