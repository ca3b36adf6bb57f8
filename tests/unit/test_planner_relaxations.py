"""What is relaxed when nothing regular is free, and in which order."""

from dataclasses import replace

import pytest

from server.domain.floor import Floor
from server.domain.policy import Combinations, ServicePolicy
from server.errors import ClaimKind, Reason
from server.planner import catalog
from server.planner.plan import PlanOutcome, PlanResult, plan_tables
from server.planner.relax import relax, relaxation_steps
from tests.builders.floors import floor, row, table
from tests.builders.questions import at, claim, evening_policy, numbers, question

MIN_PARTY, SLACK, LARGE = (
    Reason.CAPACITY_BELOW_MIN_PARTY,
    Reason.SLACK_BUDGET_EXCEEDED,
    Reason.COMBINATION_TOO_LARGE,
)
TWO_AT_MOST = Combinations(tables_max=2)


def ask(
    place: Floor, party: int, *relaxations: Reason, overflow: bool = False, slack_max: int = 4, **rest: object
) -> PlanResult:
    policy = evening_policy(slack_max=slack_max, combinations=TWO_AT_MOST)
    asked = question(place, party, policy=replace(policy, relaxations=relaxations), **rest)  # type: ignore[arg-type]
    return relax(asked, plan_tables(asked), overflow)


def test_a_rule_that_only_a_newer_version_knows_is_not_relaxed() -> None:
    assert list(relaxation_steps(ServicePolicy((), relaxations=(Reason("FROM_THE_FUTURE"), SLACK)))) == [
        (SLACK,)
    ]


def test_one_rule_is_relaxed_before_two_in_the_order_of_the_policy() -> None:
    policy = ServicePolicy((), relaxations=(SLACK, LARGE, MIN_PARTY))
    assert list(relaxation_steps(policy)) == [
        (SLACK,),
        (LARGE,),
        (MIN_PARTY,),
        (LARGE, SLACK),
        (MIN_PARTY, SLACK),
        (LARGE, MIN_PARTY),
        (LARGE, MIN_PARTY, SLACK),
    ]


def test_overflow_comes_after_everything_that_the_policy_relaxes() -> None:
    policy = ServicePolicy((), relaxations=(MIN_PARTY,))
    assert list(relaxation_steps(policy, overflow=True)) == [(MIN_PARTY,), (SLACK,), (MIN_PARTY, SLACK)]


def test_overflow_adds_nothing_to_a_policy_that_relaxes_the_slack_budget_itself() -> None:
    policy = ServicePolicy((), relaxations=(SLACK, MIN_PARTY))
    assert list(relaxation_steps(policy, overflow=True)) == list(relaxation_steps(policy))


def test_without_relaxations_nothing_is_tried() -> None:
    answer = ask(floor([table(1, 6, min_party=5)]), 4)
    assert (answer.outcome, answer.plans) == (PlanOutcome.NEEDS_STAFF, ())


def test_nothing_is_relaxed_while_something_regular_is_free() -> None:
    answer = ask(floor([table(1, 6, min_party=5), table(2, 4)]), 4, MIN_PARTY, SLACK, LARGE)
    assert (answer.outcome, [numbers(plan) for plan in answer.plans]) == (PlanOutcome.FEASIBLE, [(2,)])
    assert answer.plans[0].relaxed == ()


def test_the_first_relaxation_that_helps_is_taken_even_if_a_later_one_would_cost_less() -> None:
    place = floor([table(1, 6, min_party=5), table(2, 12)])
    kept, wasteful = ask(place, 4, MIN_PARTY, SLACK), ask(place, 4, SLACK, MIN_PARTY)
    assert [(numbers(plan), plan.relaxed) for plan in kept.plans] == [((1,), (MIN_PARTY,))]
    assert [(numbers(plan), plan.relaxed) for plan in wasteful.plans] == [((2,), (SLACK,))]


def test_all_three_rules_give_way_together_when_nothing_less_helps() -> None:
    place = row(4, 4, 12)
    last = replace(place.tables[2], min_party=15)
    place = Floor.of(place.zones, (*place.tables[:2], last), place.adjacency)
    answer = ask(place, 14, MIN_PARTY, SLACK, LARGE, slack_max=1, avoid=[])
    assert answer.outcome is PlanOutcome.RELAXED
    # Tables 2 and 3 seat 16; only what nobody gets by fewer concessions is offered.
    assert [(numbers(plan), plan.relaxed) for plan in answer.plans] == [((2, 3), (MIN_PARTY, SLACK))]
    small = row(4, 4, 7)
    last = replace(small.tables[2], min_party=14)
    small = Floor.of(small.zones, (*small.tables[:2], last), small.adjacency)
    answer = ask(small, 13, MIN_PARTY, SLACK, LARGE, slack_max=1)
    assert [(numbers(plan), plan.relaxed) for plan in answer.plans] == [
        ((1, 2, 3), (LARGE, MIN_PARTY, SLACK))
    ]


def test_the_rejections_describe_the_search_by_all_rules() -> None:
    answer = ask(floor([table(1, 6, min_party=5)]), 4, MIN_PARTY)
    assert answer.outcome is PlanOutcome.RELAXED
    assert [(each.reason, each.tables) for each in answer.rejections] == [(MIN_PARTY, 1)]


def test_larger_merges_than_can_be_searched_completely_are_not_tried_and_the_answer_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A row of six has 5 merges of two tables and 14 of up to five.
    monkeypatch.setattr(catalog, "COMBINATIONS_MAX", 13)
    refused = ask(row(4, 4, 4, 4, 4, 4), 12, LARGE)
    assert (refused.outcome, refused.plans) == (PlanOutcome.NEEDS_STAFF, ())
    assert refused.relaxations_skipped == (LARGE,)
    monkeypatch.setattr(catalog, "COMBINATIONS_MAX", 14)
    found = ask(row(4, 4, 4, 4, 4, 4), 12, LARGE)
    assert (found.plans_found, found.relaxations_skipped) == (4, ())


def test_what_takes_the_tables_that_a_relaxation_would_have_opened_is_told_in_order_of_precedence() -> None:
    kinds = (ClaimKind.HOLD, ClaimKind.ASSIGNMENT, ClaimKind.BLOCK)
    place = floor(table(number, 6, min_party=5) for number in (1, 2, 3))
    claims = [claim(number, at(18), at(21), kind) for number, kind in enumerate(kinds, 1)]
    answer = ask(place, 4, MIN_PARTY, claims=claims)
    assert answer.outcome is PlanOutcome.FULLY_TAKEN
    assert answer.relaxed_taken_by == (
        Reason.TABLE_BLOCKED,
        Reason.TABLE_CONFLICT_ASSIGNED,
        Reason.TABLE_CONFLICT_HELD,
    )


def test_a_merge_that_is_too_large_is_no_plan_when_merging_is_off() -> None:
    policy = evening_policy(combinations=Combinations(enabled=False))
    asked = question(row(4, 4), 8, policy=replace(policy, relaxations=(LARGE,)))
    assert relax(asked, plan_tables(asked)).plans == ()
