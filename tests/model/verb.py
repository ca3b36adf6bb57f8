"""What it takes to try one call: how it is made, what refuses it, what it does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from maitred_client import MaitredError
from maitred_client import messages as pb
from tests.model.rules import set_problems, unknown_tables
from tests.model.words import Assignment, Booking, Hold, Place, Window

Arguments: TypeAlias = Mapping[str, Any]
Choice: TypeAlias = Callable[[Random], Any]
Choices: TypeAlias = Mapping[str, Choice]

UNKNOWN = 9
LAST = "last"


def any_of(*values: Any) -> Choice:
    return lambda rng: rng.choice(values)


def some_of(values: Sequence[Any], least: int, most: int) -> Choice:
    """Different values in their order."""
    return lambda rng: sorted(rng.sample(values, rng.randint(least, most)))


def record(choices: Choices) -> Choice:
    return lambda rng: {name: choose(rng) for name, choose in choices.items()}


def either(*choices: Choice) -> Choice:
    return lambda rng: rng.choice(choices)(rng)


# Few tables, and mostly the newest bookings and holds: they meet each other all the time. One number is of nothing.
BOOKINGS = any_of(1, 1, 1, 2, 2, 3, 4, 5, 6, UNKNOWN)
SETS = either(
    some_of(range(6), 1, 1),
    any_of([0, 1], [1, 2], [0, 2], [2, 3], [3, 4], [0, 1, 2], [1, 2, 3]),
    some_of([0, 1, 2, 3, 4, 5, UNKNOWN], 1, 4),
)
ETAGS = any_of("", "", "", "", "current", "stale")
HOLDS = any_of(1, 1, 1, 2, 2, 3, 4, UNKNOWN)
# Two in three calls that can carry a context carry none; the others say what was looked at last.
CONTEXTS = any_of("", "", LAST)
TTLS = any_of(0, 60, 180, 900, 60, 180, 900, 59, 901)
TTL_DEFAULT, TTL_MIN, TTL_MAX, LIFE_MAX = 180, 60, 900, 1_800
REASONS = any_of("", "asked by phone")


@dataclass(slots=True)
class Look:
    """A selection that was looked at: the token of the answer, and what it stood for."""

    booking_id: str
    tables: tuple[str, ...]
    token: str
    context: Any


@dataclass(slots=True)
class Moment:
    """Where and when a call is made, and by whom. `tenant` is the caller's, whoever owns the place.

    `may_override` is whether the caller may set rules aside that the policy does not relax.
    """

    place: Place
    tenant: int
    actor: str
    now: int
    may_override: bool = True
    looks: dict[str, Look] = field(default_factory=dict)

    def id_of(self, kind: str, number: int) -> str:
        """The same for every call of a run; ids of one kind are in the order of their numbers."""
        return str(
            UUID(
                int=UUID(self.place.restaurant_id).int
                + ("zone table booking".split().index(kind) + 1) * 100
                + number
            )
        )

    def tables(self, numbers: list[int]) -> list[str]:
        return [self.id_of("table", number) for number in numbers]

    def booking(self, booking_id: str) -> Booking | None:
        return self.place.bookings.get(booking_id)

    def hold_id(self, nth_newest: int) -> str:
        return self._newest(list(self.place.holds), nth_newest)

    def booking_id(self, nth_newest: int) -> str:
        return self._newest(list(self.place.bookings), nth_newest)

    def _newest(self, made: list[str], nth: int) -> str:
        """One of those made here, or the id of nothing."""
        return made[-nth] if nth <= len(made) and nth != UNKNOWN else self.id_of("zone", UNKNOWN)

    def etag(self, wanted: str, current: str) -> str:
        return {"": "", "current": current, "stale": "b0"}[wanted]

    def booking_etag(self, wanted: str, booking_id: str) -> str:
        booking = self.booking(booking_id)
        return self.etag(wanted, booking.etag if booking else "")

    def looked_at(self, wanted: str) -> Look | None:
        return self.looks.get(self.place.restaurant_id) if wanted == LAST else None

    # What several verbs do

    def moved_on(self, booking: Booking, status: str, reason: str = "", *, new_need: bool = False) -> None:
        """The booking one revision later."""
        before, booking.status = booking.status, status
        booking.revision += 1
        booking.epoch += new_need
        booking.updated_at = self.now
        booking.history.append((booking.revision, before, status, self.actor, reason, self.now))
        self.place.floor_version += 1

    def end_holds(self, booking: Booking) -> None:
        for hold in self.place.holds_of(booking.booking_id, self.now):
            hold.ended = "RELEASED"

    def give(
        self,
        booking: Booking,
        tables: tuple[str, ...],
        window: Window,
        overrides: tuple[str, ...],
        hold_id: str = "",
    ) -> None:
        """The tables that the booking has from now on, for the need it has come to."""
        booking.assignment = Assignment(
            booking.booking_id,
            tables,
            window,
            booking.epoch,
            booking.party.size,
            self.actor,
            self.now,
            hold_id,
            overrides=overrides,
        )
        booking.last_assignment = booking.assignment

    def rest_of(self, window: Window) -> Window:
        """The window, or what is left of one that has begun."""
        return (max(window[0], self.now), window[1])


class Verb(ABC):
    """One mutating call. `weight` is how often it is tried beside the others."""

    method: ClassVar[str]
    arguments: ClassVar[Choices]
    weight: ClassVar[int] = 4

    @abstractmethod
    def request(self, moment: Moment, given: Arguments) -> Message:
        """The request without its request_id and actor."""

    def malformed(self, request: Any) -> set[str]:
        """Why it is refused before anything is looked up; such refusals are not recorded."""
        return set()

    def named(self, request: Any, fresh: str) -> str:
        """The request's request_id; `fresh` is one that nobody has used."""
        return fresh

    def remembered(self, request: Any) -> bool:
        """Whether refusals are recorded, and a request that differs is told so."""
        return True

    @abstractmethod
    def problems(self, moment: Moment, request: Any) -> set[str]:
        """Every reason to refuse it, in a restaurant that the caller has; none when it has to succeed."""

    def act(self, request: Any) -> str:
        """What it is called in a census."""
        return self.method

    def subject(self, moment: Moment, request: Any) -> Booking | None:
        """The booking that it is about."""
        hold = moment.place.holds.get(getattr(request, "hold_id", ""))
        return moment.booking(hold.booking_id if hold else getattr(request, "booking_id", ""))

    def flavour(self, moment: Moment, request: Any) -> str:
        """Tells requests apart that come to the same in different ways."""
        return ""

    def refused(self, moment: Moment, request: Any, error: MaitredError) -> None:
        """Asserts what the refusal has to say besides its reason."""
        return

    @abstractmethod
    def happen(self, moment: Moment, request: Any, answer: Any) -> Arguments:
        """Changes the model, and tells fields of the answer as they have to be."""


def standing(place: Place, booking: Booking | None, now: int) -> str:
    """How a booking stands, as far as it decides what can be done with it."""
    if booking is None:
        return ""
    if booking.needs_tables and booking.assignment:
        return f"{booking.status} needing tables"
    if booking.status == "PENDING" and place.holds_of(booking.booking_id, now):
        return "PENDING holding"
    if booking.status == "CHECKED_IN" and _sits_together(booking, now):
        return "CHECKED_IN together"
    if booking.status == "NO_SHOW" and _sat_in_spite_of_rules(place, booking):
        return "NO_SHOW overriding, begun" if now > booking.stay.window[0] else "NO_SHOW overriding"
    lead = place.policy.check_in_lead if place.policy else None
    if booking.status == "CONFIRMED" and lead is not None and now < booking.party.start - lead:
        return "CONFIRMED a little early" if now >= booking.party.start - 2 * lead else "CONFIRMED early"
    if booking.status == "CONFIRMED" and _sits_together(booking, now):
        return "CONFIRMED together"
    return booking.status


def _sits_together(booking: Booking, now: int) -> bool:
    """Whether several tables are its own right now."""
    given = booking.assignment
    return given is not None and len(given.tables) > 1 and given.window[0] < now < given.window[1]


def _sat_in_spite_of_rules(place: Place, booking: Booking) -> bool:
    """Whether the tables that it had last are only right for it because rules were set aside."""
    had = booking.last_assignment
    if had is None or unknown_tables(place, had.tables):
        return False
    return bool(set_problems(place, booking.party, had.tables) & set(had.overrides))


def versions(sent: str, current: str) -> set[str]:
    return {"VERSION_MISMATCH"} if sent and sent != current else set()


def over(window: Window, now: int) -> set[str]:
    return {"WINDOW_IN_PAST"} if window[1] <= now else set()


def ttl_problems(request: Any) -> set[str]:
    wanted = request.ttl.seconds if request.HasField("ttl") else TTL_DEFAULT
    return set() if TTL_MIN <= wanted <= TTL_MAX else {"HOLD_TTL_OUT_OF_RANGE"}


def ttl_of(request: Any) -> int:
    return request.ttl.seconds if request.HasField("ttl") else TTL_DEFAULT


def length(seconds: int | None) -> Duration | None:
    return Duration(seconds=seconds) if seconds else None


def reasons_sent(words: Iterable[str]) -> "list[pb.ErrorReason.ValueType]":
    return [pb.ErrorReason.Value(f"ERROR_REASON_{word}") for word in words]


def at(instant: int) -> Timestamp:
    return Timestamp(seconds=instant)


def ended_hold(hold: Hold, now: int) -> set[str]:
    """Why a hold can no longer be used."""
    reasons = {
        "CONFIRMED": "HOLD_ALREADY_CONFIRMED",
        "RELEASED": "HOLD_ALREADY_RELEASED",
        "EXPIRED": "HOLD_EXPIRED",
    }
    return set() if hold.live(now) else {reasons[hold.state(now)]}
