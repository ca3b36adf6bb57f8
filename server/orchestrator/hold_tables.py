"""Keep a table set for a booking for a short time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import Booking, require_assignable
from server.domain.claims import Claim, Hold, HoldState
from server.domain.events import Event, EventType, hold_event, refused_hold_event
from server.domain.restaurant import Caller
from server.errors import ClaimKind, Reason, Refusal, ServiceError, refuse
from server.orchestrator.candidate import Candidate, candidate, overrides_noted, uncovered
from server.orchestrator.changes import AuditEntry, Changes
from server.orchestrator.idempotency import ADDED_LATER, REQUEST_FIELD, Once
from server.orchestrator.identity import NewId
from server.orchestrator.ports import Footprint, InventorySource, Unit
from server.orchestrator.situation import Situation, known_booking, lock, require_etag
from server.orchestrator.telling import ToldRefusal


@dataclass(frozen=True, slots=True)
class HoldTablesCommand:
    """`ttl_s` of None means the default."""

    request_id: UUID
    actor: str
    restaurant_id: UUID
    booking_id: UUID
    table_ids: tuple[UUID, ...]
    ttl_s: float | None = field(default=None, metadata={REQUEST_FIELD: "ttl"})
    context_version: str = ""
    etag: str = ""
    overrides: tuple[Reason, ...] = field(default=(), metadata=ADDED_LATER)
    reason: str = field(default="", metadata=ADDED_LATER)


class Wish(Protocol):
    """What a request says about the tables it asks for."""

    @property
    def request_id(self) -> UUID: ...

    @property
    def table_ids(self) -> tuple[UUID, ...]: ...

    @property
    def context_version(self) -> str: ...

    @property
    def etag(self) -> str: ...

    @property
    def overrides(self) -> tuple[Reason, ...]: ...

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Held:
    hold: Hold
    superseded: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """Seconds. A hold's time to live has nothing to do with the booking's window.

    `life_s_max` bounds its whole life, from its creation on, whatever it is extended by.
    """

    ttl_s_default: float
    ttl_s_min: float
    ttl_s_max: float
    life_s_max: float

    def ttl(self, wanted_s: float | None) -> timedelta:
        """Comes after the ledger: the limits may be others than when a repeated call was answered.

        Raises HOLD_TTL_OUT_OF_RANGE.
        """
        ttl_s = self.ttl_s_default if wanted_s is None else wanted_s
        if not self.ttl_s_min <= ttl_s <= self.ttl_s_max:
            raise refuse(
                Reason.HOLD_TTL_OUT_OF_RANGE,
                f"A hold lives between {self.ttl_s_min:g} s and {self.ttl_s_max:g} s; {ttl_s:g} s was asked for.",
                ttl_s=f"{ttl_s:g}",
                ttl_s_min=f"{self.ttl_s_min:g}",
                ttl_s_max=f"{self.ttl_s_max:g}",
            )
        return timedelta(seconds=ttl_s)


@dataclass(frozen=True, slots=True)
class HoldTables:
    once: Once
    inventories: InventorySource
    new_id: NewId
    limits: HoldLimits

    async def __call__(self, caller: Caller, command: HoldTablesCommand, deadline: Deadline) -> Held:
        caller = caller.acting_for(command.actor)

        async def body(unit: Unit) -> Held:
            ttl = self.limits.ttl(command.ttl_s)
            situation = await lock(unit, self.inventories, caller, command.restaurant_id)
            situation.require_permission(caller, command.overrides)
            booking = await known_booking(unit, command.restaurant_id, command.booking_id)
            wanted = await wanted_set(unit, situation, booking, command)
            hold = new_hold(wanted, self.new_id, ttl, caller)
            require_free(wanted, command, hold)
            return await keep(unit, wanted, hold, caller, command.reason)

        return await self.once.run_together(
            caller,
            command,
            Held,
            body,
            deadline,
            Footprint(command.restaurant_id, command.booking_id, table_ids=command.table_ids),
        )


async def wanted_set(unit: Unit, situation: Situation, booking: Booking, wish: Wish) -> Candidate:
    """The set with what decides whether the booking may have it, if the booking may have tables at all."""
    require_etag("booking", wish.etag, booking.etag)
    require_assignable(booking)
    situation.require_future(booking.window)
    return await candidate(unit, situation, booking, wish.table_ids, wish.overrides)


def require_free(wanted: Candidate, wish: Wish, hold: Hold, replaced: UUID | None = None) -> None:
    """Raises unless the booking may have the tables now. Its own holds are never in the way.

    The world is told of a refusal when somebody else's claim is in the way of what would be `hold`.
    """
    try:
        wanted.require_context(wish.context_version)
        wanted.require_fit()
    except ServiceError as error:
        if not error.refusal.conflicts:
            raise
        raise _told(error.refusal, wanted, wish, hold, replaced) from None


def _told(refusal: Refusal, wanted: Candidate, wish: Wish, hold: Hold, replaced: UUID | None) -> ToldRefusal:
    event = refused_hold_event(hold, wanted.selection.zone_id, hold.actor, refusal, wish.request_id)
    details = {
        "refused": refusal.reason.value,
        "table_ids": hold.table_ids,
        **({"hold_id": replaced} if replaced else {}),
    }
    entry = AuditEntry("hold_refused", "booking", hold.booking_id, hold.actor, wish.reason, details)
    return ToldRefusal(
        refusal,
        hold.restaurant_id,
        Changes(events=(event,), audit=(entry,)),
        (hold.restaurant_id, hold.table_ids, hold.window),
    )


def new_hold(wanted: Candidate, new_id: NewId, ttl: timedelta, caller: Caller) -> Hold:
    restaurant, now = wanted.situation.restaurant, wanted.situation.now
    return Hold(
        new_id(),
        restaurant.restaurant_id,
        wanted.booking.booking_id,
        wanted.selection.table_ids,
        wanted.selection.window,
        HoldState.ACTIVE,
        now + ttl,
        now,
        caller.actor,
        restaurant.policy_version,
        restaurant.inventory_version,
        wanted.booking.assignment_epoch,
        wanted.selection.overrides,
    )


async def keep(
    unit: Unit, wanted: Candidate, hold: Hold, caller: Caller, reason: str, replaced: UUID | None = None
) -> Held:
    """Writes the hold, and why. The booking's holds that share a table with it end, and so does the one it replaces."""
    ended = {hold_id: state for hold_id, state in (await _ended(unit, wanted)).items() if hold_id != replaced}
    changes = await _changes(unit, wanted, hold, ended, caller, reason, replaced)
    await unit.write(hold.restaurant_id, changes)
    superseded = (hold_id for hold_id, state in ended.items() if state is HoldState.RELEASED)
    return Held(hold, tuple(sorted(superseded)))


async def _ended(unit: Unit, wanted: Candidate) -> dict[UUID, HoldState]:
    """The booking's holds that share a table with the new one, and expired holds of anybody that stood in the way.

    Claims tell, unless the booking sits on tables already: a hold claims nothing where those cover it.
    """
    booking, chosen = wanted.booking, set(wanted.selection.table_ids)
    states = dict.fromkeys(wanted.own_holds, HoldState.RELEASED)
    if booking.assignment_id is not None:
        holds = await unit.open_holds_of(booking.restaurant_id, booking.booking_id)
        states = {hold.hold_id: ended_as(hold) for hold in holds if chosen & set(hold.table_ids)}
    return {**states, **dict.fromkeys(wanted.expired, HoldState.EXPIRED)}


async def _changes(
    unit: Unit,
    wanted: Candidate,
    hold: Hold,
    ended: dict[UUID, HoldState],
    caller: Caller,
    reason: str,
    replaced: UUID | None,
) -> Changes:
    let_go = {} if replaced is None else {replaced: HoldState.RELEASED}
    gone = {**ended, **let_go}
    details = {
        "hold_id": hold.hold_id,
        **({"replaced_hold_id": replaced} if replaced else {}),
        **overrides_noted(wanted),
    }
    return Changes(
        claims_dropped_of=tuple(gone),
        claims_added=tuple(hold_claims(hold, wanted.claims, wanted.booking.assignment_id)),
        holds_added=(hold,),
        hold_states=gone,
        events=(
            *await closed_hold_events(unit, hold.restaurant_id, ended, caller.actor, "superseded"),
            *await closed_hold_events(unit, hold.restaurant_id, let_go, caller.actor, "replaced"),
            hold_event(EventType.HOLD_CREATED, hold, wanted.selection.zone_id, caller.actor),
        ),
        audit=(
            AuditEntry(
                "replace" if replaced else "hold", "booking", hold.booking_id, caller.actor, reason, details
            ),
        ),
    )


def hold_claims(hold: Hold, claims: tuple[Claim, ...], assignment_id: UUID | None) -> Iterator[Claim]:
    """What the hold has to claim: its whole window on every table, less what the booking's own assignment claims."""
    for table_id in hold.table_ids:
        for part in uncovered(table_id, hold.window, claims, assignment_id):
            yield Claim(table_id, part, ClaimKind.HOLD, hold.hold_id, hold.booking_id, hold.expires_at)


def ended_as(hold: Hold) -> HoldState:
    """What becomes of an open hold that its booking gives up."""
    return HoldState.EXPIRED if hold.state is HoldState.EXPIRED else HoldState.RELEASED


async def closed_hold_events(
    unit: Unit, restaurant_id: UUID, states: dict[UUID, HoldState], actor: str, cause: str
) -> tuple[Event, ...]:
    """One event per hold that ends, in the order of their ids."""
    events = []
    for hold_id, state in sorted(states.items()):
        hold = await unit.hold(restaurant_id, hold_id)
        if hold is not None:
            expired = state is HoldState.EXPIRED
            event_type = EventType.HOLD_EXPIRED if expired else EventType.HOLD_RELEASED
            events.append(hold_event(event_type, hold, None, actor, "expired" if expired else cause))
    return tuple(events)
