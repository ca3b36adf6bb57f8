"""Scenarios are data: what is wrong with one is said in sentences, and a place follows from it and the run's id."""

import datetime as dt
import re
from pathlib import Path
from random import Random
from typing import get_args
from uuid import UUID

import pytest

from loadgen.acting.verbs import VERBS
from loadgen.place import Place
from loadgen.scenario import (
    AnyTime,
    AssignedVerb,
    CheckedInVerb,
    ExpiredVerb,
    HeldVerb,
    NoShowVerb,
    PendingVerb,
    Scenario,
    ScenarioError,
    load_scenario,
    packaged_scenarios,
    parse_scenario,
)
from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs" / "load.md").read_text()

SMALL = """
about = "Two restaurants, for the tests."
[floors]
restaurants = 2
tables = 5
capacities = [2, 4]
row_tables = 3
[bookings]
count = 60
days = 2
seatings = 3
every_minutes = 90
party_sizes = [2, 4, 6]
[holds]
merged = 0.5
[choices.pending]
hold = 1
"""


def changed(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


def place_of(text: str = SMALL, run_id: int = 1) -> Place:
    return Place(parse_scenario("small", text), UUID(int=run_id), dt.date(2031, 5, 1))


def test_every_packaged_scenario_is_valid_and_says_what_it_is() -> None:
    packaged = packaged_scenarios()
    assert set(packaged) == {
        "busy_evening",
        "confirm_storm",
        "hold_abuse",
        "hot_set",
        "mixed",
        "one_hot_table",
        "thousand_restaurants",
        "torture",
    }
    assert packaged["hot_set"].floors.tables == 20
    assert packaged["thousand_restaurants"].floors.restaurants == 1_000
    assert packaged["mixed"].driving.in_flight >= 1_000
    assert packaged["mixed"].driving.operations >= 100_000


def test_the_mixed_scenario_does_everything_that_callers_can_do() -> None:
    choices = packaged_scenarios()["mixed"].choices
    waiting = {*choices.pending, *choices.held, *choices.expired}
    chosen = waiting | {*choices.assigned, *choices.checked_in, *choices.no_show}
    assert chosen == set(VERBS)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("tables = 5", 'tables = "5"', "floors.tables: Input should be a valid integer"),
        (
            "restaurants = 2",
            "restaurants = 0",
            "floors.restaurants: Input should be greater than or equal to 1",
        ),
        ("hold = 1", "holds = 1", "choices.pending.holds: Input should be 'hold', 'plan_and_hold'"),
        ("hold = 1", "confirm = 1", "choices.pending.confirm: Input should be 'hold', 'plan_and_hold'"),
        ("hold = 1", "hold = 0", "choices: pending needs a weight above 0"),
        ("[2, 4, 6]", "[2, 9]", "bookings.party_sizes: no two tables seat 9; floors.capacities allow 8"),
        (
            "seatings = 3",
            "seatings = 30",
            "bookings.seatings: 30 seatings 90 minutes apart are more than a day",
        ),
        ("merged = 0.5", "merged = 1.5", "holds.merged: Input should be less than or equal to 1"),
        ("days = 2", "weeks = 2", "bookings.weeks: Extra inputs are not permitted"),
        ("[holds]", "name = 'x'\n[holds]", "bookings.name: Extra inputs"),
        ("[holds]", "[holds", "is not TOML"),
    ],
)
def test_a_wrong_scenario_says_where_and_why(old: str, new: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario("mine", changed(old, new))
    assert len(refused.value.problems) == 1
    assert problem in refused.value.problems[0]


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario("mine", changed("days = 2", "days = 0").replace("tables = 5", "tables = 0"))
    assert len(refused.value.problems) == 2


def test_a_file_of_ones_own_is_taken_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "friday.toml"
    file.write_text(SMALL)
    assert load_scenario(str(file)).name == "friday"
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(str(tmp_path / "saturday.toml"))
    with pytest.raises(ScenarioError, match=r"there are busy_evening, .*or give a \.toml file"):
        load_scenario("friday")


def test_processes_share_the_bookings_without_meeting() -> None:
    place = place_of()
    of_three = [place.visits(process, 3) for process in range(3)]
    ids = [visit.booking_id for visits in of_three for visit in visits]
    assert sorted(ids) == sorted(visit.booking_id for visit in place.visits(0, 1))
    assert len(set(ids)) == 60


def test_bookings_are_spread_over_restaurants_seatings_and_days() -> None:
    visits = place_of().visits(0, 1)
    starts = {visit.start for visit in visits}
    assert len({(visit.restaurant, visit.start) for visit in visits}) == 2 * 3 * 2
    assert min(starts) == dt.datetime(2031, 5, 1, 10, tzinfo=dt.UTC)
    assert max(starts) == dt.datetime(2031, 5, 2, 13, tzinfo=dt.UTC)
    assert {visit.end - visit.start for visit in visits} == {dt.timedelta(hours=2)}


def test_two_runs_have_nothing_in_common() -> None:
    one, other = place_of(run_id=1), place_of(run_id=2)
    assert one.tenant_id != other.tenant_id
    assert not {*one.table_ids(0), one.restaurant_id(0)} & {*other.table_ids(0), other.restaurant_id(0)}
    assert not {v.booking_id for v in one.visits(0, 1)} & {v.booking_id for v in other.visits(0, 1)}


def test_chosen_tables_seat_the_party_and_stand_side_by_side_in_one_row() -> None:
    place, chance = place_of(), Random(1)
    sizes = set()
    for visit in place.visits(0, 1) * 20:
        chosen = place.choose_tables(visit, chance)
        numbers = [place.table_ids(visit.restaurant).index(table) for table in chosen]
        assert sum(place.capacities[number] for number in numbers) >= visit.party_size
        if len(numbers) == 2:
            assert numbers[1] - numbers[0] == 1
            assert numbers[0] // 3 == numbers[1] // 3
        sizes.add(len(numbers))
    assert sizes == {1, 2}


@pytest.mark.parametrize(("merged", "of_four"), [("0.0", {(1,), (4,)}), ("1.0", {(0, 1), (1, 2), (3, 4)})])
def test_two_neighbours_are_chosen_where_the_scenario_says_so_and_where_no_table_is_large_enough(
    merged: str, of_four: set[tuple[int, ...]]
) -> None:
    text = changed("merged = 0.5", f"merged = {merged}").replace("[2, 4]", "[2, 4, 1]")
    place, chance = place_of(text.replace("[2, 4, 6]", "[4, 6, 8]")), Random(1)
    numbers = {table: number for number, table in enumerate(place.table_ids(0))}
    chosen: dict[int, set[tuple[int, ...]]] = {4: set(), 6: set(), 8: set()}
    for visit in [visit for visit in place.visits(0, 1) if visit.restaurant == 0] * 20:
        chosen[visit.party_size].add(tuple(numbers[table] for table in place.choose_tables(visit, chance)))
    assert chosen == {4: of_four, 6: {(0, 1), (3, 4)}, 8: {(0,)}}


def test_a_scenario_may_leave_out_what_has_a_default() -> None:
    scenario: Scenario = parse_scenario("small", SMALL)
    assert (scenario.answers.dropped, scenario.driving.in_flight, dict(scenario.choices.expired)) == (
        0.0,
        64,
        {"hold": 1.0},
    )


def test_the_page_has_a_row_for_every_scenario_and_its_example_is_one() -> None:
    named = set(re.findall(r"^\| `(\w+)` \| [A-Z]", PAGE, re.MULTILINE))
    assert named == set(packaged_scenarios())
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert parse_scenario("friday", example).driving.in_flight == 24


def test_the_page_names_the_verbs_of_each_standing() -> None:
    rows = {
        standing: set(re.findall(r"`(\w+)`", verbs))
        for standing, verbs in re.findall(r"^\| `?(\w+)`? \| (`[a-z].*) \|$", PAGE, re.MULTILINE)
    }
    any_time = set(get_args(AnyTime))
    assert rows == {
        "pending": set(get_args(PendingVerb)) - any_time,
        "held": set(get_args(HeldVerb)) - any_time,
        "expired": set(get_args(ExpiredVerb)) - any_time,
        "assigned": set(get_args(AssignedVerb)) - any_time,
        "checked_in": set(get_args(CheckedInVerb)) - any_time,
        "no_show": set(get_args(NoShowVerb)) - any_time,
        "each": any_time,
    }
