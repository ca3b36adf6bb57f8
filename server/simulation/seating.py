"""An evening seated request by request. Every party gets the first choice of a rule, and keeps it; no party is declined
that a table would fit.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from server.domain.claims import Claim
from server.domain.policy import PlanEngine, ServicePolicy, Weights
from server.errors import ClaimKind
from server.planner.catalog import TableSets
from server.planner.plan import Plan, Question, plan_tables
from server.simulation.evenings import Evening, Request

PlanOrder: TypeAlias = Callable[[Plan], tuple[object, ...]]
# Timing is left to the caller: a simulation has no clock.
Seconds: TypeAlias = Callable[[], float]

# What ranking charged for before it knew of forecasts: idle gaps, spare seats and merging.
GAP_AWARE = Weights(
    spare_seat=1.0,
    merge=6.0,
    unusable_gap=0.25,
    open_gap=0.01,
    merge_partner=0.5,
    fragmentation=0.0,
    scarcity=0.0,
)
# More than any evening's plans: an order of a rule's own has to see all of them.
EVERY_PLAN = 1_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """How a table set is chosen among those that fit: by the engine and weights, or by an order of its own."""

    engine: PlanEngine = PlanEngine.V2
    weights: Weights = Weights()
    order: PlanOrder | None = None

    def policy(self, policy: ServicePolicy) -> ServicePolicy:
        return replace(policy, engine=self.engine, weights=self.weights)


def _names(plan: Plan) -> tuple[UUID, ...]:
    return tuple(table.table_id for table in plan.tables)


def _first(plan: Plan) -> tuple[object, ...]:
    return (len(plan.tables), _names(plan))


def _snuggest(plan: Plan) -> tuple[object, ...]:
    return (plan.slack, len(plan.tables), _names(plan))


RULES: Mapping[str, Rule] = {
    "first_fit": Rule(order=_first),
    "best_fit": Rule(order=_snuggest),
    "legacy": Rule(engine=PlanEngine.LEGACY),
    "gap_aware": Rule(weights=GAP_AWARE),
    "default": Rule(),
}


@dataclass(frozen=True, slots=True)
class Seating:
    """What one rule made of an evening: the claims, the guests and parties seated, seconds per question."""

    claims: tuple[Claim, ...]
    covers: int
    parties: int
    seconds: tuple[float, ...]


def seat(evening: Evening, sets: TableSets, rule: Rule, clock: Seconds) -> Seating:
    """Asks the planner for each request in turn, with the claims that were made so far.

    `sets` are those of the evening's floor and combination rule; `clock` is read around each question.
    """
    policy = rule.policy(evening.policy)
    claims: list[Claim] = []
    covers = parties = 0
    seconds = []
    for number, request in enumerate(evening.requests, start=1):
        question = _question(evening, sets, policy, request, claims, 1 if rule.order is None else EVERY_PLAN)
        began = clock()
        plans = plan_tables(question).plans
        seconds.append(clock() - began)
        if plans:
            chosen = plans[0] if rule.order is None else min(plans, key=rule.order)
            claims.extend(_claims(chosen, request, number))
            covers += request.party.party_size
            parties += 1
    return Seating(tuple(claims), covers, parties, tuple(seconds))


def _question(
    evening: Evening,
    sets: TableSets,
    policy: ServicePolicy,
    request: Request,
    claims: list[Claim],
    plans_max: int,
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
        plans_max=plans_max,
        policy_version=1,
    )


def _claims(plan: Plan, request: Request, number: int) -> Iterator[Claim]:
    for table in plan.tables:
        yield Claim(table.table_id, request.stay.window, ClaimKind.ASSIGNMENT, UUID(int=number))
