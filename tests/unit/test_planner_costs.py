"""What table sets cost. The numbers of the worked example are those of docs/planner.md."""

import re
from dataclasses import asdict, replace
from datetime import timedelta
from math import exp
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.policy import Combinations, ExpectedParties, Weights
from server.domain.window import Window
from server.planner.forecast import desertion, expected_parties
from server.planner.gaps import slots_covering, slots_within, turn_slots, unusable_slots
from server.planner.lookahead import Waiting
from server.planner.plan import Plan, Question, plan_tables
from tests.builders.floors import floor, row, table, zone_id
from tests.builders.questions import ask, at, claim, evening_policy, numbers, question
from tests.support.programs import ROOT

TURNS = (13, 19)
EXAMPLE_PRINTED = (
    (ROOT / "docs" / "planner.md").read_text().partition("### Example\n")[2].partition("\n## ")[0]
)
PRINTED_COLUMNS = 10
EXAMPLE = floor([table(1, 4), table(2, 6), table(3, 2), table(4, 2)], [(1, 2), (3, 4)])


def terms(plan: Plan) -> dict[str, float]:
    return {term.name: term.cost for term in plan.breakdown}


def documented(place: Floor) -> Question:
    """The question of the worked example."""
    return question(
        place,
        4,
        Window(at(19), at(20, 35)),
        policy=evening_policy(turn_min=(60, 90), buffer_after_min=5),
        claims=[claim(1, at(17), at(18, 30)), claim(2, at(17), at(19))],
    )


def printed() -> list[tuple[tuple[int, ...], list[float]]]:
    """The rows of costs in the example of docs/planner.md: the tables of a set, and its numbers."""
    rows = [line.strip("| ").split(" | ") for line in EXAMPLE_PRINTED.splitlines() if line.startswith("| ")]
    return [
        (tuple(map(int, cells[0].split(" + "))), [float(cell) for cell in cells[1:]])
        for cells in rows
        if len(cells) == PRINTED_COLUMNS and cells[0] != "Set"
    ]


def test_the_numbers_in_the_documentation_are_those_of_the_planner() -> None:
    plans = plan_tables(documented(EXAMPLE)).plans
    shown = PRINTED_COLUMNS - len(("Set", "cost", "score"))
    assert printed() == [
        (
            numbers(plan),
            [
                *(round(cost, 2) for cost in [*terms(plan).values()][:shown]),
                round(plan.cost, 2),
                round(plan.score, 1),
            ],
        )
        for plan in plans
    ]
    assert not any(cost for plan in plans for cost in [*terms(plan).values()][shown:])


def test_page_and_contract_tell_the_default_weights() -> None:
    defaults = asdict(Weights())
    page, proto = (
        (ROOT / name).read_text() for name in ("docs/planner.md", "proto/maitred/v1/inventory.proto")
    )
    told = re.findall(r"^\| `\w+` \| `(\w+)`.* \| ([\d.]+) \| [^|]*\|$", page, re.MULTILINE)
    assert {name: float(default) for name, default in told} == defaults
    commented = re.findall(r"Default ([\d.]+)\.\n +optional double (\w+) =", proto)
    assert {name: float(default) for default, name in commented} == defaults


def test_the_example_of_the_documentation() -> None:
    plans = plan_tables(documented(EXAMPLE)).plans
    rows = [(numbers(plan), list(terms(plan).values()), plan.cost, round(plan.score, 1)) for plan in plans]
    assert rows == [
        ((2,), [38, 0, 0.0, 5.22, 2.0, 15.2, 15.33528, 0, 0, 0], 75.75528, 88.3),
        ((1,), [0, 0, 22.4, 4.20, 2.0, 15.2, 35.823712, 0, 0, 0], 79.623712, 87.7),
        ((3, 4), [0, 28.5, 22.4, 6.36, 4.0, 30.4, 11.833472, 0, 0, 0], 103.493472, 84.6),
    ]
    assert list(terms(plans[0])) == [
        "spare_seats",
        "merge",
        "unusable_gaps",
        "open_gaps",
        "merge_partners",
        "fragmentation",
        "scarcity",
        "preferred_attributes",
        "preferred_zone",
        "lookahead",
    ]


def test_the_example_of_the_documentation_with_a_preferred_zone() -> None:
    # Table 2 stands apart and touches nothing, so it has no merge partner here.
    place = floor([table(1, 4), table(2, 6, zone=2), table(3, 2), table(4, 2)], [(3, 4)])
    party = Party(4, at(19), preferred_zone_ids=(zone_id(2),))
    plans = plan_tables(replace(documented(place), party=party)).plans
    assert {numbers(plan): terms(plan)["preferred_zone"] for plan in plans} == {(1,): 20, (2,): 0, (3, 4): 20}
    assert [plan.zone_preference_unmet for plan in plans] == [numbers(plan) != (2,) for plan in plans]


def test_the_example_of_the_documentation_with_a_booking_that_waits() -> None:
    six = Window(at(20), at(21, 35))
    waiting = (Waiting(UUID(int=1), Party(6, six.start), six),)
    plans = plan_tables(replace(documented(EXAMPLE), waiting=waiting)).plans
    assert [(numbers(plan), plan.cost) for plan in plans] == [
        ((1,), 79.623712),
        ((3, 4), 103.493472),
        ((2,), 3_495.75528),
    ]
    assert (terms(plans[2])["lookahead"], round(plans[2].score, 1)) == (3_420, 14.0)
    told = " ".join(EXAMPLE_PRINTED.split())
    assert f"= {terms(plans[2])['lookahead']:,.0f} more" in told
    assert f"{plans[2].cost:,.2f} and a score of {plans[2].score:.1f}" in told


@pytest.mark.parametrize(
    ("gap", "unused"), [(0, 0), (6, 6), (13, 0), (24, 5), (29, 3), (48, 3), (54, 2), (72, 1)]
)
def test_what_no_packing_of_whole_turns_can_use(gap: int, unused: int) -> None:
    assert turn_slots(evening_policy(turn_min=(60, 90), buffer_after_min=5)) == TURNS
    assert unusable_slots(TURNS, 100)[gap] == unused


def test_the_longest_gap_that_is_asked_about_is_among_the_answers() -> None:
    # 32 turns of 45 minutes fill a day.
    assert unusable_slots((9,), 288)[288] == 0


def test_without_turns_every_gap_is_unusable() -> None:
    assert unusable_slots((), 10)[:4] == (0, 1, 2, 3)


def test_lengths_become_slots_so_that_idle_time_is_never_overstated() -> None:
    assert slots_within(timedelta(minutes=9, seconds=59)) == 1
    assert slots_within(timedelta(minutes=-3)) == 0
    assert slots_within(timedelta(days=400)) == 288
    assert slots_covering(timedelta(minutes=5, seconds=1)) == 2


def test_a_window_that_closes_a_gap_is_preferred_to_one_that_tears_it() -> None:
    claims = [claim(1, at(17), at(18, 30)), claim(2, at(17), at(19))]
    first, second = ask(row(4, 4), 4, claims=claims).plans
    assert numbers(first) == (2,)
    assert terms(first)["unusable_gaps"] < terms(second)["unusable_gaps"]


def test_filling_a_gap_that_was_hard_to_fill_is_rewarded_and_its_score_stays_within_100() -> None:
    policy = evening_policy(turn_min=(120,), weights=Weights(unusable_gap=1000, open_gap=0, merge_partner=0))
    around = [claim(1, at(17), at(19)), claim(1, at(20, 30), at(23))]
    plan = ask(row(4), 4, policy=policy, claims=around).plans[0]
    # A gap of 18 slots was too short for the only turn of 24; now none of it is lost.
    assert terms(plan)["unusable_gaps"] == -1000 * 4 * 18
    assert plan.score == 100


def test_idle_time_ends_at_the_horizon() -> None:
    near = Window(at(18, 55), at(20, 40))
    plan = ask(row(4), 4, horizon=near).plans[0]
    assert terms(plan)["open_gaps"] == pytest.approx(0.03 * 4 * (1 + 2))
    inside = ask(row(4), 4, horizon=Window(at(19, 30), at(20))).plans[0]
    assert terms(inside)["open_gaps"] == 0


def test_only_tables_that_could_be_merged_count_as_partners() -> None:
    place = floor(
        [table(1, 4), table(2, 4, movable=False), table(3, 4, in_service=False), table(4, 4)],
        [(1, 2), (1, 3), (1, 4)],
    )
    by_table = {numbers(plan): terms(plan)["merge_partners"] for plan in ask(place, 4).plans}
    assert by_table == {(1,): 2.0, (2,): 0.0, (4,): 2.0}
    alone = ask(place, 4, policy=evening_policy(combinations=Combinations(enabled=False))).plans
    assert {terms(plan)["merge_partners"] for plan in alone} == {0.0}


def test_a_weight_changes_its_own_term_alone() -> None:
    place = row(4, 2)
    usual = ask(place, 5).plans[0]
    doubled = ask(place, 5, policy=evening_policy(weights=Weights(merge=3))).plans[0]
    assert terms(doubled) == terms(usual) | {"merge": 2 * terms(usual)["merge"]}


def test_a_merge_that_is_broken_up_for_part_of_the_window_costs_that_part() -> None:
    # From 19:00 to 20:30, table 2 could be pushed to table 1 until it is taken at 19:30.
    plan = ask(row(4, 2), 4, claims=[claim(2, at(19, 30), at(21))]).plans[0]
    assert numbers(plan) == (1,)
    assert terms(plan)["fragmentation"] == pytest.approx(0.8 * 6)
    taken = ask(row(4, 2), 4, claims=[claim(2, at(18), at(20)), claim(2, at(20), at(21))]).plans[0]
    assert terms(taken)["fragmentation"] == 0


def test_an_idle_gap_costs_by_how_unlikely_anybody_comes_for_it() -> None:
    around = [claim(1, at(17), at(18)), claim(1, at(21, 30), at(23))]
    policy = evening_policy(turn_min=(60,), weights=Weights(scarcity=1))
    nobody = replace(policy, forecast=(ExpectedParties(2, 100.0),))
    many = replace(policy, forecast=(ExpectedParties(3, 100.0),))
    # The table for 4 stands beside one for 2, so parties of two are expected there.
    place = row(4, 2)
    costs = {
        name: terms(ask(place, 4, policy=each, claims=around).plans[0])["scarcity"]
        for name, each in (("nobody", nobody), ("many", many))
    }
    # One gap of an hour and a half becomes two of an hour, each as deserted as the first was.
    assert costs["nobody"] == pytest.approx(4 * (1 + 1 - 1))
    assert costs["many"] == pytest.approx(0, abs=1e-4)


def test_without_a_forecast_as_many_of_the_usual_parties_are_expected_as_fill_the_room() -> None:
    policy = evening_policy(turn_min=(90,))
    usual = expected_parties(policy, policy.periods[0], ((2, 10), (4, 5)))
    assert usual[2] == pytest.approx(9 * usual[1])
    guests = sum(size * parties for size, parties in usual.items())
    # Six hours hold four turns of ninety minutes; six seats in ten are used.
    assert guests == pytest.approx(0.6 * (10 * 2 + 5 * 4) * 4)


def test_a_table_gets_the_parties_that_no_smaller_table_takes() -> None:
    buffered = replace(evening_policy(turn_min=(45,), buffer_after_min=5), buffer_before_s=600)
    chances = desertion(replace(buffered, forecast=(ExpectedParties(3, 2.1),)), ((2, 1), (4, 1)))
    assert [chances[2][gap] for gap in (0, 1, 12, 72, 864)] == [0, *(1_000_000 for _ in range(4))]
    # An hour, buffers included, fits one of the 21 starts of the evening: a tenth of a party, drawn two and a half
    # times as strongly.
    assert (chances[4][11], chances[4][12]) == (1_000_000, round(1_000_000 * exp(-2.5 * 0.1)))


def test_of_several_periods_a_gap_is_worth_the_mean() -> None:
    once = replace(evening_policy(turn_min=(60,)), forecast=(ExpectedParties(2, 2.1),))
    twice = replace(once, periods=once.periods * 2)
    assert desertion(twice, ((2, 1),))[2][12] == desertion(once, ((2, 1),))[2][12] < 1_000_000


def test_nobody_is_expected_at_a_table_out_of_service() -> None:
    policy = evening_policy(turn_min=(60,), weights=Weights(scarcity=1))
    # Each of the places has the table of four between two gaps; parties of two are expected at the smallest tables.
    around = [claim(1, at(17), at(18)), claim(1, at(21, 30), at(23))]
    alone, beside, closed = (
        terms(ask(floor([table(1, 4), *others]), 4, policy=policy, claims=around).plans[0])["scarcity"]
        for others in ([], [table(2, 2)], [table(2, 2, in_service=False)])
    )
    assert closed == alone
    assert closed != beside
