"""What callers do with a booking: each verb is one operation, of one call as a rule."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as change_record
from functools import partial
from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID

from google.rpc import status_pb2

from loadgen.acting.asking import Caller
from loadgen.acting.lives import Life, Standing
from loadgen.checking.history import Recorded
from loadgen.driving import Outcome, Reply
from loadgen.place import Place
from maitred_client import duration, timestamp
from maitred_client.details import decode_details
from maitred_client.messages import (
    AssignTablesRequest,
    AssignTablesResponse,
    AutoAssignRequest,
    AutoAssignResponse,
    AvailabilityQuestion,
    BlockCause,
    BlockTablesRequest,
    BlockTablesResponse,
    Booking,
    BookingAction,
    BookingStatus,
    ConfirmHoldRequest,
    ConfirmHoldResponse,
    Duration,
    ExtendHoldRequest,
    ExtendHoldResponse,
    GetAssignmentRequest,
    GetAssignmentResponse,
    GetBookingRequest,
    Hold,
    HoldTablesRequest,
    HoldTablesResponse,
    ListHoldsRequest,
    PlanTablesRequest,
    PlanTablesResponse,
    ReassignTablesRequest,
    ReassignTablesResponse,
    ReleaseHoldRequest,
    ReplaceHoldRequest,
    ReplaceHoldResponse,
    SearchAvailabilityRequest,
    TransitionBookingRequest,
    TransitionBookingResponse,
    UnassignTablesRequest,
    UnblockTablesRequest,
)

SEARCHED_STARTS: Final = 8
SEARCH_STEP: Final = dt.timedelta(minutes=15)

# What a refusal tells about the booking.
WAITS: Final = frozenset(
    {
        "HOLD_EXPIRED",
        "HOLD_ALREADY_RELEASED",
        "HOLD_NOT_FOUND",
        "HOLD_MISMATCH",
        "ASSIGNMENT_NOT_FOUND",
    }
)
HAS_TABLES: Final = frozenset({"BOOKING_ALREADY_ASSIGNED", "HOLD_ALREADY_CONFIRMED"})
STANDS_OTHERWISE: Final = "INVALID_STATE_TRANSITION"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where callers act and by what chance. `shortest_ttl_s` is the shortest life of a hold that the server allows, and
    `blocks` are those that they know of, as histories have them.
    """

    place: Place
    caller: Caller
    chance: Random
    shortest_ttl_s: float
    blocks: list[Recorded] = field(default_factory=list)

    def about(self, life: Life, table_ids: tuple[str, ...] = (), ttl_s: float | None = None) -> Recorded:
        """What histories say of a call about a booking."""
        visit = life.visit
        return Recorded(
            "",
            restaurant_id=self.place.restaurant_id(visit.restaurant),
            booking_id=visit.booking_id,
            table_ids=table_ids,
            window=visit.window,
            ttl_s=ttl_s,
        )

    def about_hold(self, life: Life, table_ids: tuple[str, ...], ttl_s: float | None = None) -> Recorded:
        """What they say of a call that acts on the booking's hold."""
        return change_record(self.about(life, table_ids, ttl_s), hold_id=life.hold_id)

    def where(self, life: Life) -> dict[str, Any]:
        """What nearly every request has."""
        return {
            "restaurant_id": self.place.restaurant_id(life.visit.restaurant),
            "booking_id": life.visit.booking_id,
        }

    def whose(self, life: Life) -> dict[str, Any]:
        """What requests about a hold have."""
        return {"restaurant_id": self.place.restaurant_id(life.visit.restaurant), "hold_id": life.hold_id}

    def ttl_s(self) -> tuple[float, bool]:
        """How long the next hold is to live, and whether it is to be left to expire."""
        holds = self.place.scenario.holds
        rests = self.chance.random() < holds.expiring
        return (self.shortest_ttl_s if rests else holds.ttl_s), rests


Verb: TypeAlias = Callable[[Scene, Life, int], Awaitable[None]]
"""Does something with a booking. It gets the instant at which it was to begin, from which its first call counts."""


async def hold(scene: Scene, life: Life, intended_ns: int | None) -> None:
    await _hold(scene, life, scene.place.choose_tables(life.visit, scene.chance), intended_ns)


async def plan_and_hold(scene: Scene, life: Life, intended_ns: int) -> None:
    reply = await _plan(scene, life, intended_ns)
    if reply.outcome is Outcome.OK and (plans := PlanTablesResponse.FromString(reply.body).plans):
        await _hold(scene, life, tuple(plans[0].table_ids), None)


async def _hold(scene: Scene, life: Life, table_ids: tuple[str, ...], intended_ns: int | None) -> None:
    ttl_s, rests = scene.ttl_s()
    request = HoldTablesRequest(**scene.where(life), table_ids=table_ids, ttl=_seconds(ttl_s))
    about = scene.about(life, table_ids, ttl_s)
    reply = await scene.caller.change("HoldTables", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        _keep(life, HoldTablesResponse.FromString(reply.body).hold)
        life.rests = rests
    else:
        _learn(life, reply)


async def replace(scene: Scene, life: Life, intended_ns: int) -> None:
    table_ids = scene.place.choose_tables(life.visit, scene.chance)
    ttl_s, rests = scene.ttl_s()
    request = ReplaceHoldRequest(**scene.whose(life), table_ids=table_ids, ttl=_seconds(ttl_s))
    about = scene.about_hold(life, table_ids, ttl_s)
    reply = await scene.caller.change("ReplaceHold", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        _keep(life, ReplaceHoldResponse.FromString(reply.body).hold)
        life.rests = rests
    else:
        _learn(life, reply)


async def extend(scene: Scene, life: Life, intended_ns: int) -> None:
    ttl_s = scene.place.scenario.holds.ttl_s
    request = ExtendHoldRequest(**scene.whose(life), ttl=_seconds(ttl_s))
    about = scene.about_hold(life, life.table_ids, ttl_s)
    reply = await scene.caller.change("ExtendHold", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        _keep(life, ExtendHoldResponse.FromString(reply.body).hold)
    else:
        _learn(life, reply)


async def release(scene: Scene, life: Life, intended_ns: int) -> None:
    request = ReleaseHoldRequest(**scene.whose(life))
    reply = await scene.caller.change(
        "ReleaseHold", request, scene.about_hold(life, life.table_ids), intended_ns
    )
    if reply.outcome is Outcome.OK:
        life.waits()
    else:
        _learn(life, reply)


async def confirm(scene: Scene, life: Life, intended_ns: int) -> None:
    request = ConfirmHoldRequest(**scene.where(life), hold_id=life.hold_id)
    reply = await scene.caller.change(
        "ConfirmHold", request, scene.about_hold(life, life.table_ids), intended_ns
    )
    if reply.outcome is Outcome.OK:
        life.has(ConfirmHoldResponse.FromString(reply.body).assignment.table_ids)
    else:
        _learn(life, reply)


async def assign(scene: Scene, life: Life, intended_ns: int) -> None:
    table_ids = scene.place.choose_tables(life.visit, scene.chance)
    request = AssignTablesRequest(**scene.where(life), table_ids=table_ids)
    reply = await scene.caller.change("AssignTables", request, scene.about(life, table_ids), intended_ns)
    if reply.outcome is Outcome.OK:
        life.has(AssignTablesResponse.FromString(reply.body).assignment.table_ids)
    else:
        _learn(life, reply)


async def auto_assign(scene: Scene, life: Life, intended_ns: int) -> None:
    request = AutoAssignRequest(**scene.where(life))
    reply = await scene.caller.change("AutoAssign", request, scene.about(life), intended_ns)
    if reply.outcome is not Outcome.OK:
        _learn(life, reply)
    elif table_ids := AutoAssignResponse.FromString(reply.body).assignment.table_ids:
        life.has(table_ids)


async def reassign(scene: Scene, life: Life, intended_ns: int) -> None:
    table_ids = scene.place.choose_tables(life.visit, scene.chance)
    request = ReassignTablesRequest(**scene.where(life), table_ids=table_ids)
    reply = await scene.caller.change("ReassignTables", request, scene.about(life, table_ids), intended_ns)
    if reply.outcome is Outcome.OK:
        life.has(ReassignTablesResponse.FromString(reply.body).assignment.table_ids)
    else:
        _learn(life, reply)


async def unassign(scene: Scene, life: Life, intended_ns: int) -> None:
    if not life.table_ids:
        await look(scene, life, intended_ns)
        return
    request = UnassignTablesRequest(**scene.where(life), table_ids=life.table_ids)
    about = scene.about(life, life.table_ids)
    reply = await scene.caller.change("UnassignTables", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        life.waits()
    elif reply.outcome is Outcome.REFUSED:
        # Somebody has moved it meanwhile; it is looked up next time.
        life.table_ids = ()
        _learn(life, reply)


async def _step(action: str, scene: Scene, life: Life, intended_ns: int) -> None:
    number = BookingAction.Value(f"BOOKING_ACTION_{action.upper()}")
    request = TransitionBookingRequest(**scene.where(life), action=number)
    about = change_record(scene.about(life), action=action)
    reply = await scene.caller.change("TransitionBooking", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        life.stands(_status_in(TransitionBookingResponse.FromString(reply.body).booking))
    else:
        _learn(life, reply)


async def come_again(scene: Scene, life: Life, intended_ns: int) -> None:
    """The party makes a new booking for what it wanted before."""
    booking_id = str(UUID(int=scene.chance.getrandbits(128), version=4))
    visit = change_record(life.visit, booking_id=booking_id)
    request = scene.place.booking(visit)
    about = change_record(scene.about(life), booking_id=booking_id)
    reply = await scene.caller.change("PutBooking", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        life.visit = visit
        life.waits()


async def block(scene: Scene, life: Life, intended_ns: int) -> None:
    """Takes a table that the party might have had, for as long as it would have sat there."""
    visit = life.visit
    table_ids = scene.place.choose_tables(visit, scene.chance)
    request = BlockTablesRequest(
        restaurant_id=scene.place.restaurant_id(visit.restaurant),
        table_ids=table_ids,
        window_start=timestamp(visit.start),
        window_end=timestamp(visit.end),
        cause=BlockCause.BLOCK_CAUSE_MAINTENANCE,
    )
    about = Recorded("", restaurant_id=request.restaurant_id, table_ids=table_ids, window=visit.window)
    reply = await scene.caller.change("BlockTables", request, about, intended_ns)
    if reply.outcome is Outcome.OK:
        block_id = BlockTablesResponse.FromString(reply.body).block.block_id
        scene.blocks.append(change_record(about, hold_id=block_id))


async def unblock(scene: Scene, life: Life, intended_ns: int) -> None:
    """Gives back what somebody blocked, or blocks when nobody has."""
    if not scene.blocks:
        await block(scene, life, intended_ns)
        return
    about = scene.blocks.pop(scene.chance.randrange(len(scene.blocks)))
    request = UnblockTablesRequest(restaurant_id=about.restaurant_id, block_id=about.hold_id)
    reply = await scene.caller.change("UnblockTables", request, about, intended_ns)
    if reply.outcome is Outcome.UNKNOWN:
        scene.blocks.append(about)


async def look(scene: Scene, life: Life, intended_ns: int) -> None:
    request = GetAssignmentRequest(**scene.where(life))
    reply = await scene.caller.ask("GetAssignment", request, scene.about(life), intended_ns)
    if reply.outcome is Outcome.OK:
        life.has(GetAssignmentResponse.FromString(reply.body).assignment.table_ids)
    elif life.known is Standing.ASSIGNED:
        _learn(life, reply)


async def read_booking(scene: Scene, life: Life, intended_ns: int) -> None:
    request = GetBookingRequest(**scene.where(life))
    await scene.caller.ask("GetBooking", request, scene.about(life), intended_ns)


async def list_holds(scene: Scene, life: Life, intended_ns: int) -> None:
    await scene.caller.ask("ListHolds", ListHoldsRequest(**scene.where(life)), scene.about(life), intended_ns)


async def plan(scene: Scene, life: Life, intended_ns: int) -> None:
    await _plan(scene, life, intended_ns)


async def _plan(scene: Scene, life: Life, intended_ns: int) -> Reply:
    request = PlanTablesRequest(**scene.where(life))
    return await scene.caller.ask("PlanTables", request, scene.about(life), intended_ns)


async def search(scene: Scene, life: Life, intended_ns: int) -> None:
    visit = life.visit
    request = SearchAvailabilityRequest(
        restaurant_id=scene.place.restaurant_id(visit.restaurant),
        questions=[
            AvailabilityQuestion(
                party_size=visit.party_size, start=timestamp(visit.start + step * SEARCH_STEP)
            )
            for step in range(SEARCHED_STARTS)
        ],
    )
    await scene.caller.ask("SearchAvailability", request, scene.about(life), intended_ns)


STEPS: Final = ("check_in", "complete", "cancel", "no_show", "undo_no_show")
VERBS: Final[Mapping[str, Verb]] = {
    verb.__name__: verb
    for verb in (
        hold, plan_and_hold, assign, auto_assign, confirm, release, extend, replace, unassign, reassign,
        come_again, block, unblock, plan, search, look, read_booking, list_holds,
    )
} | {step: partial(_step, step) for step in STEPS}  # fmt: skip


def _seconds(length_s: float) -> Duration:
    return duration(dt.timedelta(seconds=length_s))


def _keep(life: Life, held: Hold) -> None:
    life.holds(held.hold_id, held.table_ids, held.expires_at.ToNanoseconds() / 1e9)


def _learn(life: Life, reply: Reply) -> None:
    """What a refusal tells about the booking; of an unknown outcome the next call will tell."""
    if reply.reason in WAITS:
        life.waits()
    elif reply.reason in HAS_TABLES:
        life.has(())
    elif reply.reason == STANDS_OTHERWISE:
        life.stands(decode_details(status_pb2.Status.FromString(reply.details)).metadata["current_status"])


def _status_in(booking: Booking) -> str:
    return BookingStatus.Name(booking.status).removeprefix("BOOKING_STATUS_").lower()
