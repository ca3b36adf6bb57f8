"""Tables given without a hold, moved, and taken away."""

from typing import Any, ClassVar

from maitred_client import messages as pb
from tests.model.hold_verbs import fitting, stale
from tests.model.overriding import OVERRIDES, never_overridden, not_permitted, overrides_for, overrides_of
from tests.model.rules import foreign_to, set_problems, table_problems, unknown_tables
from tests.model.verb import (
    BOOKINGS,
    CONTEXTS,
    ETAGS,
    REASONS,
    SETS,
    Arguments,
    Choices,
    Moment,
    Verb,
    any_of,
    over,
    versions,
)
from tests.model.views import assigned_told, booking_told
from tests.model.words import Assignment


class AssignTables(Verb):
    method = "assign_tables"
    weight = 5
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "tables": SETS,
        "context": CONTEXTS,
        "etag": ETAGS,
        "reason": REASONS,
        "overrides": OVERRIDES,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.AssignTablesRequest:
        return pb.AssignTablesRequest(**_wanted(moment, given))

    def malformed(self, request: pb.AssignTablesRequest) -> set[str]:
        return never_overridden(request)

    def problems(self, moment: Moment, request: pb.AssignTablesRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        found = fitting(moment, booking, request) if booking else {"BOOKING_NOT_FOUND"}
        return found | not_permitted(moment, overrides_of(request))

    def happen(self, moment: Moment, request: pb.AssignTablesRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        moment.end_holds(booking)
        tables = tuple(sorted(request.table_ids))
        moment.give(booking, tables, booking.stay.window, overrides_of(request))
        moment.moved_on(booking, "CONFIRMED", request.reason)
        return assigned_told(booking)


class ReassignTables(Verb):
    method = "reassign_tables"
    weight = 5
    arguments: ClassVar[Choices] = AssignTables.arguments

    def request(self, moment: Moment, given: Arguments) -> pb.ReassignTablesRequest:
        return pb.ReassignTablesRequest(**_wanted(moment, given))

    def malformed(self, request: pb.ReassignTablesRequest) -> set[str]:
        return never_overridden(request)

    def problems(self, moment: Moment, request: pb.ReassignTablesRequest) -> set[str]:
        booking, aside = moment.booking(request.booking_id), overrides_of(request)
        found = not_permitted(moment, aside)
        if booking is None:
            return found | {"BOOKING_NOT_FOUND"}
        window, tables = booking.stay.window, sorted(request.table_ids)
        found |= versions(request.etag, booking.etag) | over(window, moment.now)
        if booking.assignment is None:
            return found | {"ASSIGNMENT_NOT_FOUND"}
        if booking.status not in ("CONFIRMED", "CHECKED_IN"):
            return found | {"INVALID_STATE_TRANSITION"}
        if booking.has_current_tables and tuple(tables) == booking.assignment.tables:
            found.add("BOOKING_ALREADY_ASSIGNED")
        foreign = foreign_to(moment.place, booking.booking_id, moment.now)
        rest = moment.rest_of(window)
        return (
            found
            | stale(moment, booking, request)
            | table_problems(moment.place, booking.party, tables, rest, foreign, aside)
        )

    def happen(self, moment: Moment, request: pb.ReassignTablesRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        moment.end_holds(booking)
        moment.moved_on(booking, booking.status, request.reason, new_need=True)
        tables, rest = tuple(sorted(request.table_ids)), moment.rest_of(booking.stay.window)
        moment.give(booking, tables, rest, overrides_of(request))
        return assigned_told(booking)


class UnassignTables(Verb):
    method = "unassign_tables"
    weight = 3
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "take": SETS,
        "own": any_of(0, 1, 2, 3),
        "etag": ETAGS,
        "reason": REASONS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.UnassignTablesRequest:
        """All tables, one of those it has, or any."""
        booking_id = moment.booking_id(given["booking"])
        booking = moment.booking(booking_id)
        has = booking.assignment.tables if booking and booking.assignment else ()
        take: list[str] = {0: [], 1: list(has[:1]), 2: list(has[-1:])}.get(
            given["own"], moment.tables(given["take"])
        )
        return pb.UnassignTablesRequest(
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            table_ids=take,
            etag=moment.booking_etag(given["etag"], booking_id),
            reason=given["reason"],
        )

    def problems(self, moment: Moment, request: pb.UnassignTablesRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return {"BOOKING_NOT_FOUND"}
        found, given = versions(request.etag, booking.etag), booking.assignment
        if given is None:
            return found | {"ASSIGNMENT_NOT_FOUND"}
        if booking.status != "CONFIRMED":
            return found | {"INVALID_STATE_TRANSITION"}
        if set(request.table_ids) - set(given.tables):
            return found | {"TABLE_NOT_FOUND"}
        kept = _kept(given, request)
        if unknown_tables(moment.place, kept):
            return found | {"TABLE_NOT_FOUND"}
        broken = set_problems(moment.place, booking.party, kept) if kept else set()
        return found | (broken - set(_still_aside(given)))

    def happen(self, moment: Moment, request: pb.UnassignTablesRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        given = booking.assignment
        assert given is not None
        kept, current = _kept(given, request), booking.has_current_tables
        if not kept:
            booking.assignment = None
            moment.moved_on(booking, "PENDING", request.reason, new_need=current)
            return {"booking": booking_told(booking)}
        moment.moved_on(booking, "CONFIRMED", request.reason, new_need=current)
        rest = Assignment(
            *(given.booking_id, kept, given.window, given.epoch + current, given.party_size),
            *(moment.actor, moment.now, given.hold_id),
            overrides=_still_aside(given),
        )
        booking.assignment = booking.last_assignment = rest
        return assigned_told(booking)


def _kept(given: Assignment, request: pb.UnassignTablesRequest) -> tuple[str, ...]:
    """What stays when these tables go; naming none means all."""
    taken_away = request.table_ids or given.tables
    return tuple(table for table in given.tables if table not in taken_away)


def _still_aside(given: Assignment) -> tuple[str, ...]:
    """How few seats a party puts up with was decided for the tables that it had."""
    return tuple(rule for rule in given.overrides if rule != "CAPACITY_INSUFFICIENT")


def _wanted(moment: Moment, given: Arguments) -> dict[str, Any]:
    look = moment.looked_at(given["context"])
    booking_id = look.booking_id if look else moment.booking_id(given["booking"])
    tables = look.tables if look else moment.tables(given["tables"])
    return {
        "restaurant_id": moment.place.restaurant_id,
        "booking_id": booking_id,
        "table_ids": tables,
        "context_version": look.token if look else "",
        "etag": moment.booking_etag(given["etag"], booking_id),
        "reason": given["reason"],
        "overrides": overrides_for(moment, booking_id, tables, given["overrides"]),
    }


ASSIGNMENT_VERBS = (AssignTables(), ReassignTables(), UnassignTables())
