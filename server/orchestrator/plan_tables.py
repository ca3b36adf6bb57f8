"""Which table sets would fit a booking, best first."""

from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.booking import Party
from server.domain.hours import opening_at
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Stay, Window
from server.orchestrator.ports import Catalogue, InventorySource, Reader
from server.orchestrator.situation import Situation, foreign, look
from server.orchestrator.subject import Subject, need_of
from server.planner.plan import PlanResult, Question, plan_tables


@dataclass(frozen=True, slots=True)
class PlanTablesQuestion:
    restaurant_id: UUID
    subject: Subject
    plans_max: int
    avoid: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    result: PlanResult
    stay: Stay
    restaurant: Restaurant


@dataclass(frozen=True, slots=True)
class PlanTables:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: PlanTablesQuestion, deadline: Deadline) -> Planned:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        party, stay = await need_of(self.catalogue, situation, question.subject)
        booking_id = question.subject.booking_id
        asked = await question_for(
            self.catalogue, situation, party, stay, booking_id, question.avoid, question.plans_max
        )
        return Planned(plan_tables(asked), stay, situation.restaurant)


async def question_for(
    reader: Reader,
    situation: Situation,
    party: Party,
    stay: Stay,
    booking_id: UUID | None,
    avoid: tuple[UUID, ...],
    plans_max: int,
) -> Question:
    """What the planner is asked for a party: the claims of everybody but `booking_id` are read for it."""
    horizon = _horizon(situation, stay)
    claims = await reader.claims(situation.restaurant.restaurant_id, horizon)
    return Question(
        floor=situation.prepared.inventory.floor,
        sets=situation.sets,
        policy=situation.policy,
        party=party,
        stay=stay,
        claims=foreign(claims, situation.now, booking_id),
        horizon=horizon,
        avoid=frozenset(avoid),
        plans_max=plans_max,
        policy_version=situation.restaurant.policy_version,
    )


def _horizon(situation: Situation, stay: Stay) -> Window:
    """The range in which gaps are measured: the service period, and the stay's own window where it reaches beyond."""
    opening = opening_at(situation.policy, situation.restaurant.time_zone, stay.dining.start)
    span = opening.span if opening else stay.window
    return Window(min(span.start, stay.window.start), max(span.end, stay.window.end))
