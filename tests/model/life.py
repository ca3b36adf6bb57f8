"""A machine that drives a server with random calls and a model beside it, and compares them after every step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, ClassVar
from uuid import UUID

from google.protobuf.message import Message
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from maitred_client import MaitredClient, MaitredError
from maitred_client import messages as pb
from tests.model.assignment_verbs import ASSIGNMENT_VERBS
from tests.model.automatic_verb import AUTOMATIC_VERBS
from tests.model.booking_verbs import BOOKING_VERBS, STEPS_NAMED, PutBooking, TransitionBooking
from tests.model.hold_verbs import HOLD_VERBS
from tests.model.house import DAWN, House
from tests.model.inventory_verbs import INVENTORY_VERBS, PutFloor, PutRestaurant, PutServicePolicy
from tests.model.reading import agrees, compare, compare_history
from tests.model.rules import (
    SET_RULES,
    TABLE_RULES,
    TAKEN_BY,
    context_of,
    foreign_to,
    table_problems,
    unknown_tables,
)
from tests.model.verb import BOOKINGS, SETS, Look, Moment, Verb, standing
from tests.model.words import Place

VERBS = (*INVENTORY_VERBS, *BOOKING_VERBS, *HOLD_VERBS, *ASSIGNMENT_VERBS, *AUTOMATIC_VERBS)
TENANTS, PLACES = 2, 3
ACTORS = ("manager", "host")
OVERRIDE = "override"
# Of the actors: only the manager may set aside what the policy does not relax.
SCOPES = (("read", "write", "inventory", "ops", OVERRIDE), ("read", "write", "inventory", "ops"))
# Small enough to be drawn evenly.
DICE = st.integers(0, 2**24 - 1)
# How often a request is sought that succeeds, and among how many of a kind.
SOUGHT, TRIES = 0.65, 20
# How often a missed scene is made up for when it can be, and after how many requests that is given up.
PURSUED, PATIENCE = 0.7, 60
# By how many times more often than others it is sought what is done to a booking that stands so.
WORTH = {
    "CONFIRMED": 2,
    "CONFIRMED needing tables": 4,
    "CHECKED_IN": 2,
    "CHECKED_IN together": 4,
    "CHECKED_IN needing tables": 2,
    "NO_SHOW": 2,
    "NO_SHOW overriding": 2,
    "NO_SHOW overriding, begun": 2,
}
# What chance rarely comes to, and a run does as soon as some booking stands so: an act, and how the booking stands.
SCENES = (
    ("check_in", "CONFIRMED needing tables"),
    ("check_in", "CONFIRMED a little early"),
    ("check_in", "CONFIRMED early"),
    *(
        (act, "CONFIRMED needing tables")
        for act in ("assign_tables", "unassign_tables", "auto_assign", "hold_tables", "reassign_tables")
    ),
    *((act, "CONFIRMED needing tables") for act in ("cancel", "no_show")),
    ("complete", "CHECKED_IN together"),
    ("check_in", "CONFIRMED together"),
    *((act, "CHECKED_IN") for act in ("reassign_tables", "complete", "no_show", "auto_assign")),
    *(("undo_no_show", stands) for stands in ("NO_SHOW overriding, begun", "NO_SHOW overriding", "NO_SHOW")),
    ("auto_assign", "NO_SHOW"),
    ("auto_assign", "PENDING holding"),
    ("put_booking", "CONFIRMED"),
)
# What would refuse a call before its scene matters.
BESIDE_THE_POINT = {"VERSION_MISMATCH", "INVALID_ARGUMENT_FIELD", "OVERRIDE_NOT_PERMITTED"}
# What matters alone, and most often stands behind something else that is wrong with a request.
DECISIVE = {("OVERRIDE_NOT_PERMITTED",), *((reason,) for reason in TAKEN_BY.values())}
CHECKED_EVERY = 10
_RUNS = count(1)


@dataclass(frozen=True)
class Call:
    """Who calls about which restaurant. `acting` is the actor that the request itself names."""

    place: int
    stranger: bool
    actor: int
    acting: str

    @classmethod
    def any(cls, rng: Random) -> "Call":
        place = rng.choice([0] * 20 + [1] * 8 + [2])
        return cls(place, rng.random() < 1 / 25, rng.randrange(2), rng.choice(["", "", "guest"]))


@dataclass(frozen=True)
class Sent:
    """A call that the ledger keeps, and its answer or refusal."""

    method: str
    tenant: int
    request: Any
    outcome: Message | tuple[str, str]


class AssignmentLife(RuleBasedStateMachine):
    """Two tenants, three restaurants, the last of which nobody has made yet."""

    house: ClassVar[House]
    clients: ClassVar[list[list[MaitredClient]]]
    outcomes: ClassVar[Counter[tuple[str, str]]] = Counter()
    # By what was done, how the booking stood that it was about, and whether it succeeded.
    visits: ClassVar[Counter[tuple[str, str, bool]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        run = next(_RUNS)
        self.places = [Place(str(UUID(int=(run << 32) + (slot << 16)))) for slot in range(PLACES)]
        self.looks: dict[str, Look] = {}
        self.sent: list[Sent] = []
        self.requests = (str(UUID(int=(run << 64) + number)) for number in count(1))
        self.steps = 0
        self.dice: Counter[int] = Counter()
        self.missed = Counter(dict.fromkeys(SCENES, 2))
        self.seen: Counter[tuple[str, ...]] = Counter()
        self.house.pass_time(DAWN - self.house.now)

    # What a run starts with

    @initialize(dice=DICE)
    def open_restaurants(self, dice: int) -> None:
        """Two restaurants with a policy and a floor, and a few bookings in the first."""
        rng = self._thrown(dice)
        for slot in range(TENANTS):
            for verb in (PutRestaurant(), PutServicePolicy(), PutFloor(), *[PutBooking()] * 3):
                self.act([verb], Call(slot, stranger=False, actor=0, acting=""), rng)

    def _thrown(self, dice: int) -> Random:
        """The same dice again mean something else, because a run likes to repeat itself.

        They don't depend on the steps between, so that steps can be left out when a failing run is shortened.
        """
        self.dice[dice] += 1
        return Random(dice * 1_000 + self.dice[dice])

    @rule(dice=DICE)
    def step(self, dice: int) -> None:
        """A call by anybody, a look, the same request again, or some time."""
        rng = self._thrown(dice)
        others = {self._wait: 2, self._wait_for_a_turn: 3, self._look: 6, self._repeat: 5}
        weights = [verb.weight for verb in VERBS]
        if rng.random() * (sum(weights) + sum(others.values())) < sum(weights):
            self.act(rng.choices(VERBS, weights, k=6), Call.any(rng), rng)
        else:
            rng.choices(list(others), list(others.values()))[0](rng)

    # Steps besides the calls

    def _wait(self, rng: Random) -> None:
        self.house.pass_time(rng.choice([20, 59, 180, 900, 900, 3_600]))

    def _wait_for_a_turn(self, rng: Random) -> None:
        """To the second in which a hold ends or a party can come, or just before: a call happens one second later."""
        now = self.house.now
        coming = [instant for place in self.places for instant in place.turns(now) if instant > now]
        if coming:
            self.house.pass_time(max(0, rng.choice(coming) - rng.randrange(3) - now))

    def _look(self, rng: Random) -> None:
        """Asks what a selection would break, and keeps what the answer was made from."""
        moment, client = self._moment(Call.any(rng), passing=0)
        place, booking = moment.place, moment.booking(moment.booking_id(BOOKINGS(rng)))
        tables = moment.tables(SETS(rng))
        if booking is None or place.tenant != moment.tenant or unknown_tables(place, tables):
            return
        request = pb.ValidateSelectionRequest(
            restaurant_id=place.restaurant_id, booking_id=booking.booking_id, table_ids=tables
        )
        window, now = booking.stay.window, moment.now
        answer, error = self._call(client, "validate_selection", request)
        if window[1] <= now:
            assert error is not None
            assert error.reason == "WINDOW_IN_PAST"
            self.looks.pop(place.restaurant_id, None)
            return
        assert answer is not None
        foreign = foreign_to(place, booking.booking_id, now)
        assert _failed(answer) == table_problems(place, booking.party, tables, window, foreign)
        context = context_of(place, booking.party, window, tables, now, booking.booking_id)
        look = Look(booking.booking_id, tuple(tables), answer.context_version, context)
        self.looks[place.restaurant_id] = look

    def _repeat(self, rng: Random) -> None:
        """An earlier request again, by anybody of its tenant; or its request_id on something else."""
        sent = rng.choice(self.sent[-12:])
        self.house.pass_time(1)
        request = type(sent.request)()
        request.CopyFrom(sent.request)
        changed = rng.random() < 0.3
        if changed:
            request.actor += "!"
        answer, error = self._call(rng.choice(self.clients[sent.tenant]), sent.method, request)
        outcome = (error.reason, error.message) if error else answer
        if changed:
            assert error is not None
            assert (error.reason, error.metadata["differing_fields"]) == ("REQUEST_ID_REUSED", "actor")
        else:
            assert outcome == sent.outcome
        for place in self._places_of(sent.tenant):
            compare(self.clients[sent.tenant][0], place, self.house.now)

    # One call

    def act(self, verbs: Sequence[Verb], call: Call, rng: Random) -> None:
        """Makes one of the calls, and holds its outcome and all that can be read afterwards against the model."""
        moment, client = self._moment(call, passing=1)
        verb, request, problems = self._missed(moment, rng) or self._chosen(verbs, moment, rng)
        request.request_id, request.actor = verb.named(request, next(self.requests)), call.acting
        visit = (verb.act(request), standing(moment.place, verb.subject(moment, request), moment.now))
        note(f"{moment.now - DAWN} s: tenant {moment.tenant} {verb.method} {request}")
        malformed = verb.malformed(request)
        answer, error = self._call(client, verb.method, request)
        self.outcomes[verb.method, error.reason if error else "OK"] += 1
        self.visits[(*visit, error is None)] += 1
        self.missed[visit] -= 1
        if error is not None:
            self._require_refusal(error, problems)
            verb.refused(moment, request, error)
        else:
            assert problems == set(), f"{verb.method} succeeded in spite of {sorted(problems)}"
            agrees(verb.happen(moment, request, answer), answer)
        if not malformed and verb.remembered(request):
            outcome: Any = (error.reason, error.message) if error else answer
            self.sent.append(Sent(verb.method, moment.tenant, request, outcome))
        if moment.place.tenant is not None:
            owner = self.clients[moment.place.tenant][0]
            compare(owner, moment.place, moment.now, whole=verb in INVENTORY_VERBS)
            compare_history(owner, moment.place, getattr(request, "booking_id", ""))
        self.steps += 1
        if self.steps % CHECKED_EVERY == 0:
            self._check_invariants()

    def teardown(self) -> None:
        self._check_invariants()
        for tenant, (client, *_) in enumerate(self.clients):
            for place in self._places_of(tenant):
                compare(client, place, self.house.now, whole=True)
                for booking_id in place.bookings:
                    compare_history(client, place, booking_id)

    def _missed(self, moment: Moment, rng: Random) -> tuple[Verb, Any, set[str]] | None:
        """The first scene that this run has not had twice, if some booking of the restaurant stands so."""
        place, now = moment.place, moment.now
        standings = {standing(place, booking, now) for booking in place.bookings.values()}
        possible = [scene for scene in SCENES if scene[1] in standings and self.missed[scene] > 0]
        if not possible or place.tenant != moment.tenant or rng.random() > PURSUED:
            return None
        wanted = possible[0]
        for verb in VERBS:
            if wanted[0] != verb.method and not (
                wanted[0] in STEPS_NAMED and isinstance(verb, TransitionBooking)
            ):
                continue
            for _ in range(PATIENCE):
                request: Any = verb.request(
                    moment, {name: choose(rng) for name, choose in verb.arguments.items()}
                )
                if (verb.act(request), standing(place, verb.subject(moment, request), now)) == wanted:
                    problems = verb.malformed(request) or verb.problems(moment, request)
                    same = isinstance(verb, PutBooking) and verb.flavour(moment, request).endswith("True")
                    if not same and not problems & BESIDE_THE_POINT:
                        return verb, request, problems
        return None

    def _chosen(self, verbs: Sequence[Verb], moment: Moment, rng: Random) -> tuple[Verb, Any, set[str]]:
        """A request, and what has to refuse it: of many, one that succeeds or one that does not.

        Chance alone rarely finds what succeeds, and finds the same refusals over and over. So success is sought more
        often than not, and of either kind what this run has seen least.
        """
        seeking = rng.random() < SOUGHT
        tried = []
        for verb in verbs:
            for _ in range(TRIES):
                request = verb.request(moment, {name: choose(rng) for name, choose in verb.arguments.items()})
                problems = verb.malformed(request) or self._problems(verb, moment, request)
                if bool(problems) is not seeking:
                    tried.append((verb, request, problems))
        kinds = [
            ("STALE", verb.method, "")
            if "VERSION_MISMATCH" in problems
            else (
                standing(moment.place, verb.subject(moment, request), moment.now),
                *(verb.act(request), *sorted(problems), verb.flavour(moment, request)),
            )
            for verb, request, problems in tried
        ]
        if not tried:
            tried, kinds = [(verb, request, problems)], [(verb.method, "", "")]
        rarest = min(range(len(kinds)), key=lambda index: self.seen[kinds[index]] - _worth(kinds[index]))
        self.seen[kinds[rarest]] += 1
        return tried[rarest]

    def _problems(self, verb: Verb, moment: Moment, request: Any) -> set[str]:
        if moment.place.tenant != moment.tenant and not isinstance(verb, PutRestaurant):
            return {"RESTAURANT_NOT_FOUND"}
        return verb.problems(moment, request)

    def _moment(self, call: Call, passing: int) -> tuple[Moment, MaitredClient]:
        place = self.places[call.place]
        owner = call.place % TENANTS if place.tenant is None else place.tenant
        tenant = (owner + 1) % TENANTS if call.stranger else owner
        actor = call.acting or ACTORS[call.actor]
        now = self.house.pass_time(passing) if passing else self.house.now
        may_override = OVERRIDE in SCOPES[call.actor]
        return Moment(place, tenant, actor, now, may_override, self.looks), self.clients[tenant][call.actor]

    def _call(
        self, client: MaitredClient, method: str, request: Any
    ) -> tuple[Any, None] | tuple[None, MaitredError]:
        try:
            return getattr(client, method)(request), None
        except MaitredError as error:
            return None, error

    def _require_refusal(self, error: MaitredError, problems: set[str]) -> None:
        """The reason is one that applies. Table rules come last; all are listed, and the first is the reason."""
        assert error.reason in problems, (
            f"refused for {error.reason}: {error.message}; expected {sorted(problems)}"
        )
        broken = [reason for reason in TABLE_RULES if reason in problems]
        if error.reason in TABLE_RULES:
            assert problems == set(broken)
            assert error.reason == broken[0]
            assert {check.reason for check in error.failed_checks} == set(broken)
        elif error.reason == "POLICY_DRIFT":
            assert {check.reason for check in error.failed_checks} <= set(SET_RULES)

    def _places_of(self, tenant: int) -> Iterator[Place]:
        return (place for place in self.places if place.tenant == tenant)

    def _check_invariants(self) -> None:
        for tenant, (client, *_) in enumerate(self.clients):
            for place in self._places_of(tenant):
                request = pb.CheckInvariantsRequest(restaurant_id=place.restaurant_id)
                report = client.check_invariants(request)
                broken = [check for check in report.checks if check.violations]
                assert broken == [], broken


def _worth(kind: tuple[str, ...]) -> int:
    """Of a standing, an act, the problems and a flavour."""
    return 6 if kind[2:-1] in DECISIVE else WORTH.get(kind[0], 1)


def _failed(answer: pb.ValidateSelectionResponse) -> set[str]:
    failed = (check.reason for check in answer.checks if check.status == pb.CheckStatus.CHECK_STATUS_ERROR)
    return {pb.ErrorReason.Name(reason).removeprefix("ERROR_REASON_") for reason in failed}
