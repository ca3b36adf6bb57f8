"""Holds, from being taken to becoming an assignment or nothing."""

from typing import Any, ClassVar

from maitred_client import MaitredError
from maitred_client import messages as pb
from tests.model.overriding import OVERRIDES, never_overridden, not_permitted, overrides_for, overrides_of
from tests.model.rules import (
    SET_RULES,
    TAKEN_BY,
    context_of,
    foreign_to,
    set_problems,
    table_problems,
    unknown_tables,
)
from tests.model.verb import (
    BOOKINGS,
    CONTEXTS,
    ETAGS,
    HOLDS,
    LIFE_MAX,
    REASONS,
    SETS,
    TTLS,
    Arguments,
    Choices,
    Moment,
    Verb,
    any_of,
    ended_hold,
    length,
    over,
    ttl_of,
    ttl_problems,
    versions,
)
from tests.model.views import assigned_told, hold_told
from tests.model.words import Booking, Hold


def not_assignable(booking: Booking) -> set[str]:
    if not booking.assignable:
        return {"INVALID_STATE_TRANSITION"}
    return {"BOOKING_ALREADY_ASSIGNED"} if booking.has_current_tables else set()


def stale(moment: Moment, booking: Booking, request: Any) -> set[str]:
    """Whether the selection is another one than what the request's context stood for."""
    look = moment.looks.get(moment.place.restaurant_id)
    if not request.context_version or unknown_tables(moment.place, request.table_ids):
        return set()
    assert look is not None, "only tokens of looks are sent"
    window, tables = booking.stay.window, list(request.table_ids)
    now = context_of(moment.place, booking.party, window, tables, moment.now, booking.booking_id)
    return set() if now == look.context else {"STALE_CONTEXT"}


def fitting(moment: Moment, booking: Booking, request: Any) -> set[str]:
    """Why these tables cannot be held for or given to the booking for its window."""
    window, foreign = booking.stay.window, foreign_to(moment.place, booking.booking_id, moment.now)
    tables, aside = list(request.table_ids), overrides_of(request)
    return (
        versions(request.etag, booking.etag)
        | not_assignable(booking)
        | over(window, moment.now)
        | stale(moment, booking, request)
        | table_problems(moment.place, booking.party, tables, window, foreign, aside)
    )


class Holding(Verb):
    """Takes tables for a hold. That somebody else's claim refused it is told, as a change of the restaurant; so is that
    its context is stale where such a claim is in the way.
    """

    def refused(self, moment: Moment, request: Any, error: MaitredError) -> None:
        failed = {check.reason for check in error.failed_checks if error.reason == "STALE_CONTEXT"}
        if not set(TAKEN_BY.values()).isdisjoint({error.reason, *failed}):
            moment.place.floor_version += 1


def keep(moment: Moment, booking: Booking, request: Any, hold_id: str) -> tuple[Hold, list[str]]:
    """The new hold, and the booking's other ones that gave way because they share a table with it."""
    place, tables = moment.place, tuple(sorted(request.table_ids))
    gave_way = [
        hold for hold in place.holds_of(booking.booking_id, moment.now) if set(hold.tables) & set(tables)
    ]
    for hold in gave_way:
        hold.ended = "RELEASED"
    place.holds[hold_id] = Hold(
        hold_id,
        booking.booking_id,
        tables,
        booking.stay.window,
        moment.now + ttl_of(request),
        moment.now,
        moment.actor,
        place.policy_version,
        place.inventory_version,
        booking.epoch,
        overrides_of(request),
    )
    place.floor_version += 1
    return place.holds[hold_id], sorted(hold.hold_id for hold in gave_way)


class HoldTables(Holding):
    method = "hold_tables"
    weight = 10
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "tables": SETS,
        "ttl": TTLS,
        "context": CONTEXTS,
        "etag": ETAGS,
        "overrides": OVERRIDES,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.HoldTablesRequest:
        look = moment.looked_at(given["context"])
        booking_id = look.booking_id if look else moment.booking_id(given["booking"])
        tables = look.tables if look else moment.tables(given["tables"])
        return pb.HoldTablesRequest(
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            table_ids=tables,
            ttl=length(given["ttl"]),
            context_version=look.token if look else "",
            etag=moment.booking_etag(given["etag"], booking_id),
            overrides=overrides_for(moment, booking_id, tables, given["overrides"]),
        )

    def malformed(self, request: pb.HoldTablesRequest) -> set[str]:
        return ttl_problems(request) | never_overridden(request)

    def problems(self, moment: Moment, request: pb.HoldTablesRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        found = fitting(moment, booking, request) if booking else {"BOOKING_NOT_FOUND"}
        return found | not_permitted(moment, overrides_of(request))

    def happen(self, moment: Moment, request: pb.HoldTablesRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        hold, gave_way = keep(moment, booking, request, answer.hold.hold_id)
        return {"hold": hold_told(hold, moment.now), "superseded_hold_ids": gave_way}


class ReplaceHold(Holding):
    method = "replace_hold"
    weight = 5
    arguments: ClassVar[Choices] = {
        "hold": HOLDS,
        "tables": SETS,
        "ttl": TTLS,
        "context": CONTEXTS,
        "etag": ETAGS,
        "overrides": OVERRIDES,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.ReplaceHoldRequest:
        look, hold_id = moment.looked_at(given["context"]), moment.hold_id(given["hold"])
        held = moment.place.holds.get(hold_id)
        booking_id = held.booking_id if held else ""
        tables = look.tables if look else moment.tables(given["tables"])
        return pb.ReplaceHoldRequest(
            restaurant_id=moment.place.restaurant_id,
            hold_id=hold_id,
            table_ids=tables,
            ttl=length(given["ttl"]),
            context_version=look.token if look else "",
            etag=moment.booking_etag(given["etag"], booking_id),
            overrides=overrides_for(moment, booking_id, tables, given["overrides"]),
        )

    def malformed(self, request: pb.ReplaceHoldRequest) -> set[str]:
        return ttl_problems(request) | never_overridden(request)

    def problems(self, moment: Moment, request: pb.ReplaceHoldRequest) -> set[str]:
        hold, found = moment.place.holds.get(request.hold_id), not_permitted(moment, overrides_of(request))
        if hold is None:
            return found | {"HOLD_NOT_FOUND"}
        booking = moment.place.bookings[hold.booking_id]
        return found | (ended_hold(hold, moment.now) or fitting(moment, booking, request))

    def happen(self, moment: Moment, request: pb.ReplaceHoldRequest, answer: Any) -> Arguments:
        old = moment.place.holds[request.hold_id]
        old.ended = "RELEASED"
        booking = moment.place.bookings[old.booking_id]
        hold, gave_way = keep(moment, booking, request, answer.hold.hold_id)
        told = {"released_hold_id": old.hold_id, "superseded_hold_ids": gave_way}
        return {"hold": hold_told(hold, moment.now), **told}


class ExtendHold(Verb):
    method = "extend_hold"
    arguments: ClassVar[Choices] = {"hold": HOLDS, "ttl": TTLS}

    def request(self, moment: Moment, given: Arguments) -> pb.ExtendHoldRequest:
        return pb.ExtendHoldRequest(
            restaurant_id=moment.place.restaurant_id,
            hold_id=moment.hold_id(given["hold"]),
            ttl=length(given["ttl"]),
        )

    def malformed(self, request: pb.ExtendHoldRequest) -> set[str]:
        return ttl_problems(request)

    def problems(self, moment: Moment, request: pb.ExtendHoldRequest) -> set[str]:
        hold = moment.place.holds.get(request.hold_id)
        if hold is None:
            return {"HOLD_NOT_FOUND"}
        until = moment.now + ttl_of(request)
        too_long = until > hold.expires_at and until - hold.created_at > LIFE_MAX
        return ended_hold(hold, moment.now) or ({"HOLD_EXTENSION_LIMIT"} if too_long else set())

    def happen(self, moment: Moment, request: pb.ExtendHoldRequest, answer: Any) -> Arguments:
        hold = moment.place.holds[request.hold_id]
        if moment.now + ttl_of(request) > hold.expires_at:
            hold.expires_at = moment.now + ttl_of(request)
            moment.place.floor_version += 1
        return {"hold": hold_told(hold, moment.now)}


class ReleaseHold(Verb):
    method = "release_hold"
    weight = 1
    arguments: ClassVar[Choices] = {"hold": HOLDS}

    def request(self, moment: Moment, given: Arguments) -> pb.ReleaseHoldRequest:
        hold_id = moment.hold_id(given["hold"])
        return pb.ReleaseHoldRequest(restaurant_id=moment.place.restaurant_id, hold_id=hold_id)

    def problems(self, moment: Moment, request: pb.ReleaseHoldRequest) -> set[str]:
        hold = moment.place.holds.get(request.hold_id)
        if hold is None:
            return {"HOLD_NOT_FOUND"}
        return {"HOLD_ALREADY_CONFIRMED"} if hold.ended == "CONFIRMED" else set()

    def happen(self, moment: Moment, request: pb.ReleaseHoldRequest, answer: Any) -> Arguments:
        hold = moment.place.holds[request.hold_id]
        if hold.live(moment.now):
            hold.ended = "RELEASED"
            moment.place.floor_version += 1
        return {"hold": hold_told(hold, moment.now)}


class ConfirmHold(Verb):
    method = "confirm_hold"
    weight = 8
    arguments: ClassVar[Choices] = {
        "hold": HOLDS,
        "booking": any_of("own", "own", "own", "other"),
        "tables": any_of("", "held", "held", "other"),
        "etag": ETAGS,
        "reason": REASONS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.ConfirmHoldRequest:
        hold_id = moment.hold_id(given["hold"])
        hold = moment.place.holds.get(hold_id)
        own = hold is not None and given["booking"] == "own"
        booking_id = hold.booking_id if hold and own else moment.booking_id(4)
        named = {"": (), "held": hold.tables if hold else (), "other": moment.tables([5])}[given["tables"]]
        return pb.ConfirmHoldRequest(
            restaurant_id=moment.place.restaurant_id,
            hold_id=hold_id,
            booking_id=booking_id,
            table_ids=named,
            etag=moment.booking_etag(given["etag"], booking_id),
            reason=given["reason"],
        )

    def problems(self, moment: Moment, request: pb.ConfirmHoldRequest) -> set[str]:
        hold = moment.place.holds.get(request.hold_id)
        if hold is None:
            return {"HOLD_NOT_FOUND"}
        booking = moment.place.bookings[hold.booking_id]
        other_need = hold.epoch != booking.epoch or hold.window != booking.stay.window
        other_tables = request.table_ids and tuple(sorted(request.table_ids)) != hold.tables
        mismatch = request.booking_id != hold.booking_id or other_tables
        if mismatch or not hold.live(moment.now):
            return ({"HOLD_MISMATCH"} if mismatch else set()) | ended_hold(hold, moment.now)
        found = versions(request.etag, booking.etag) | not_assignable(booking) | over(hold.window, moment.now)
        return found | ({"HOLD_MISMATCH"} if other_need else set()) | self._drift(moment, booking, hold)

    def _drift(self, moment: Moment, booking: Booking, hold: Hold) -> set[str]:
        """Nobody else can be in the way of a live hold; policy and floor can."""
        if unknown_tables(moment.place, hold.tables):
            return {"TABLE_NOT_FOUND"}
        broken = set_problems(moment.place, booking.party, hold.tables) - set(hold.overrides)
        assert broken <= set(SET_RULES)
        return {"POLICY_DRIFT"} if broken else set()

    def happen(self, moment: Moment, request: pb.ConfirmHoldRequest, answer: Any) -> Arguments:
        hold = moment.place.holds[request.hold_id]
        booking = moment.place.bookings[hold.booking_id]
        hold.ended = "CONFIRMED"
        moment.end_holds(booking)
        moment.give(booking, hold.tables, hold.window, hold.overrides, hold.hold_id)
        moment.moved_on(booking, "CONFIRMED", request.reason)
        return assigned_told(booking)


HOLD_VERBS = (HoldTables(), ReplaceHold(), ExtendHold(), ReleaseHold(), ConfirmHold())
