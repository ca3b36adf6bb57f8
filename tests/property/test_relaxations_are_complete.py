"""P5: Relaxing against exhaustive search: the first step of the documented order that has plans, with all of them."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from server.domain.policy import RELAXABLE, AdjacencyMode
from server.domain.rules import Selection, check_selection, failed
from server.errors import Reason
from server.planner.plan import PlanOutcome, Question, plan_tables
from server.planner.relax import relax
from tests.property.oracle import Ids, Oracle
from tests.property.random_worlds import random_question

FLOORS = range(700)
MODES = pytest.mark.parametrize("mode", AdjacencyMode)
MIN_PARTY, SLACK, LARGE = RELAXABLE


@MODES
def test_the_first_step_that_has_plans_gives_all_its_plans_and_nothing_more(mode: AdjacencyMode) -> None:
    seen = set()
    for number in FLOORS:
        question, overflow = unlucky_question(f"relaxed.{number}", mode)
        regular = plan_tables(question)
        if regular.plans:
            continue
        answer, truth = relax(question, regular, overflow), first_step_with_plans(question, overflow)
        found = {frozenset(table.table_id for table in plan.tables) for plan in answer.plans}
        assert found == truth[1], f"seed relaxed.{number}, {mode}: {truth[0]}"
        assert all(set(plan.relaxed) == truth[0] for plan in answer.plans), f"seed relaxed.{number}, {mode}"
        assert answer.plans_found == len(found)
        assert (answer.outcome is PlanOutcome.RELAXED) == bool(found)
        assert answer.rejections == regular.rejections
        if not found and number % 4 == 0:
            empty = replace(question, claims=())
            would_do = plan_tables(empty).plans or first_step_with_plans(empty, overflow)[1]
            told = PlanOutcome.FULLY_TAKEN if would_do else PlanOutcome.NEEDS_STAFF
            assert answer.outcome is told, f"seed relaxed.{number}, {mode}"
        seen.add(frozenset(truth[0]))
    assert {len(step) for step in seen} >= {0, 1, 2}


@MODES
def test_a_plan_breaks_what_it_relaxes_and_fits_with_it_overridden(mode: AdjacencyMode) -> None:
    relaxed = 0
    for number in FLOORS:
        question, overflow = unlucky_question(f"holdable.{number}", mode)
        for plan in relax(question, plan_tables(question), overflow).plans:
            mine = [claim for claim in question.claims if claim.table_id in {t.table_id for t in plan.tables}]
            as_it_is = Selection(
                question.floor, question.policy, question.party, question.stay.window, plan.tables
            )
            broken = tuple(check.reason for check in failed(check_selection(as_it_is, mine, "UTC")))
            assert broken == plan.relaxed, f"seed holdable.{number}, {mode}"
            assert not failed(check_selection(replace(as_it_is, overrides=plan.relaxed), mine, "UTC"))
            relaxed += bool(plan.relaxed)
    assert relaxed > 50


def unlucky_question(seed: str, mode: AdjacencyMode) -> tuple[Question, bool]:
    """A question that often has no regular plan, some relaxations in some order, and whether to overflow."""
    rng = Random(f"{mode}/{seed}/relaxed")
    question = random_question(seed, mode)
    combinations = replace(question.policy.combinations, tables_max=2, enabled=True)
    policy = replace(
        question.policy,
        slack_max=rng.choice((0, 0, 1, 4)),
        relaxations=tuple(rng.sample(RELAXABLE, rng.randint(0, 3))),
        combinations=combinations,
    )
    sets = type(question.sets).of(question.floor, combinations)
    return replace(question, policy=policy, sets=sets), rng.random() < 0.5


def documented_steps(listed: tuple[Reason, ...], overflow: bool) -> list[set[Reason]]:
    """Spelled out: each alone in the policy's order, then pairs, then all; overflow after everything else."""
    steps: list[set[Reason]] = [{each} for each in listed]
    if len(listed) > 1:
        steps += [{listed[0], listed[1]}]
    if len(listed) > 2:
        steps += [{listed[0], listed[2]}, {listed[1], listed[2]}, set(listed)]
    if overflow and SLACK not in listed:
        steps += [{SLACK}, *({SLACK, *step} for step in list(steps))]
    return steps


def first_step_with_plans(question: Question, overflow: bool) -> tuple[set[Reason], set[Ids]]:
    rules = question.policy.combinations
    larger = replace(question.policy, combinations=replace(rules, tables_max=5))
    oracle = Oracle(replace(question, policy=larger))
    breaking = {
        ids: broken for ids in oracle.sets if (broken := breaks(oracle, ids, rules.tables_max)) is not None
    }
    for step in documented_steps(question.policy.relaxations, overflow):
        fitting = {ids for ids, broken in breaking.items() if broken <= step}
        if fitting:
            return step, smallest(fitting)
    return set(), set()


def breaks(oracle: Oracle, ids: Ids, tables_max: int) -> set[Reason] | None:
    """Which of the rules that can be relaxed a set breaks; None when it breaks another or is taken."""
    if oracle.unfit(ids) or oracle.taken(ids):
        return None
    tables, size = oracle.chosen(ids), oracle.question.party.party_size
    seats = sum(table.capacity for table in tables)
    if (min(seats, tables[0].max_party) if len(tables) == 1 else seats) < size:
        return None
    broken = {
        MIN_PARTY: max(table.min_party for table in tables) > size,
        SLACK: seats - size > oracle.question.policy.slack_max,
        LARGE: len(tables) > tables_max,
    }
    return {reason for reason, it_is in broken.items() if it_is}


def smallest(sets: Iterable[Ids]) -> set[Ids]:
    """Without those that contain another: their rest would be wasted."""
    every = set(sets)
    return {ids for ids in every if not any(other < ids for other in every)}
