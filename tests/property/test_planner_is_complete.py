"""P2: The planner against exhaustive search on more than 10,000 random floors.

Each floor comes from a seed that a failure names; `random_question(seed, mode)` makes it again.
"""

import pytest

from server.domain.policy import AdjacencyMode
from server.planner.plan import PlanResult, Question, plan_tables
from tests.property.oracle import Oracle
from tests.property.random_worlds import random_question

FLOORS_PER_BLOCK = 420
BLOCKS = range(8)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("mode", AdjacencyMode)
def test_every_set_that_fits_is_found_priced_right_and_every_other_is_refused_for_its_first_reason(
    mode: AdjacencyMode, block: int
) -> None:
    for number in range(FLOORS_PER_BLOCK):
        seed = f"{block}.{number}"
        question = random_question(seed, mode)
        disagreements = compare(question, plan_tables(question))
        assert not disagreements, f"seed {seed!r}, mode {mode}: {disagreements}"


def test_more_than_ten_thousand_floors_are_searched() -> None:
    assert len(AdjacencyMode) * len(BLOCKS) * FLOORS_PER_BLOCK >= 10_000
    block = [random_question(f"0.{number}", mode) for mode in AdjacencyMode for number in range(100)]
    assert len({repr(question) for question in block}) == len(block)
    assert sum(bool(question.sets.merges) for question in block) > len(block) / 2


def compare(question: Question, answer: PlanResult) -> list[str]:
    oracle = Oracle(question)
    truth = oracle.truth()
    found = {frozenset(table.table_id for table in plan.tables): plan for plan in answer.plans}
    costs = [plan.cost for plan in answer.plans]
    problems = []
    if found.keys() != truth.costs.keys():
        missed, invented = truth.costs.keys() - found.keys(), found.keys() - truth.costs.keys()
        problems.append(f"missed {missed}, invented {invented}")
    if any(abs(plan.cost - truth.costs.get(ids, plan.cost)) > 1e-6 for ids, plan in found.items()):
        problems.append("a cost differs")
    if costs != sorted(costs):
        problems.append("not ordered by cost")
    if any(abs(sum(term.cost for term in plan.breakdown) - plan.cost) > 1e-6 for plan in answer.plans):
        problems.append("a breakdown is not the cost")
    if any(plan.zone_preference_unmet != oracle.zone_unmet(list(plan.tables)) for plan in answer.plans):
        problems.append("an unmet zone preference is not told, or one that is met")
    if {r.reason: r.tables for r in answer.rejections if r.tables} != truth.singles:
        problems.append(f"tables refused: {answer.rejections} instead of {truth.singles}")
    if {r.reason: r.combinations for r in answer.rejections if r.combinations} != truth.merges:
        problems.append(f"combinations refused: {answer.rejections} instead of {truth.merges}")
    if any(list(r.table_ids) != sorted(truth.refused_tables.get(r.reason, ())) for r in answer.rejections):
        problems.append("the refused tables differ")
    if answer.outcome != truth.outcome:
        problems.append(f"{answer.outcome} instead of {truth.outcome}")
    counted = sum(r.tables + r.combinations for r in answer.rejections) + answer.plans_found
    if counted != answer.tables_considered + answer.combinations_considered:
        problems.append("a set was counted twice or not at all")
    return problems
