"""P1: What must hold of any answer: the rules of the house, and no dependence on order or names."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from server.domain.context import context_version
from server.domain.floor import Floor, Zone
from server.domain.policy import AdjacencyMode
from server.domain.rules import Selection, check_selection, check_set, failed, forms_merge
from server.errors import PRECEDENCE, Reason
from server.planner.catalog import TableSets, count_combinations
from server.planner.plan import Plan, PlanResult, Question, plan_tables
from tests.property.random_worlds import random_question

FLOORS = range(180)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)


@MODES
def test_a_set_is_a_plan_exactly_when_the_rules_of_the_house_pass_it(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"rules.{number}", mode)
        answer = plan_tables(question)
        plans = {frozenset(table.table_id for table in plan.tables) for plan in answer.plans}
        counted = {(r.reason, False): r.tables for r in answer.rejections} | {
            (r.reason, True): r.combinations for r in answer.rejections
        }
        selections = every_selection(question)
        seating = [set(each.table_ids) for each in selections if not failed(check_set(each))]
        for selection in selections:
            reason = first_reason(question, selection, seating)
            if reason is None:
                assert frozenset(selection.table_ids) in plans, f"seed rules.{number}, {mode}"
            else:
                counted[reason, len(selection.tables) > 1] -= 1
        assert len(plans) == answer.plans_found
        assert not any(counted.values()), f"seed rules.{number}, {mode}: {counted}"


@MODES
def test_every_merge_is_listed_once_and_is_one_for_the_rules(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"merges.{number}", mode)
        merges, free = question.sets.merges, question.sets.free_merges
        assert len({merge.mask for merge in merges}) == len(merges)
        assert len({merge.mask for merge in free}) == len(free)
        for merge in merges:
            ids = [question.floor.tables[index].table_id for index in merge.members]
            assert forms_merge(mode, question.floor, ids), f"seed merges.{number}, {mode}"
        assert set(merges) <= set(free)
        counted = count_combinations(question.floor, question.policy.combinations, 10**6)
        assert counted == len(free)


@MODES
def test_the_answer_does_not_depend_on_order_or_names(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"order.{number}", mode)
        answer, shuffled = plan_tables(question), reordered(question, Random(number))
        assert plan_tables(shuffled) == answer, f"seed order.{number}, {mode}"
        assert facts(plan_tables(renamed(question))) == facts(answer), f"seed order.{number}"


@MODES
def test_asking_again_or_for_fewer_gives_the_same_plans(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"again.{number}", mode)
        first, fewer = plan_tables(question), plan_tables(replace(question, plans_max=2))
        assert plan_tables(question) == first
        assert fewer == replace(first, plans=first.plans[:2]), f"seed again.{number}, {mode}"


@MODES
def test_a_plan_carries_the_context_that_validation_computes(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"context.{number}", mode)
        for plan in plan_tables(question).plans:
            selection = selection_of(question, plan)
            mine = [claim for claim in question.claims if claim.table_id in selection.table_ids]
            assert plan.context_version == context_version(selection, question.policy_version, mine)


def every_selection(question: Question) -> list[Selection]:
    tables = question.floor.tables
    members = [(index,) for index in range(len(tables))] + [
        merge.members for merge in question.sets.merges_for(question.party.party_size)
    ]
    return [
        Selection(
            question.floor,
            question.policy,
            question.party,
            question.stay.window,
            tuple(tables[index] for index in each),
        )
        for each in members
    ]


def first_reason(question: Question, selection: Selection, seating: list[set[UUID]]) -> Reason | None:
    """`seating` are the sets that would do for the party if nobody else came."""
    mine = [claim for claim in question.claims if claim.table_id in selection.table_ids]
    reasons = [check.reason for check in failed(check_selection(selection, mine, "UTC"))]
    if question.avoid.intersection(selection.table_ids):
        reasons.append(Reason.TABLE_AVOIDED)
    if any(other < set(selection.table_ids) for other in seating):
        reasons.append(Reason.COMBINATION_REDUNDANT)
    return min(reasons, key=lambda reason: PRECEDENCE[reason], default=None)


def selection_of(question: Question, plan: Plan) -> Selection:
    return Selection(question.floor, question.policy, question.party, question.stay.window, plan.tables)


def reordered(question: Question, rng: Random) -> Question:
    place = question.floor
    tables, edges, claims = list(place.tables), list(place.adjacency), list(question.claims)
    lists: tuple[list[Any], ...] = (tables, edges, claims)
    for items in lists:
        rng.shuffle(items)
    turned = [(b, a) if rng.random() < 0.5 else (a, b) for a, b in edges]
    floor = Floor.of(reversed(place.zones), tables, turned)
    sets = TableSets.of(floor, question.policy.combinations)
    return replace(question, floor=floor, sets=sets, claims=claims)


def renamed(question: Question) -> Question:
    """The same place with the names in the opposite order of the ids."""
    place = question.floor
    names = [f"Z{1000 - index}" for index in range(len(place.tables))]
    floor = Floor.of(
        [Zone(zone.zone_id, f"{99 - index}") for index, zone in enumerate(place.zones)],
        [replace(table, name=name) for table, name in zip(place.tables, names, strict=True)],
        place.adjacency,
    )
    return replace(question, floor=floor, sets=TableSets.of(floor, question.policy.combinations))


def facts(answer: PlanResult) -> object:
    """An answer without what may differ after renaming: the names themselves and the digests that cover them."""
    plans = [
        ([table.table_id for table in plan.tables], plan.cost, plan.set.adjacency) for plan in answer.plans
    ]
    return plans, answer.plans_found, answer.outcome, answer.rejections
