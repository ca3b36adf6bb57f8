"""The legacy engine's score, in figures that the old system gave."""

from dataclasses import replace

import pytest

from server.domain.booking import Party
from server.domain.policy import Combinations, PlanEngine, ServicePolicy
from server.errors import Reason
from server.planner.catalog import TableSets
from server.planner.legacy import legacy_terms, measure, scarcities
from server.planner.plan import Plan, PlanResult
from server.planner.ranking import MICRO
from tests.builders.floors import floor, table, table_id
from tests.builders.questions import ask, at, evening_policy

LEGACY: ServicePolicy = replace(evening_policy(), engine=PlanEngine.LEGACY)
# Two tables of three that can be pushed together, a high table beside the first, and a fixed one of six.
PLACE = floor(
    [
        table(1, 6, name="A6", min_party=2, movable=False),
        table(2, 3, name="M1", max_party=4),
        table(3, 3, name="M2", max_party=4),
        table(4, 4, name="H1", min_party=2),
    ],
    [(2, 3), (2, 4)],
)
WORKED: dict[int, dict[str, float]] = {
    2: {"M1": 16, "M2": 16, "H1": 32, "A6": 42},
    3: {"M1": 11, "M2": 11, "H1": 27, "A6": 37, "M1+M2": 49, "H1+M1": 66},
    4: {"H1": 22, "A6": 32, "M1+M2": 44, "H1+M1": 61},
    5: {"A6": 27, "M1+M2": 39, "H1+M1": 56},
    6: {"A6": 22, "M1+M2": 34, "H1+M1": 51, "H1+M1+M2": 89.33},
    7: {"H1+M1": 46, "H1+M1+M2": 84.33},
}
REDUNDANT = {3: {"M1+M2", "H1+M1"}, 4: {"H1+M1"}, 6: {"H1+M1+M2"}, 7: {"H1+M1+M2"}}


def name(plan: Plan) -> str:
    return "+".join(sorted(each.name for each in plan.tables))


def score(names: str, party_size: int) -> float:
    """The score of any set of the place."""
    sets = TableSets.of(PLACE, LEGACY.combinations)
    members = [at for at, each in enumerate(PLACE.tables) if each.name in names.split("+")]
    scarce = scarcities(sets)
    terms = legacy_terms(measure(sets, members, party_size), [scarce[at] for at in members], 0)
    return sum(terms.values()) / MICRO


@pytest.mark.parametrize("party_size", WORKED)
def test_the_worked_scores_of_every_set_redundant_ones_included(party_size: int) -> None:
    scores = {names: round(score(names, party_size), 2) for names in WORKED[party_size]}
    assert scores == WORKED[party_size]


@pytest.mark.parametrize("party_size", WORKED)
def test_the_plans_are_the_worked_ones_without_those_that_need_fewer_tables(party_size: int) -> None:
    plans = ask(PLACE, party_size, policy=LEGACY).plans
    expected = {
        names: cost
        for names, cost in WORKED[party_size].items()
        if names not in REDUNDANT.get(party_size, set())
    }
    assert {name(plan): round(plan.cost, 2) for plan in plans} == expected
    assert [name(plan) for plan in plans] == list(expected)


def test_two_four_tops_for_seven_cost_41() -> None:
    place = floor([table(1, 4, name="C1"), table(2, 4, name="C2")], [(1, 2)])
    plan = ask(place, 7, policy=LEGACY).plans[0]
    assert dict(plan.breakdown) == {
        "overage": 5,
        "combination": 6,
        "fragmentation": 8,
        "scarcity": 22,
        "lookahead": 0,
    }
    assert plan.cost == 41
    assert plan.score == pytest.approx(100 * 30 / 71)


def test_scarcity_raises_a_combination_to_three_times_at_most() -> None:
    measures = measure(TableSets.of(PLACE, LEGACY.combinations), (1, 2), 6)
    factors = [
        legacy_terms(measures, (each, each), 0)["combination"] / (4 * MICRO) for each in (0, 0.5, 1, 7)
    ]
    assert factors == [1, 1.5, 2, 3]


def test_scarcity_counts_tables_in_service_and_does_not_change_with_claims() -> None:
    place = floor([table(1, 4), table(2, 4), table(3, 4, in_service=False), table(4, 2)])
    assert scarcities(TableSets.of(place, LEGACY.combinations)) == (0.5, 0.5, 0.5, 1)


def test_the_steps_between_tables_are_counted_from_the_first_by_name() -> None:
    # The middle of the row is first by name in one place and last in the other.
    middle_first = floor(
        [table(1, 4, name="B"), table(2, 4, name="A"), table(3, 4, name="C")], [(1, 2), (2, 3)]
    )
    middle_last = floor(
        [table(1, 4, name="A"), table(2, 4, name="C"), table(3, 4, name="B")], [(1, 2), (2, 3)]
    )
    costs = [
        measure(TableSets.of(p, LEGACY.combinations), (0, 1, 2), 9).adjacency_cost
        for p in (middle_first, middle_last)
    ]
    assert costs == [1, 2]


def test_a_table_out_of_reach_is_as_many_steps_away_as_the_set_has_tables() -> None:
    # Parties below six may have tables that don't touch.
    combinations = Combinations(adjacency_party_size_min=6)
    apart = floor([table(number, 4) for number in (1, 2, 3)], [(1, 2)])
    sets = TableSets.of(apart, combinations)
    assert [measure(sets, members, 5).adjacency_cost for members in ((0, 1), (0, 2), (0, 1, 2))] == [1, 2, 3]


def test_equal_sets_go_by_name_whatever_their_ids() -> None:
    place = floor([table(1, 4, name="Z"), table(2, 4, name="A")])
    assert [name(plan) for plan in ask(place, 4, policy=LEGACY).plans] == ["A", "Z"]


def test_it_reads_no_preferences_but_says_which_are_not_met() -> None:
    place = floor([table(1, 4, zone=1, attributes=("window",)), table(2, 4, zone=2)])
    party = Party(4, at(19), preferred_attributes=("quiet",), preferred_zone_ids=(place.tables[1].zone_id,))
    plans = ask(place, party, policy=LEGACY).plans
    assert len({plan.cost for plan in plans}) == 1
    assert [plan.zone_preference_unmet for plan in plans] == [True, False]
    assert {plan.unmet_preferred_attributes for plan in plans} == {("quiet",)}


def test_both_engines_find_the_same_sets_and_refuse_the_others_for_the_same_reasons() -> None:
    def without_ranks(answer: PlanResult) -> object:
        sets = {frozenset(each.table_id for each in plan.tables) for plan in answer.plans}
        return answer.outcome, sets, answer.plans_found, answer.rejections

    legacy, v2 = (ask(PLACE, 4, policy=policy, avoid=[1]) for policy in (LEGACY, evening_policy()))
    assert without_ranks(legacy) == without_ranks(v2)
    assert Reason.COMBINATION_REDUNDANT in {each.reason for each in legacy.rejections}
    assert table_id(1) in {each for refused in legacy.rejections for each in refused.table_ids}
