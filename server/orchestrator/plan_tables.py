"""Which table sets would fit a booking, best first."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.hours import opening_at
from server.domain.overrides import beyond_policy
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Stay, Window
from server.errors import Reason
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import Situation, foreign, look
from server.orchestrator.subject import Subject, need_of
from server.planner.plan import Plan, PlanResult, Question, plan_tables
from server.planner.relax import relax


@dataclass(frozen=True, slots=True)
class PlanTablesQuestion:
    restaurant_id: UUID
    subject: Subject
    plans_max: int
    avoid: tuple[UUID, ...] = ()
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    result: PlanResult
    stay: Stay
    restaurant: Restaurant
    policy: ServicePolicy

    def beyond_policy(self, plan: Plan) -> tuple[Reason, ...]:
        """What the plan relaxes without the policy granting it to everybody: holding it takes a permission."""
        return beyond_policy(plan.relaxed, self.policy)


@dataclass(frozen=True, slots=True)
class PlanTables:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: PlanTablesQuestion, deadline: Deadline) -> Planned:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        party, stay = await need_of(self.catalogue, situation, question.subject)
        horizon = _horizon(situation, stay)
        claims = await self.catalogue.claims(question.restaurant_id, horizon)
        asked = Question(
            floor=situation.prepared.inventory.floor,
            sets=situation.sets,
            policy=situation.policy,
            party=party,
            stay=stay,
            claims=foreign(claims, situation.now, question.subject.booking_id),
            horizon=horizon,
            avoid=frozenset(question.avoid),
            plans_max=question.plans_max,
            policy_version=situation.restaurant.policy_version,
        )
        result = plan_tables(asked)
        if not result.plans_found:
            # Several more searches, and larger merges to list first: other calls go on meanwhile.
            result = await asyncio.to_thread(relax, asked, result, question.overflow)
        return Planned(result, stay, situation.restaurant, situation.policy)


def _horizon(situation: Situation, stay: Stay) -> Window:
    """The range in which gaps are measured: the service period, and the stay's own window where it reaches beyond."""
    opening = opening_at(situation.policy, situation.restaurant.time_zone, stay.dining.start)
    span = opening.span if opening else stay.window
    return Window(min(span.start, stay.window.start), max(span.end, stay.window.end))
