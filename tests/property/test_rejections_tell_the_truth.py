"""What a rejection says beyond its counts, against exhaustive search: examples, the first release, the largest set."""

from datetime import datetime

import pytest

from server.domain.policy import AdjacencyMode
from server.planner.plan import Question, plan_tables
from tests.property.oracle import CONFLICTS, Ids, Oracle
from tests.property.random_worlds import random_question

FLOORS = range(280)
EXAMPLES_MAX = 10
UNFIT = {"TABLE_OUT_OF_SERVICE", "ZONE_NOT_REQUESTED", "REQUIRED_ATTRIBUTE_UNMET"}
MODES = pytest.mark.parametrize("mode", AdjacencyMode)


@MODES
def test_the_first_combinations_and_the_first_release_are_those_of_exhaustive_search(
    mode: AdjacencyMode,
) -> None:
    released = 0
    for number in FLOORS:
        question = random_question(f"rejections.{number}", mode)
        oracle = Oracle(question)
        by_reason: dict[str, list[Ids]] = {}
        for ids in oracle.sets:
            by_reason.setdefault(oracle.reason(ids), []).append(ids)
        for rejection in plan_tables(question).rejections:
            sets = by_reason[rejection.reason]
            merges = sorted((len(ids), sorted(ids)) for ids in sets if len(ids) > 1)
            expected = [tuple(ids) for _, ids in merges[:EXAMPLES_MAX]]
            assert list(rejection.examples) == expected, f"seed rejections.{number}, {mode}"
            taken = rejection.reason in CONFLICTS.values()
            first = min(free_from(question, ids) for ids in sets) if taken else None
            assert rejection.free_from == first, f"seed rejections.{number}, {mode}"
            released += taken
    assert released > len(FLOORS) / 10


@MODES
def test_the_largest_party_is_that_of_the_largest_set_that_suits(mode: AdjacencyMode) -> None:
    for number in FLOORS:
        question = random_question(f"largest.{number}", mode)
        oracle = Oracle(question)
        suiting = [ids for ids in oracle.sets if oracle.unfit(ids) not in UNFIT]
        largest = max((seats(oracle, ids) for ids in suiting), default=0)
        assert plan_tables(question).largest == largest, f"seed largest.{number}, {mode}"


def seats(oracle: Oracle, ids: Ids) -> int:
    chosen = oracle.chosen(ids)
    together = sum(table.capacity for table in chosen)
    return together if len(chosen) > 1 else min(together, chosen[0].max_party)


def free_from(question: Question, ids: Ids) -> datetime:
    """When the last claim that is in the way of one of these tables lets go."""
    window = question.stay.window
    return max(
        each.window.end if each.expires_at is None else min(each.window.end, each.expires_at)
        for each in question.claims
        if each.table_id in ids and each.window.start < window.end and window.start < each.window.end
    )
