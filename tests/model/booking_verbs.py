"""Bookings and their life."""

from typing import Any, ClassVar

from maitred_client import messages as pb
from tests.model.rules import foreign_to, stay_of, table_problems
from tests.model.verb import (
    BOOKINGS,
    ETAGS,
    REASONS,
    Arguments,
    Choices,
    Moment,
    Verb,
    any_of,
    at,
    length,
    over,
    record,
    versions,
)
from tests.model.views import booking_told, party_read
from tests.model.words import Booking, Party

QUARTER = 15 * 60

PARTIES = record(
    {
        "size": any_of(2, 2, 3, 4, 4, 5, 6, 7, 1),
        # Quarters from the present one; some starts are off that grid.
        "quarter": any_of(0, 1, 1, 2, 4, 4, 6, 8, -1, -3, -20),
        "off_grid": any_of(0, 0, 0, 217),
        "minutes": any_of(None, None, None, 40),
        "zone": any_of(None, None, None, 0, 1),
        "required": any_of([], [], [], ["window"]),
        "preferred": any_of([], [], ["window"]),
    }
)

# From each status, where each action leads. Whatever is missing is not allowed.
STEPS = {
    "PENDING": {"QUEUE": "PENDING_ALLOCATION", "CANCEL": "CANCELLED"},
    "PENDING_ALLOCATION": {"CANCEL": "CANCELLED"},
    "CONFIRMED": {"CHECK_IN": "CHECKED_IN", "CANCEL": "CANCELLED", "NO_SHOW": "NO_SHOW"},
    "CHECKED_IN": {"COMPLETE": "COMPLETED", "NO_SHOW": "NO_SHOW"},
    "NO_SHOW": {"UNDO_NO_SHOW": "CONFIRMED"},
}
ACTIONS = ["QUEUE", "CHECK_IN", "COMPLETE", "CANCEL", "NO_SHOW", "UNDO_NO_SHOW"]
STEPS_NAMED = frozenset(action.lower() for action in ACTIONS)


class PutBooking(Verb):
    method = "put_booking"
    weight = 7
    arguments: ClassVar[Choices] = {
        "booking": any_of(0, 0, 0, 1, 1, 2, 3, 4),
        "party": PARTIES,
        "same_party": any_of(False, False, True),
        "reference": any_of("", "R-1"),
        "etag": ETAGS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.PutBookingRequest:
        new = moment.id_of("booking", len(moment.place.bookings))
        booking_id = moment.booking_id(given["booking"]) if given["booking"] else new
        before = moment.booking(booking_id)
        kept = before.party if before and given["same_party"] else None
        return pb.PutBookingRequest(
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            party=_party_message(kept or _party(moment, given["party"]), given["party"]["preferred"]),
            reference=given["reference"],
            etag=moment.booking_etag(given["etag"], booking_id),
        )

    def problems(self, moment: Moment, request: pb.PutBookingRequest) -> set[str]:
        place, party = moment.place, party_read(request.party)
        before = moment.booking(request.booking_id)
        found = versions(request.etag, before.etag if before else "")
        same_need = before and before.party.need == party.need
        if party.zone and party.zone not in place.floor.zones and not same_need:
            found.add("INVALID_ARGUMENT_FIELD")
        if before and not before.assignable:
            return found | {"INVALID_STATE_TRANSITION"}
        if same_need:
            return found
        stay = stay_of(place.policy, place.time_zone, party)
        return found | ({stay} if isinstance(stay, str) else over(stay.window, moment.now))

    def flavour(self, moment: Moment, request: pb.PutBookingRequest) -> str:
        before = moment.booking(request.booking_id)
        if before is None:
            return "new"
        return f"{before.status} {before.party.need == party_read(request.party).need}"

    def happen(self, moment: Moment, request: pb.PutBookingRequest, answer: Any) -> Arguments:
        place, party = moment.place, party_read(request.party)
        booking = moment.booking(request.booking_id)
        if booking is None:
            booking = _created(moment, request, party)
        elif (booking.party, booking.reference) != (party, request.reference):
            new_need = booking.party.need != party.need
            if new_need:
                stay = stay_of(place.policy, place.time_zone, party)
                assert not isinstance(stay, str)
                booking.stay = stay
                moment.end_holds(booking)
            booking.party, booking.reference = party, request.reference
            moment.moved_on(booking, booking.status, new_need=new_need)
        return {"booking": booking_told(booking)}


def _created(moment: Moment, request: pb.PutBookingRequest, party: Party) -> Booking:
    stay = stay_of(moment.place.policy, moment.place.time_zone, party)
    assert not isinstance(stay, str)
    booking = Booking(request.booking_id, party, stay, request.reference, moment.now, moment.now)
    booking.history.append((1, "UNSPECIFIED", "PENDING", moment.actor, "", moment.now))
    moment.place.bookings[request.booking_id] = booking
    moment.place.floor_version += 1
    return booking


def _party(moment: Moment, given: Arguments) -> Party:
    start = moment.now - moment.now % QUARTER + given["quarter"] * QUARTER + given["off_grid"]
    return Party(
        given["size"],
        start,
        given["minutes"] * 60 if given["minutes"] else None,
        "" if given["zone"] is None else moment.id_of("zone", given["zone"]),
        tuple(given["required"]),
        tuple(given["preferred"]),
    )


def _party_message(party: Party, preferred: list[str]) -> pb.PartyRequest:
    return pb.PartyRequest(
        party_size=party.size,
        start=at(party.start),
        duration=length(party.duration),
        zone_id=party.zone,
        required_attributes=party.required,
        preferred_attributes=preferred,
    )


class TransitionBooking(Verb):
    method = "transition_booking"
    weight = 8
    arguments: ClassVar[Choices] = {
        "booking": BOOKINGS,
        "action": any_of(*ACTIONS),
        "etag": ETAGS,
        "reason": REASONS,
    }

    def request(self, moment: Moment, given: Arguments) -> pb.TransitionBookingRequest:
        booking_id = moment.booking_id(given["booking"])
        return pb.TransitionBookingRequest(
            restaurant_id=moment.place.restaurant_id,
            booking_id=booking_id,
            action=pb.BookingAction.Value(f"BOOKING_ACTION_{given['action']}"),
            etag=moment.booking_etag(given["etag"], booking_id),
            reason=given["reason"],
        )

    def problems(self, moment: Moment, request: pb.TransitionBookingRequest) -> set[str]:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return {"BOOKING_NOT_FOUND"}
        action, found = _action(request), versions(request.etag, booking.etag)
        if action not in STEPS.get(booking.status, {}):
            return found | {"INVALID_STATE_TRANSITION"}
        if action == "CHECK_IN" and (booking.needs_tables or _too_early(moment, booking)):
            return found | {"INVALID_STATE_TRANSITION"}
        if action == "UNDO_NO_SHOW":
            return found | _undo_problems(moment, booking)
        return found

    def flavour(self, moment: Moment, request: pb.TransitionBookingRequest) -> str:
        booking = moment.booking(request.booking_id)
        if booking is None:
            return ""
        begun = moment.now > booking.stay.window[0]
        return f"{booking.status} {begun}"

    def act(self, request: pb.TransitionBookingRequest) -> str:
        return _action(request).lower()

    def happen(self, moment: Moment, request: pb.TransitionBookingRequest, answer: Any) -> Arguments:
        booking = moment.place.bookings[request.booking_id]
        status = STEPS[booking.status][_action(request)]
        over_now = status in ("CANCELLED", "NO_SHOW")
        if status not in ("PENDING_ALLOCATION", "CONFIRMED"):
            moment.end_holds(booking)
        if over_now:
            booking.assignment = None
        moment.moved_on(booking, status, request.reason, new_need=over_now)
        if status == "CHECKED_IN":
            booking.checked_in_at = moment.now
        elif status == "NO_SHOW":
            booking.checked_in_at = 0
        elif status == "COMPLETED":
            booking.checked_out_at = moment.now
            _leave(moment, booking)
        elif status == "CONFIRMED":
            assert booking.last_assignment is not None
            had = booking.last_assignment
            moment.give(booking, had.tables, moment.rest_of(booking.stay.window), had.overrides)
        return {"booking": booking_told(booking)}


def _action(request: pb.TransitionBookingRequest) -> str:
    return pb.BookingAction.Name(request.action).removeprefix("BOOKING_ACTION_")


def _too_early(moment: Moment, booking: Booking) -> bool:
    policy = moment.place.policy
    lead = policy.check_in_lead if policy else None
    return lead is not None and moment.now < booking.party.start - lead


def _undo_problems(moment: Moment, booking: Booking) -> set[str]:
    """The same tables have to be free for what is left of the window."""
    had, window = booking.last_assignment, booking.stay.window
    assert had is not None
    foreign = foreign_to(moment.place, booking.booking_id, moment.now)
    late, rest = over(window, moment.now), moment.rest_of(window)
    return late | table_problems(moment.place, booking.party, had.tables, rest, foreign, had.overrides)


def _leave(moment: Moment, booking: Booking) -> None:
    """What is left of the window is given back; when it has not begun, everything."""
    given = booking.assignment
    assert given is not None
    given.state = "COMPLETED"
    if given.window[0] < moment.now < given.window[1]:
        given.window = (given.window[0], moment.now)
    elif moment.now <= given.window[0]:
        given.claims = False


BOOKING_VERBS = (PutBooking(), TransitionBooking())
