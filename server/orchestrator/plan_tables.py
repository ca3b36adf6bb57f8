"""Which table sets would fit a booking, best first."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from server.aside import aside
from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.hours import planning_horizon
from server.domain.limits import WAITING_BOOKINGS_MAX
from server.domain.overrides import beyond_policy
from server.domain.policy import ServicePolicy
from server.domain.restaurant import Caller, Restaurant
from server.domain.window import Stay, Window
from server.errors import Reason
from server.orchestrator.diary import Diary, DiarySource
from server.orchestrator.ports import Catalogue, InventorySource
from server.orchestrator.situation import Situation, look
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
    """The answer and what made it; `floor` is the one that was planned on.

    `waiting_considered` of `waiting_found` bookings could change the ranking.
    """

    result: PlanResult
    asked: Party
    stay: Stay
    restaurant: Restaurant
    policy: ServicePolicy
    floor: Floor
    help: Help
    waiting_considered: int
    waiting_found: int

    def beyond_policy(self, plan: Plan) -> tuple[Reason, ...]:
        """What the plan relaxes without the policy granting it to everybody: holding it takes a permission."""
        return beyond_policy(plan.relaxed, self.policy)


@dataclass(frozen=True, slots=True)
class PlanTables:
    catalogue: Catalogue
    inventories: InventorySource
    diaries: DiarySource

    async def __call__(self, caller: Caller, question: PlanTablesQuestion) -> Planned:
        situation = await look(self.catalogue, self.inventories, caller, question.restaurant_id)
        party, stay = await need_of(self.catalogue, situation, question.subject)
        booking_id = question.subject.booking_id
        horizon = horizon_of(situation, stay)
        diary = await self.diaries.covering(situation.restaurant, horizon)
        asked = question_for(
            diary, situation, party, stay, horizon, booking_id, question.avoid, question.plans_max
        )
        result = await answered(asked.question, question.overflow)
        instead = await what_would_help(
            self.catalogue,
            self.diaries,
            situation,
            asked.question,
            result,
            booking_id,
            question.alternatives_max,
        )
        return Planned(
            result,
            party,
            stay,
            situation.restaurant,
            situation.policy,
            situation.prepared.inventory.floor,
            instead,
            len(asked.question.waiting),
            asked.waiting_found,
        )


class Asked(NamedTuple):
    """A question for the planner, and how many bookings wait for tables, those included that it leaves out."""

    question: Question
    waiting_found: int


async def answered(question: Question, overflow: bool = False) -> PlanResult:
    """The regular plans, or else those of the first relaxation that brings any."""
    large = question.sets.large
    # The sets of a large floor take a while: other calls go on meanwhile.
    result = await aside(lambda: plan_tables(question)) if large else plan_tables(question)
    if result.plans_found:
        return result
    # Several more searches, and larger merges to list first: other calls go on meanwhile.
    return await aside(lambda: relax(question, result, overflow), long=large)


def question_for(
    diary: Diary,
    situation: Situation,
    party: Party,
    stay: Stay,
    horizon: Window,
    booking_id: UUID | None,
    avoid: tuple[UUID, ...],
    plans_max: int,
) -> Asked:
    """What the planner is asked for a party: the claims of everybody but `booking_id`. The diary covers the horizon."""
    waiting, waiting_found = diary.waiting_for(stay.window, situation.now, booking_id, WAITING_BOOKINGS_MAX)
    question = Question(
        floor=situation.prepared.inventory.floor,
        sets=situation.sets,
        policy=situation.policy,
        party=party,
        stay=stay,
        claims=diary.live(situation.sets, situation.now).without(booking_id),
        horizon=horizon,
        avoid=frozenset(avoid),
        plans_max=plans_max,
        policy_version=situation.restaurant.policy_version,
        waiting=waiting,
    )
    return Asked(question, waiting_found)


def horizon_of(situation: Situation, stay: Stay) -> Window:
    """The range in which idle gaps beside the stay are measured."""
    return planning_horizon(situation.policy, situation.restaurant.time_zone, stay)
