"""Create a booking, or change what it wants."""

from dataclasses import dataclass, replace
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import ASSIGNABLE, Booking, BookingStatus, Party, wrong_status
from server.domain.events import EventType, booking_event
from server.domain.restaurant import Caller
from server.domain.window import Stay
from server.orchestrator.assigning import Intent, audit, change_of, end_holds
from server.orchestrator.auto_assign_jobs import end_left_job, queue
from server.orchestrator.changes import Changes
from server.orchestrator.idempotency import Once
from server.orchestrator.ports import InventorySource, OwnUnit
from server.orchestrator.situation import Situation, lock, require_etag

_ON_ITS_WAY = {BookingStatus.PENDING: BookingStatus.PENDING_ALLOCATION}


@dataclass(frozen=True, slots=True)
class PutBookingCommand:
    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    party: Party
    reference: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class PutBooking:
    once: Once
    inventories: InventorySource

    async def __call__(self, caller: Caller, command: PutBookingCommand, deadline: Deadline) -> Booking:
        caller = caller.acting_for(command.actor)
        intent = Intent(caller, command.request_id, "")

        async def body(unit: OwnUnit) -> Booking:
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            before = await unit.booking(command.restaurant_id, command.booking_id)
            require_etag("booking", command.etag, before.etag if before else "")
            situation.require_zones(command.party, before.party if before else None)
            if before is None:
                return await _create(unit, situation, command, intent)
            return await _change(unit, situation, before, command, intent)

        return await self.once.run(caller, command, Booking, body, deadline)


async def _create(unit: OwnUnit, situation: Situation, command: PutBookingCommand, intent: Intent) -> Booking:
    now, queued = situation.now, situation.policy.auto_assign_bookings
    booking = Booking(
        command.restaurant_id,
        command.booking_id,
        command.party,
        _future_stay(situation, command.party),
        BookingStatus.PENDING_ALLOCATION if queued else BookingStatus.PENDING,
        command.reference,
        revision=1,
        assignment_epoch=1,
        created_at=now,
        updated_at=now,
    )
    changes = Changes(
        booking=booking,
        booking_change=change_of(None, booking, intent),
        events=(booking_event(EventType.BOOKING_CHANGED, booking, None),),
        audit=(audit("create", booking, intent, None),),
    )
    await unit.write(command.restaurant_id, changes)
    return await queue(unit, situation, booking, intent.caller.actor) if queued else booking


async def _change(
    unit: OwnUnit, situation: Situation, before: Booking, command: PutBookingCommand, intent: Intent
) -> Booking:
    """A booking whose need changes keeps its tables; holds made for the old need end."""
    if before.status not in ASSIGNABLE:
        raise wrong_status(before, "change")
    if (before.party, before.reference) == (command.party, command.reference):
        return before
    same_need = before.party.needs_same_tables_as(command.party)
    by_policy = not same_need and situation.policy.auto_assign_bookings
    queued = by_policy or (not same_need and before.is_queued)
    after = replace(
        before,
        status=_ON_ITS_WAY.get(before.status, before.status) if by_policy else before.status,
        party=command.party,
        reference=command.reference,
        stay=before.stay if same_need else _future_stay(situation, command.party),
        revision=before.revision + 1,
        assignment_epoch=before.assignment_epoch + (0 if same_need else 1),
        updated_at=situation.now,
    )
    states, released = ({}, ()) if same_need else await end_holds(unit, before, intent, "booking changed")
    changes = Changes(
        claims_dropped_of=tuple(states),
        hold_states=states,
        booking=after,
        booking_change=change_of(before, after, intent),
        events=(*released, booking_event(EventType.BOOKING_CHANGED, after, before.status)),
        audit=(audit("change", after, intent, None),),
    )
    await unit.write(command.restaurant_id, changes)
    if queued:
        return await queue(unit, situation, after, intent.caller.actor)
    return after if before.is_queued else await end_left_job(unit, after, situation.now)


def _future_stay(situation: Situation, party: Party) -> Stay:
    """The party's stay under the present policy; a stay that is already over is refused."""
    stay = situation.stay_of(party)
    situation.require_future(stay.window)
    return stay
