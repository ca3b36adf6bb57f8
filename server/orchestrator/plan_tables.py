"""Which table sets would fit a booking, best first."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from server.clock import Deadline
from server.domain.hours import opening_at
from server.domain.limits import WAITING_BOOKINGS_MAX
from server.domain.policy import PlanEngine
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Stay, Window
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import Situation, foreign, look
from server.orchestrator.subject import Subject, need_of
from server.planner.lookahead import Waiting
from server.planner.plan import PlanResult, Question, plan_tables


@dataclass(frozen=True, slots=True)
class PlanTablesQuestion:
    restaurant_id: UUID
    subject: Subject
    plans_max: int
    avoid: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """The answer and what made it. `waiting_considered` of `waiting_found` bookings could change the ranking."""

    result: PlanResult
    stay: Stay
    restaurant: Restaurant
    engine: PlanEngine
    waiting_considered: int
    waiting_found: int


@dataclass(frozen=True, slots=True)
class PlanTables:
    catalogue: Catalogue
    inventories: InventorySource

    async def __call__(self, caller: Caller, question: PlanTablesQuestion, deadline: Deadline) -> Planned:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        party, stay = await need_of(self.catalogue, situation, question.subject)
        horizon = _horizon(situation, stay)
        waiting, waiting_found = await self.catalogue.waiting(
            question.restaurant_id,
            stay.window,
            situation.now,
            question.subject.booking_id,
            WAITING_BOOKINGS_MAX,
        )
        claims = await self.catalogue.claims(question.restaurant_id, _range(horizon, waiting))
        result = plan_tables(
            Question(
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
                waiting=waiting,
            )
        )
        return Planned(
            result,
            stay,
            situation.restaurant,
            situation.policy.engine,
            len(waiting),
            waiting_found,
        )


def _range(horizon: Window, waiting: Iterable[Waiting]) -> Window:
    """What has to be known of the claims: all that touches the horizon or the window of a waiting booking."""
    windows = [horizon, *(each.window for each in waiting)]
    return Window(min(each.start for each in windows), max(each.end for each in windows))


def _horizon(situation: Situation, stay: Stay) -> Window:
    """The range in which gaps are measured: the service period, and the stay's own window where it reaches beyond."""
    opening = opening_at(situation.policy, situation.restaurant.time_zone, stay.dining.start)
    span = opening.span if opening else stay.window
    return Window(min(span.start, stay.window.start), max(span.end, stay.window.end))
