"""An evening seated request by request. Every party gets the first choice of a rule, and keeps it; no party is declined
that a table would fit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from server.domain.claims import Claim
from server.domain.policy import PlanEngine, ServicePolicy, Weights
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.merges import positions
from server.planner.occupancy import occupancy
from server.planner.plan import Question, plan_tables
from server.simulation.evenings import Evening, Request

# A set of tables by their positions in the floor.
Members: TypeAlias = tuple[int, ...]
# What a rule of its own prefers the least of, of a set with so many seats.
SetOrder: TypeAlias = Callable[[int, Members], tuple[object, ...]]
# Timing is left to the caller: a simulation has no clock.
Seconds: TypeAlias = Callable[[], float]

DEFAULT = Weights()
# Charges for idle gaps, empty seats and merging alone, as if nothing were known of the parties to come.
GAP_AWARE = Weights(
    spare_seat=1.0,
    merge=6.0,
    unusable_gap=0.25,
    open_gap=0.01,
    merge_partner=0.5,
    fragmentation=0.0,
    scarcity=0.0,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How a table set is chosen among those that fit: by the planner's engine and weights, or by an order."""

    engine: PlanEngine = PlanEngine.V2
    weights: Weights = DEFAULT
    order: SetOrder | None = None

    def policy(self, policy: ServicePolicy) -> ServicePolicy:
        return replace(policy, engine=self.engine, weights=self.weights)


RULES: Mapping[str, Rule] = {
    "first_fit": Rule(order=lambda seats, members: (len(members), members)),
    "best_fit": Rule(order=lambda seats, members: (seats, len(members), members)),
    "legacy": Rule(engine=PlanEngine.LEGACY),
    "gap_aware": Rule(weights=GAP_AWARE),
    "default": Rule(),
}


@dataclass(frozen=True, slots=True)
class Seating:
    """What one rule made of an evening: the claims, the guests seated, seconds per question."""

    claims: tuple[Claim, ...]
    covers: int
    seconds: tuple[float, ...]


def seat(evening: Evening, sets: TableSets, rule: Rule, clock: Seconds) -> Seating:
    """Chooses tables for each request in turn, among the claims that were made so far.

    `sets` are those of the evening's floor and combination rule; `clock` is read around each choice.
    """
    policy = rule.policy(evening.policy)
    claims: list[Claim] = []
    covers = 0
    seconds = []
    for number, request in enumerate(evening.requests, start=1):
        question = _question(evening, sets, policy, request, claims)
        began = clock()
        chosen = _planned(question) if rule.order is None else _ordered(question, rule.order)
        seconds.append(clock() - began)
        if chosen:
            window, owner = request.stay.window, UUID(int=number)
            claims += (Claim(table_id, window, ClaimKind.ASSIGNMENT, owner) for table_id in chosen)
            covers += request.party.party_size
    return Seating(tuple(claims), covers, tuple(seconds))


def _planned(question: Question) -> Sequence[UUID]:
    """The tables of the planner's first plan; none when nothing fits."""
    plans = plan_tables(question).plans
    return plans[0].set.table_ids if plans else ()


def _ordered(question: Question, order: SetOrder) -> Sequence[UUID]:
    """The tables of the free set that stands first in the order; none when nothing fits."""
    tables = question.floor.tables
    first = min(_free(question), key=lambda free: order(*free), default=None)
    return [tables[at].table_id for at in first[1]] if first else []


def _free(question: Question) -> Iterator[tuple[int, Members]]:
    """The same sets that the planner ranks, with their seats."""
    sets = question.sets
    fitting = sets.shortlist(question.party, question.policy.slack_max).fitting
    occupied = occupancy(sets, question.claims, question.stay.window, question.horizon)
    free = fitting.without(occupied.busy)
    for at in positions(free.singles):
        yield question.floor.tables[at].capacity, (at,)
    for merge in free.picked():
        yield merge.seats, merge.members


def _question(
    evening: Evening, sets: TableSets, policy: ServicePolicy, request: Request, claims: list[Claim]
) -> Question:
    return Question(
        floor=evening.floor,
        sets=sets,
        policy=policy,
        party=request.party,
        stay=request.stay,
        claims=claims,
        horizon=evening.horizon,
        avoid=frozenset(),
        plans_max=1,
        policy_version=1,
    )
