"""Turn a hold into an assignment and its booking into a confirmed one."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import Booking, require_assignable
from server.domain.claims import Hold, HoldState
from server.domain.hours import local_time
from server.domain.restaurant import Caller
from server.errors import InvariantError, Reason, ServiceError, refuse
from server.orchestrator.assigning import Assigned, Intent, give_tables, new_assignment
from server.orchestrator.candidate import Candidate, candidate
from server.orchestrator.idempotency import Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Reader, Unit
from server.orchestrator.situation import known_booking, lock, require_etag


@dataclass(frozen=True, slots=True)
class ConfirmHoldCommand:
    """`table_ids` may be empty: then whatever is held is confirmed."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    hold_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...] = ()
    etag: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmHold:
    once: Once
    inventories: InventorySource
    new_id: NewId

    async def __call__(self, caller: Caller, command: ConfirmHoldCommand, deadline: Deadline) -> Assigned:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Assigned:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            hold = await hold_at(unit, command.restaurant_id, command.hold_id, situation.now)
            require_same(hold, command.booking_id, command.table_ids)
            require_active(hold, situation.time_zone)
            booking = await known_booking(unit, command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, booking.etag)
            require_assignable(booking)
            _require_same_need(hold, booking)
            situation.require_future(hold.window)
            wanted = await candidate(unit, situation, booking, hold.table_ids, hold.overrides, hold.window)
            wanted.require_no_drift(hold.hold_id)
            wanted.require_fit()
            _require_claimed(wanted, hold)
            assignment = new_assignment(wanted, caller, self.new_id, hold.hold_id)
            intent = Intent(caller, command.request_id, command.reason)
            return await give_tables(unit, wanted, assignment, intent, confirmed=hold)

        return await self.once.run_together(
            caller,
            command,
            Assigned,
            body,
            deadline,
            Footprint(command.restaurant_id, command.booking_id, command.hold_id),
        )


async def known_hold(reader: Reader, restaurant_id: UUID, hold_id: UUID) -> Hold:
    hold = await reader.hold(restaurant_id, hold_id)
    if hold is None:
        raise hold_not_found(restaurant_id, hold_id)
    return hold


async def hold_at(reader: Reader, restaurant_id: UUID, hold_id: UUID, now: datetime) -> Hold:
    """The hold as it is at `now`, by which its claims are judged: the clock may have been set back before the hold was
    read.
    """
    hold = await known_hold(reader, restaurant_id, hold_id)
    over = hold.state is HoldState.ACTIVE and hold.expires_at <= now
    return replace(hold, state=HoldState.EXPIRED) if over else hold


def hold_not_found(restaurant_id: UUID, hold_id: UUID) -> ServiceError:
    return refuse(
        Reason.HOLD_NOT_FOUND,
        f"No hold {hold_id} in this restaurant.",
        restaurant_id=restaurant_id,
        hold_id=hold_id,
    )


def require_same(hold: Hold, booking_id: UUID, table_ids: tuple[UUID, ...]) -> None:
    """HOLD_MISMATCH unless the hold is what the caller believes it to be."""
    if hold.booking_id != booking_id:
        raise _mismatch(hold, "booking_id", "The hold belongs to another booking.")
    if table_ids and tuple(sorted(set(table_ids))) != hold.table_ids:
        raise _mismatch(hold, "table_ids", "The hold keeps other tables than the call names.")


def require_active(hold: Hold, time_zone: str) -> None:
    if hold.state is HoldState.CONFIRMED:
        raise refuse(
            Reason.HOLD_ALREADY_CONFIRMED,
            "The hold has already become an assignment.",
            hold_id=hold.hold_id,
            booking_id=hold.booking_id,
        )
    if hold.state is HoldState.RELEASED:
        raise refuse(
            Reason.HOLD_ALREADY_RELEASED, "The hold was released or superseded.", hold_id=hold.hold_id
        )
    if hold.state is HoldState.EXPIRED:
        raise refuse(
            Reason.HOLD_EXPIRED,
            f"The hold expired at {local_time(hold.expires_at, time_zone)}.",
            hold_id=hold.hold_id,
            expired_at=hold.expires_at.isoformat(),
        )


def _require_same_need(hold: Hold, booking: Booking) -> None:
    if hold.assignment_epoch != booking.assignment_epoch or hold.window != booking.window:
        raise _mismatch(
            hold, "window", "The hold was made for a time or party that the booking no longer has."
        )


def _require_claimed(wanted: Candidate, hold: Hold) -> None:
    """A live hold owns claims on its tables, together with its booking's earlier assignment; anything else is a bug."""
    own = (hold.hold_id, wanted.booking.assignment_id)
    claimed = {claim.table_id for claim in wanted.claims if claim.owner_id in own}
    if not claimed >= set(hold.table_ids):
        raise InvariantError(f"active hold {hold.hold_id} does not claim its tables")


def _mismatch(hold: Hold, field: str, message: str) -> ServiceError:
    return refuse(Reason.HOLD_MISMATCH, message, hold_id=hold.hold_id, field=field)
