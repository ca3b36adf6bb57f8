"""What minding the bookings that wait may change, and what it must not, on random floors."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.claims import Claim
from server.domain.policy import AdjacencyMode, PlanEngine, Weights
from server.domain.window import Stay
from server.errors import ClaimKind
from server.planner.lookahead import Waiting
from server.planner.plan import Plan, Question, plan_tables
from tests.property.random_worlds import random_question, random_waiting

FLOORS = range(200)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)
# What legacy charges per booking; v2 charges per person and slot.
FUTURE_CONFLICT = 500


def asked(seed: str, mode: AdjacencyMode, waiting: int) -> Question:
    """A question of a policy with the usual weights, in which so many bookings wait and some have a claim."""
    question = random_question(f"lookahead.{seed}", mode)
    rng = Random(seed)
    return replace(
        question,
        policy=replace(question.policy, weights=Weights()),
        waiting=random_waiting(seed, question, waiting),
        claims=[
            replace(claim, booking_id=UUID(int=rng.randint(1, 9))) if rng.random() < 0.3 else claim
            for claim in question.claims
        ],
    )


@pytest.mark.parametrize("engine", PlanEngine)
def test_those_who_wait_never_change_which_sets_are_plans(engine: PlanEngine) -> None:
    for number in FLOORS:
        question = asked(f"plans.{number}", AdjacencyMode.CONNECTED, 4)
        question = replace(question, policy=replace(question.policy, engine=engine))
        minded, alone = plan_tables(question), plan_tables(replace(question, waiting=()))
        assert sets(minded.plans) == sets(alone.plans), f"seed plans.{number}"
        assert replace(minded, plans=()) == replace(alone, plans=())


@MODES
def test_whoever_loses_the_last_set_is_charged_for_and_one_who_waits_alone_costs_nothing_else(
    mode: AdjacencyMode,
) -> None:
    charged = 0
    for number in FLOORS:
        question = asked(f"charge.{number}", mode, 1 + number % 3)
        for plan in plan_tables(question).plans:
            lost = sum(price(each) for each in question.waiting if loses_everything(question, each, plan))
            cost = lookahead_of(plan)
            assert cost >= lost, f"seed charge.{number}, {mode}"
            if len(question.waiting) == 1:
                assert cost == lost, f"seed charge.{number}, {mode}"
            charged += cost > 0
    assert charged > 40


@MODES
def test_the_best_plan_leaves_nobody_without_tables_when_some_plan_does(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = asked(f"best.{number}", mode, 3)
        # A party of one for an hour weighs less than the wishes of a large party; larger ones never do.
        waiting = [each for each in question.waiting if each.party.party_size >= 4]
        plans = plan_tables(
            replace(question, waiting=tuple(waiting), policy=replace(question.policy, slack_max=4))
        ).plans
        if any(lookahead_of(plan) == 0 for plan in plans):
            assert lookahead_of(plans[0]) == 0, f"seed best.{number}, {mode}"


@MODES
def test_the_ranking_does_not_depend_on_the_order_of_those_who_wait(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = asked(f"order.{number}", mode, 5)
        waiting, claims = list(question.waiting), list(question.claims)
        Random(number).shuffle(waiting)
        Random(-number).shuffle(claims)
        shuffled = replace(question, waiting=tuple(waiting), claims=claims)
        assert plan_tables(shuffled) == plan_tables(question), f"seed order.{number}, {mode}"


def lookahead_of(plan: Plan) -> float:
    return next(term.cost for term in plan.breakdown if term.name == "lookahead")


def price(waiting: Waiting) -> float:
    slots = -(-waiting.window.length.total_seconds() // 300)
    return Weights().lookahead * waiting.party.party_size * slots


def loses_everything(question: Question, waiting: Waiting, plan: Plan) -> bool:
    """Whether the booking has a plan of its own now, and none once this plan's tables are taken."""
    if not waiting.window.overlaps(question.stay.window):
        return False
    claims = [claim for claim in question.claims if claim.booking_id != waiting.booking_id]
    taken = [
        Claim(table.table_id, question.stay.window, ClaimKind.ASSIGNMENT, UUID(int=0))
        for table in plan.tables
    ]
    return finds_tables(question, waiting, claims) and not finds_tables(question, waiting, [*claims, *taken])


def finds_tables(question: Question, waiting: Waiting, claims: list[Claim]) -> bool:
    party: Party = waiting.party
    own = replace(
        question,
        party=party,
        stay=Stay(waiting.window, waiting.window, "dinner"),
        claims=claims,
        avoid=frozenset(),
        waiting=(),
        plans_max=1,
    )
    return bool(plan_tables(own).plans)


def sets(plans: Iterable[Plan]) -> set[frozenset[UUID]]:
    return {frozenset(table.table_id for table in plan.tables) for plan in plans}
