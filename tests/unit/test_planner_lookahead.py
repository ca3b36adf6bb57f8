"""Whom a plan would leave without tables, and what that costs it."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from server.domain.booking import Party
from server.domain.floor import Floor
from server.domain.policy import PlanEngine, ServicePolicy, Weights
from server.domain.window import Window
from server.errors import ClaimKind
from server.planner.lookahead import Waiting
from server.planner.plan import Plan, plan_tables
from tests.builders.floors import floor, row, table, zone_id
from tests.builders.questions import at, claim, evening_policy, numbers, question

TWENTY = at(20)
# An eight-top, and two tables of three that can be pushed together.
EIGHT_AND_THREES = floor([table(1, 8), table(2, 3), table(3, 3)], [(2, 3)])


def waits(
    number: int,
    size: int,
    start: datetime = TWENTY,
    zone: UUID | None = None,
) -> Waiting:
    return Waiting(
        UUID(int=number), Party(size, start, zone_id=zone), Window(start, start + timedelta(minutes=90))
    )


def ranked(place: Floor, party: int, *waiting: Waiting, policy: ServicePolicy | None = None) -> list[Plan]:
    asked = question(place, party, policy=policy)
    return list(plan_tables(replace(asked, waiting=waiting)).plans)


def charges(plans: list[Plan]) -> dict[tuple[int, ...], float]:
    return {numbers(plan): term.cost for plan in plans for term in plan.breakdown if term.name == "lookahead"}


def test_the_eight_top_is_kept_for_the_party_of_eight_an_hour_later() -> None:
    assert numbers(ranked(EIGHT_AND_THREES, 6)[0]) == (1,)
    plans = ranked(EIGHT_AND_THREES, 6, waits(1, 8))
    assert [numbers(plan) for plan in plans] == [(2, 3), (1,)]
    # 30 for each of 8 people in each of 18 slots.
    assert charges(plans) == {(2, 3): 0, (1,): 30 * 8 * 18}


def test_it_is_kept_as_well_for_a_party_that_comes_earlier_and_is_still_there() -> None:
    plans = ranked(EIGHT_AND_THREES, 6, waits(1, 8, at(18)))
    assert [numbers(plan) for plan in plans] == [(2, 3), (1,)]


def test_a_party_that_comes_when_the_other_leaves_costs_nothing() -> None:
    before, after = waits(1, 8, at(17, 30)), waits(2, 8, at(20, 30))
    assert not any(charges(ranked(EIGHT_AND_THREES, 6, before, after)).values())


def test_a_guest_who_can_be_seated_is_never_refused_for_one_who_waits() -> None:
    plans = ranked(row(8), 6, waits(1, 8))
    assert [numbers(plan) for plan in plans] == [(1,)]


def test_who_finds_no_tables_as_it_is_costs_nothing() -> None:
    assert not any(charges(ranked(EIGHT_AND_THREES, 6, waits(1, 20))).values())
    assert not any(charges(ranked(EIGHT_AND_THREES, 6, waits(1, 8, zone=zone_id(7)))).values())


def test_two_parties_of_eight_compete_for_two_eight_tops() -> None:
    place = floor([table(1, 8), table(2, 8), table(3, 3), table(4, 3)], [(3, 4)])
    alone = charges(ranked(place, 6, waits(1, 8)))
    assert not any(alone.values())
    both = charges(ranked(place, 6, waits(1, 8), waits(2, 8)))
    assert both == {(1,): 30 * 8 * 18, (2,): 30 * 8 * 18, (3, 4): 0}


def test_two_parties_of_eight_who_don_t_meet_can_share_one_eight_top() -> None:
    place = floor([table(1, 8), table(2, 8), table(3, 3), table(4, 3)], [(3, 4)])
    assert not any(charges(ranked(place, 6, waits(1, 8, at(18)), waits(2, 8, at(19, 30)))).values())


def test_of_three_who_compete_for_two_tables_the_loss_of_one_table_counts_once() -> None:
    waiting = [waits(number, 8) for number in (1, 2, 3)]
    assert charges(ranked(row(8, 8), 8, *waiting)) == {(1,): 30 * 8 * 18, (2,): 30 * 8 * 18}


def test_who_has_fewer_sets_is_promised_one_before_who_is_larger() -> None:
    place = floor([table(1, 6), table(2, 8, zone=2)])
    picky, larger = waits(1, 5, zone=zone_id(1)), waits(2, 6)
    # The five get table 1, so the six count on table 2, and on nothing else.
    assert charges(ranked(place, 6, picky, larger)) == {(1,): 30 * 5 * 18, (2,): 30 * 6 * 18}


def test_a_booking_s_own_hold_is_not_in_its_way_and_others_are() -> None:
    place = floor([table(1, 8), table(2, 8), table(3, 8)])
    taken = [claim(1, at(20), at(21), ClaimKind.HOLD), claim(2, at(20, 30), at(21))]
    asked = replace(question(place, 6, claims=taken), waiting=(waits(1, 8),))
    # Only the third table is free for both.
    assert charges(list(plan_tables(asked).plans))[(3,)] > 0
    own = replace(asked, claims=[replace(taken[0], booking_id=UUID(int=1)), taken[1]])
    assert not any(charges(list(plan_tables(own).plans))[table] for table in [(2,), (3,)])


def test_a_booking_that_needs_a_merge_loses_it_with_either_table() -> None:
    place = floor([table(1, 4), table(2, 4), table(3, 4)], [(1, 2)])
    assert charges(ranked(place, 4, waits(1, 8))) == {(1,): 30 * 8 * 18, (2,): 30 * 8 * 18, (3,): 0}


def test_the_weight_belongs_to_the_policy() -> None:
    policy = evening_policy(weights=Weights(lookahead=0))
    assert numbers(ranked(EIGHT_AND_THREES, 6, waits(1, 8), policy=policy)[0]) == (1,)


def test_the_legacy_engine_charges_500_per_booking_as_the_old_system_did() -> None:
    policy = replace(evening_policy(), engine=PlanEngine.LEGACY)
    # Without lookahead the eight-top wins 32 to 34, its scarcity included.
    plans = ranked(EIGHT_AND_THREES, 6, policy=policy)
    assert [(numbers(plan), plan.cost) for plan in plans] == [((1,), 32), ((2, 3), 34)]
    kept = ranked(EIGHT_AND_THREES, 6, waits(1, 8), waits(2, 8), policy=policy)
    assert [(numbers(plan), plan.cost) for plan in kept] == [((2, 3), 34), ((1,), 1_032)]


@pytest.mark.parametrize("engine", PlanEngine)
def test_a_charge_is_part_of_the_cost(engine: PlanEngine) -> None:
    policy = replace(evening_policy(), engine=engine)
    with_it, without = (
        {numbers(plan): plan.cost for plan in ranked(EIGHT_AND_THREES, 6, *waiting, policy=policy)}
        for waiting in ([waits(1, 8)], [])
    )
    charged = charges(ranked(EIGHT_AND_THREES, 6, waits(1, 8), policy=policy))
    assert with_it == pytest.approx({tables: without[tables] + charged[tables] for tables in without})
