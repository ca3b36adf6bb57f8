"""Tables that the server chooses. Which ones is its own affair, as long as the rules allow them and no rule gave way
that did not have to.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias
from uuid import UUID, uuid5

from google.protobuf.duration_pb2 import Duration

from maitred_client import MaitredError
from maitred_client import messages as pb
from tests.model.hold_verbs import not_assignable
from tests.model.overriding import in_precedence
from tests.model.rules import foreign_to, relaxation_steps, sets_for, taken
from tests.model.verb import (
    BOOKINGS,
    ETAGS,
    REASONS,
    Arguments,
    Choices,
    Moment,
    Verb,
    any_of,
    over,
    some_of,
    versions,
)
from tests.model.views import assigned_told, assignment_seen, booking_told
from tests.model.words import Booking

Found: TypeAlias = tuple[tuple[str, ...], list[tuple[str, ...]]]

NAMESPACE = UUID("a65e93e2-3872-5c91-95df-1d3997928c8c")
OWN = "own"
CUTOFF_DEFAULT = 600


class AutoAssign(Verb):
    method = "auto_assign"
    weight = 7
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "id": any_of("", "", "derived", OWN, OWN),
        "avoid": some_of(range(6), 0, 6),
        "avoids": any_of("none", "none", "some", "others", "others"),
        # Minutes before the party sits down.
        "cutoff": any_of(None, None, None, 0, 20, 60),
        "etag": ETAGS,
        "reason": REASONS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.AutoAssignRequest:
        booking_id, cutoff = moment.booking_id(given["booking"]), given["cutoff"]
        booking = moment.booking(booking_id)
        derived = _derived_id(moment, booking) if booking else ""
        # All but what the booking holds itself.
        held = {table for hold in moment.place.holds_of(booking_id, moment.now) for table in hold.tables}
        others = sorted(set(moment.place.floor.tables) - held) if held else []
        return pb.AutoAssignRequest(
            request_id=derived if given["id"] == "derived" else given["id"],
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            avoid_table_ids={"none": [], "some": moment.tables(given["avoid"]), "others": others}[
                given["avoids"]
            ],
            cutoff=None if cutoff is None else Duration(seconds=cutoff * 60),
            etag=moment.booking_etag(given["etag"], booking_id),
            reason=given["reason"],
        )

    def named(self, request: pb.AutoAssignRequest, fresh: str) -> str:
        return fresh if request.request_id == OWN else request.request_id

    def remembered(self, request: pb.AutoAssignRequest) -> bool:
        return bool(request.request_id) and UUID(request.request_id).version is None

    def problems(self, moment: Moment, request: pb.AutoAssignRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return {"BOOKING_NOT_FOUND"}
        if _recorded(moment, booking, request) is not None:
            return set()
        found = versions(request.etag, booking.etag)
        if _has_tables(booking):
            return found
        found |= (
            not_assignable(booking)
            | over(booking.stay.window, moment.now)
            | _too_late(moment, booking, request.cutoff.seconds if request.HasField("cutoff") else None)
        )
        return found or (set() if _feasible(moment, booking, request) else {"NO_FEASIBLE_PLAN"})

    def refused(self, moment: Moment, request: pb.AutoAssignRequest, error: MaitredError) -> None:
        """Whether another time could help, or nothing on this floor."""
        if error.reason == "NO_FEASIBLE_PLAN":
            booking = moment.place.bookings[request.booking_id]
            some = any(_allowed(moment, booking, request, step) for step in _steps(moment))
            outcome, step = ("fully_taken", "OFFER_ALTERNATIVES") if some else ("needs_staff", "ASK_STAFF")
            assert (error.metadata["outcome"], error.metadata["next_steps"]) == (outcome, step)

    def flavour(self, moment: Moment, request: pb.AutoAssignRequest) -> str:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return ""
        if _recorded(moment, booking, request) is not None:
            return "recorded"
        found = None if _has_tables(booking) else _feasible(moment, booking, request)
        return f"{request.request_id == OWN} {found[0] if found else ''}"

    def happen(self, moment: Moment, request: pb.AutoAssignRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        known, derived_id = _recorded(moment, booking, request), _derived_id(moment, booking)
        if known is not None:
            assert answer == known
            return {"assignment": assignment_seen(known.assignment)}
        derived = request.request_id in ("", derived_id)
        told = (
            self._already(booking)
            if _has_tables(booking)
            else self._assigned(moment, booking, request, answer)
        )
        if derived:
            moment.place.derived[derived_id] = answer
        return {**told, "request_id": derived_id if derived else request.request_id, "next_steps": []}

    def _already(self, booking: Booking) -> dict[str, Any]:
        return {
            "outcome": pb.AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_ALREADY_ASSIGNED,
            "attempts": [],
            **assigned_told(booking),
        }

    def _assigned(
        self, moment: Moment, booking: Booking, request: pb.AutoAssignRequest, answer: Any
    ) -> dict[str, Any]:
        found, chosen = _feasible(moment, booking, request), tuple(answer.assignment.table_ids)
        assert found is not None
        relaxed, allowed = found
        assert chosen in allowed, f"{chosen} is none of {allowed}, relaxing {relaxed}"
        moment.end_holds(booking)
        moment.give(booking, chosen, booking.stay.window, relaxed)
        moment.moved_on(booking, "CONFIRMED", request.reason)
        return {
            "outcome": pb.AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME,
            "attempts": [pb.AutoAssignAttempt(table_ids=chosen)],
            **assigned_told(booking),
        }


class DispatchAutoAssign(Verb):
    """Nothing is assigned in the model's world, which has no worker."""

    method = "dispatch_auto_assign"
    weight = 2
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "cutoff": any_of(None, None, 0, 20, 60),
        "etag": ETAGS,
        "reason": REASONS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.DispatchAutoAssignRequest:
        booking_id, cutoff = moment.booking_id(given["booking"]), given["cutoff"]
        return pb.DispatchAutoAssignRequest(
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            cutoff=None if cutoff is None else Duration(seconds=cutoff * 60),
            etag=moment.booking_etag(given["etag"], booking_id),
            reason=given["reason"],
        )

    def problems(self, moment: Moment, request: pb.DispatchAutoAssignRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return {"BOOKING_NOT_FOUND"}
        cutoff = request.cutoff.seconds if request.HasField("cutoff") else CUTOFF_DEFAULT
        return (
            versions(request.etag, booking.etag)
            | not_assignable(booking)
            | over(booking.stay.window, moment.now)
            | _too_late(moment, booking, cutoff)
        )

    def flavour(self, moment: Moment, request: pb.DispatchAutoAssignRequest) -> str:
        booking = moment.booking(request.booking_id)
        return booking.status if booking else ""

    def happen(self, moment: Moment, request: pb.DispatchAutoAssignRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        if booking.status == "PENDING":
            moment.moved_on(booking, "PENDING_ALLOCATION", request.reason)
        return {"booking": booking_told(booking)}


def _derived_id(moment: Moment, booking: Booking) -> str:
    tenant_id, place_id = UUID(int=moment.tenant + 1), moment.place.restaurant_id
    return str(uuid5(NAMESPACE, f"{tenant_id}/{place_id}/{booking.booking_id}/{booking.epoch}"))


def _recorded(moment: Moment, booking: Booking, request: pb.AutoAssignRequest) -> Any:
    """The answer that everybody got who asked for the booking's present need, unless the request has its own id."""
    derived_id = _derived_id(moment, booking)
    return moment.place.derived.get(derived_id) if request.request_id in ("", derived_id) else None


def _has_tables(booking: Booking) -> bool:
    return booking.status in ("CONFIRMED", "CHECKED_IN") and booking.has_current_tables


def _too_late(moment: Moment, booking: Booking, cutoff_s: int | None) -> set[str]:
    late = cutoff_s is not None and moment.now > booking.party.start - cutoff_s
    return {"CUTOFF_PASSED"} if late else set()


def _feasible(moment: Moment, booking: Booking, request: pb.AutoAssignRequest) -> Found | None:
    """The first step of relaxation with free sets, and these sets."""
    window = booking.stay.window
    foreign = foreign_to(moment.place, booking.booking_id, moment.now)
    for step in _steps(moment):
        allowed = _allowed(moment, booking, request, step)
        if free := [tables for tables in allowed if not taken(foreign, tables, window)]:
            return in_precedence(step), free
    return None


def _steps(moment: Moment) -> Iterator[tuple[str, ...]]:
    policy = moment.place.policy
    return relaxation_steps(policy.relaxations if policy else ())


def _allowed(
    moment: Moment, booking: Booking, request: pb.AutoAssignRequest, step: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """What the rules and the caller allow, taken or not."""
    avoid = set(request.avoid_table_ids)
    return [tables for tables in sets_for(moment.place, booking.party, step) if not avoid & set(tables)]


AUTOMATIC_VERBS = (AutoAssign(), DispatchAutoAssign())
