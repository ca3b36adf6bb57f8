"""What the planner answers, case by case."""

from dataclasses import replace
from datetime import timedelta

import pytest

from server.domain.booking import Party
from server.domain.policy import AdjacencyMode, Combinations
from server.domain.window import Window
from server.errors import ClaimKind, Reason
from server.planner.catalog import TableSets
from server.planner.plan import PlanOutcome, PlanResult, plan_tables
from tests.builders.floors import floor, row, table, table_id, zone_id
from tests.builders.questions import ask, at, claim, evening_policy, numbers, question

NINETEEN = Window(at(19), at(20, 30))


def refused(answer: PlanResult) -> dict[Reason, tuple[int, int]]:
    """For each reason how many tables and how many combinations."""
    return {each.reason: (each.tables, each.combinations) for each in answer.rejections}


def test_a_six_and_a_two_seat_seven_when_two_sixes_would_waste_too_much() -> None:
    place = floor([table(1, 6), table(2, 6), table(3, 2)], [(1, 2), (1, 3)])
    answer = ask(place, 7, policy=evening_policy(combinations=Combinations(tables_max=2)))
    assert [(numbers(plan), plan.slack) for plan in answer.plans] == [((1, 3), 1)]


def test_the_only_pair_that_touches_is_found() -> None:
    place = floor((table(n, 4) for n in range(1, 4)), [(1, 2)])
    assert [numbers(plan) for plan in ask(place, 6).plans] == [(1, 2)]


@pytest.mark.parametrize(
    ("mode", "found"),
    [(AdjacencyMode.CONNECTED, True), (AdjacencyMode.HUB, True), (AdjacencyMode.PAIRWISE, False)],
)
def test_three_fours_in_a_row_seat_eleven_unless_all_have_to_touch(mode: AdjacencyMode, found: bool) -> None:
    answer = ask(row(4, 4, 4), 11, policy=evening_policy(combinations=Combinations(adjacency_mode=mode)))
    assert [numbers(plan) for plan in answer.plans] == ([(1, 2, 3)] if found else [])


def test_two_pairs_that_do_not_touch_are_never_one_table() -> None:
    place = floor((table(n, 4) for n in range(1, 5)), [(1, 2), (3, 4)])
    answer = ask(place, 15, policy=evening_policy(combinations=Combinations(tables_max=4)))
    assert answer.outcome is PlanOutcome.NEEDS_STAFF
    assert refused(answer) == {Reason.CAPACITY_INSUFFICIENT: (4, 2)}


def test_tables_of_two_zones_are_never_merged() -> None:
    place = floor([table(1, 4, zone=1), table(2, 4, zone=2)], [(1, 2)])
    assert ask(place, 7).outcome is PlanOutcome.NEEDS_STAFF


def test_a_table_alone_takes_no_more_than_its_largest_party_but_a_merge_counts_seats() -> None:
    place = floor([table(1, 4, max_party=3), table(2, 4, max_party=3)], [(1, 2)])
    assert [numbers(plan) for plan in ask(place, 4).plans] == [(1, 2)]


def test_a_merge_that_holds_a_table_large_enough_is_redundant() -> None:
    answer = ask(row(4, 2), 4)
    assert [numbers(plan) for plan in answer.plans] == [(1,)]
    assert refused(answer) == {Reason.COMBINATION_REDUNDANT: (0, 1), Reason.CAPACITY_INSUFFICIENT: (1, 0)}


def test_a_table_that_is_too_large_alone_does_not_make_its_merges_redundant() -> None:
    answer = ask(row(8, 2), 2)
    assert refused(answer) == {Reason.COMBINATION_REDUNDANT: (0, 1), Reason.SLACK_BUDGET_EXCEEDED: (1, 0)}
    kept_for_six = floor([table(1, 6, min_party=6), table(2, 2)], [(1, 2)])
    assert refused(ask(kept_for_six, 4)) == {
        Reason.CAPACITY_INSUFFICIENT: (1, 0),
        Reason.CAPACITY_BELOW_MIN_PARTY: (1, 1),
    }


def test_every_set_is_counted_once_under_its_first_reason() -> None:
    place = floor(
        [
            table(1, 4, in_service=False),
            table(2, 4, zone=2),
            table(3, 4, attributes=()),
            table(4, 2, attributes=("quiet",)),
            table(5, 10, attributes=("quiet",)),
            table(6, 4, attributes=("quiet",), min_party=4),
            table(7, 4, attributes=("quiet",)),
            table(8, 4, attributes=("quiet",)),
            table(9, 4, attributes=("quiet",)),
            table(10, 4, attributes=("quiet",)),
        ]
    )
    party = Party(3, at(19), zone_id=zone_id(1), required_attributes=("quiet",))
    claims = [
        claim(8, at(18), at(20), ClaimKind.BLOCK),
        claim(8, at(20), at(21), ClaimKind.HOLD),
        claim(9, at(18), at(20), ClaimKind.ASSIGNMENT),
        claim(10, at(20), at(22), ClaimKind.HOLD),
    ]
    answer = ask(place, party, claims=claims, avoid=[7])
    assert answer.outcome is PlanOutcome.FULLY_TAKEN
    assert [(each.reason, each.table_ids) for each in answer.rejections] == [
        (Reason.TABLE_OUT_OF_SERVICE, (table_id(1),)),
        (Reason.ZONE_NOT_REQUESTED, (table_id(2),)),
        (Reason.REQUIRED_ATTRIBUTE_UNMET, (table_id(3),)),
        (Reason.CAPACITY_INSUFFICIENT, (table_id(4),)),
        (Reason.CAPACITY_BELOW_MIN_PARTY, (table_id(6),)),
        (Reason.SLACK_BUDGET_EXCEEDED, (table_id(5),)),
        (Reason.TABLE_AVOIDED, (table_id(7),)),
        (Reason.TABLE_BLOCKED, (table_id(8),)),
        (Reason.TABLE_CONFLICT_ASSIGNED, (table_id(9),)),
        (Reason.TABLE_CONFLICT_HELD, (table_id(10),)),
    ]


def test_claims_that_touch_the_window_are_not_in_its_way_to_the_second() -> None:
    before = claim(1, at(17), at(19))
    after = claim(1, at(20, 30), at(22))
    assert ask(row(4), 4, NINETEEN, claims=[before, after]).outcome is PlanOutcome.FEASIBLE
    second = timedelta(seconds=1)
    for near in (claim(1, at(17), at(19) + second), claim(1, at(20, 30) - second, at(22))):
        assert ask(row(4), 4, NINETEEN, claims=[near]).outcome is PlanOutcome.FULLY_TAKEN


def test_a_window_off_the_grid_of_slots_is_judged_by_its_instants() -> None:
    window = Window(at(19, 3), at(20, 33))
    assert ask(row(4), 4, window, claims=[claim(1, at(18), at(19, 3))]).outcome is PlanOutcome.FEASIBLE
    assert ask(row(4), 4, window, claims=[claim(1, at(18), at(19, 4))]).outcome is PlanOutcome.FULLY_TAKEN


def test_taken_tables_take_their_merges_with_them() -> None:
    answer = ask(row(4, 4, 4), 8, claims=[claim(2, at(19), at(20), ClaimKind.HOLD)])
    assert answer.outcome is PlanOutcome.FULLY_TAKEN
    # The pairs seat the party, so all three tables together would be more than it needs.
    assert refused(answer) == {
        Reason.COMBINATION_REDUNDANT: (0, 1),
        Reason.CAPACITY_INSUFFICIENT: (3, 0),
        Reason.TABLE_CONFLICT_HELD: (0, 2),
    }


def test_avoiding_everything_that_fits_needs_staff() -> None:
    assert ask(row(4, 2), 4, avoid=[1]).outcome is PlanOutcome.NEEDS_STAFF


def test_an_empty_floor_needs_staff() -> None:
    answer = ask(floor([]), 2)
    assert (answer.outcome, answer.plans, answer.rejections) == (PlanOutcome.NEEDS_STAFF, (), ())


def test_a_plan_says_what_it_is_made_of() -> None:
    place = floor([table(1, 4), table(2, 2), table(3, 2)], [(1, 2), (2, 3), (3, 1)])
    plan = ask(place, 7).plans[0]
    assert numbers(plan) == (1, 2, 3)
    assert (plan.set.capacity, plan.slack, plan.set.merged, plan.set.zone_id) == (8, 1, True, zone_id(1))
    assert plan.set.adjacency == tuple((table_id(a), table_id(b)) for a, b in ((1, 2), (1, 3), (2, 3)))
    assert sum(term.cost for term in plan.breakdown) == pytest.approx(plan.cost)


def test_wishes_only_rank_and_are_listed_when_they_are_not_met() -> None:
    place = floor([table(1, 4, attributes=("quiet",)), table(2, 4, attributes=("quiet", "window"))])
    party = Party(4, at(19), preferred_attributes=("quiet", "sofa", "window"))
    plans = ask(place, party).plans
    assert [(numbers(plan), plan.unmet_preferred_attributes) for plan in plans] == [
        ((2,), ("sofa",)),
        ((1,), ("sofa", "window")),
    ]


def test_one_table_of_a_merge_that_lacks_a_wish_counts_once() -> None:
    place = floor([table(1, 4, attributes=("quiet",)), table(2, 4)], [(1, 2)])
    plan = ask(place, Party(8, at(19), preferred_attributes=("quiet",))).plans[0]
    assert plan.unmet_preferred_attributes == ("quiet",)
    assert ("preferred_attributes", 20.0) in plan.breakdown


def test_as_many_plans_are_returned_as_asked_for_and_all_are_counted() -> None:
    answer = ask(row(*[4] * 10), 4, plans_max=3)
    assert (len(answer.plans), answer.plans_found, answer.tables_considered) == (3, 10, 10)


def test_at_most_a_hundred_refused_tables_are_listed() -> None:
    answer = ask(floor(table(n, 2) for n in range(1, 151)), 4)
    assert (answer.rejections[0].tables, len(answer.rejections[0].table_ids)) == (150, 100)


def test_equal_sets_are_ranked_by_what_they_leave_to_merge_and_then_by_id() -> None:
    place = floor((table(n, 4) for n in range(1, 7)), [(1, 2), (2, 3), (3, 1), (4, 5), (5, 6), (6, 4)])
    # Tables 1 to 3 and 4 to 6 are alike; where one of three is taken, less is broken up.
    plans = ask(place, 4, claims=[claim(5, at(19), at(20))]).plans
    assert [numbers(plan) for plan in plans] == [(4,), (6,), (1,), (2,), (3,)]


def test_the_table_sets_of_another_floor_or_rule_are_not_used() -> None:
    asked = question(row(4, 4), 4)
    for other in (
        TableSets.of(row(4, 2), Combinations()),
        TableSets.of(row(4, 4), Combinations(tables_max=2)),
    ):
        with pytest.raises(ValueError, match="another floor or combination rule"):
            plan_tables(replace(asked, sets=other))
