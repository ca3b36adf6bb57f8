"""Which table sets would fit a booking, best first."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.hours import planning_horizon
from server.domain.overrides import beyond_policy
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Stay
from server.errors import Reason
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import foreign, look
from server.orchestrator.subject import Subject, need_of
from server.orchestrator.what_would_help import Help, what_would_help
from server.planner.plan import Plan, PlanResult, Question, plan_tables
from server.planner.relax import relax


@dataclass(frozen=True, slots=True)
class PlanTablesQuestion:
    restaurant_id: UUID
    subject: Subject
    plans_max: int
    avoid: tuple[UUID, ...] = ()
    overflow: bool = False
    alternatives_max: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """`floor` is the one that was planned on."""

    result: PlanResult
    asked: Party
    stay: Stay
    restaurant: Restaurant
    policy: ServicePolicy
    floor: Floor
    help: Help

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
        floor = situation.prepared.inventory.floor
        horizon = planning_horizon(situation.policy, situation.restaurant.time_zone, stay)
        claims = await self.catalogue.claims(question.restaurant_id, horizon)
        asked = Question(
            floor=floor,
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
        instead = await what_would_help(
            self.catalogue, situation, asked, result, question.subject.booking_id, question.alternatives_max
        )
        return Planned(result, party, stay, situation.restaurant, situation.policy, floor, instead)
