"""P7: what was left out of a plan, by name, with what would help; and large parties, which never meet silence."""

import pytest

from maitred_client import AsyncMaitredClient, instant
from maitred_client.messages import (
    BookingAction,
    ErrorReason,
    PlanOutcome,
    PlanTablesRequest,
    PlanTablesResponse,
    Rejection,
    RejectionCure,
)
from tests.builders.world import TableSpec, World, evening, small_world, stamp
from tests.builders.world_extras import HOUSE_TABLES, House, house_policy
from tests.conftest import Served
from tests.support.database import expire

pytestmark = pytest.mark.shared_server

NAMES = [seats.name for seats in HOUSE_TABLES]
FEASIBLE, TAKEN, NEEDS_STAFF = (
    PlanOutcome.PLAN_OUTCOME_FEASIBLE,
    PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN,
    PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF,
)


def rejection(answer: PlanTablesResponse, reason: str) -> Rejection:
    wanted = ErrorReason.Value(f"ERROR_REASON_{reason}")
    return next(each for each in answer.rejections if each.reason == wanted)


def cures(rejected: Rejection) -> list[str]:
    return [RejectionCure.Name(cure).removeprefix("REJECTION_CURE_") for cure in rejected.cures]


async def plan(place: World, size: int) -> PlanTablesResponse:
    request = PlanTablesRequest(restaurant_id=place.restaurant_id)
    request.party.party_size = size
    request.party.start.CopyFrom(stamp(evening()))
    return await place.client.plan_tables(request)


# Rejections


async def test_tables_and_combinations_are_counted_and_named(place: House) -> None:
    await place.block("W2")
    answer = await place.plan(await place.party(8))
    blocked = rejection(answer, "TABLE_BLOCKED")
    assert (blocked.tables, blocked.combinations) == (0, 2)
    named = [set(each.table_names) for each in blocked.example_combinations]
    assert sorted(map(sorted, named)) == [["W1", "W2"], ["W2", "W3"]]
    small = rejection(answer, "CAPACITY_INSUFFICIENT")
    assert sorted(small.table_names) == ["F6", "P1", "P2", "W1", "W2", "W3", "W4"]
    ids = {place.tables[name]: name for name in NAMES}
    assert [ids[table_id] for table_id in small.table_ids] == list(small.table_names)
    for each in blocked.example_combinations:
        assert list(each.table_ids) == sorted(each.table_ids)
        assert [ids[table_id] for table_id in each.table_ids] == list(each.table_names)


async def test_at_most_ten_combinations_are_named_and_all_are_counted(client: AsyncMaitredClient) -> None:
    row = [TableSpec(f"T{number}", 2) for number in range(1, 15)]
    place = await small_world(client, tables=row)
    answer = await plan(place, 20)
    small = rejection(answer, "CAPACITY_INSUFFICIENT")
    assert small.combinations == answer.combinations_considered == 13 + 12
    examples = [list(each.table_ids) for each in small.example_combinations]
    assert len(examples) == 10
    assert examples == sorted(examples, key=lambda ids: (len(ids), ids))


async def test_only_a_party_in_the_way_could_move(place: House) -> None:
    await place.block("W1")
    await place.seated("W2")
    await place.hold(await place.party(), "W3")
    await place.out_of_service("W4")
    answer = await place.plan(await place.party(4, zone="Hall"))
    told = {
        ErrorReason.Name(each.reason).removeprefix("ERROR_REASON_"): (each.moving_may_help, cures(each))
        for each in answer.rejections
    }
    assert told == {
        "TABLE_OUT_OF_SERVICE": (False, ["TABLE_BACK_IN_SERVICE"]),
        "ZONE_NOT_REQUESTED": (False, ["FLOOR_CHANGED", "BOOKING_CHANGED"]),
        "COMBINATION_REDUNDANT": (False, []),
        "CAPACITY_BELOW_MIN_PARTY": (False, ["FLOOR_CHANGED", "BOOKING_CHANGED"]),
        "TABLE_BLOCKED": (False, ["BLOCK_RELEASED"]),
        "TABLE_CONFLICT_ASSIGNED": (True, ["ASSIGNMENT_RELEASED"]),
        "TABLE_CONFLICT_HELD": (True, ["HOLD_ENDS"]),
    }


async def test_they_say_when_the_first_set_comes_free(place: House, server: Served) -> None:
    await place.seated("L8", party=5, start=evening(17, 30))
    await place.seated("W1", start=evening(18))
    await place.seated("W2", start=evening(17, 45))
    await place.seated("W3", start=evening(17, 15))
    await place.seated("W4", start=evening(18, 30))
    answer = await place.plan(await place.party(8, zone="Hall"))
    # W2 with W3 comes free at 19:45, before the others; L8 alone at 19:30.
    assert instant(rejection(answer, "TABLE_CONFLICT_ASSIGNED").free_from) == evening(19, 30)
    await place.block("L8", start=evening(20), end=evening(23))
    answer = await place.plan(await place.party(8, zone="Hall"))
    assert instant(rejection(answer, "TABLE_CONFLICT_ASSIGNED").free_from) == evening(19, 45)
    assert instant(rejection(answer, "TABLE_BLOCKED").free_from) == evening(23)
    assert not rejection(answer, "CAPACITY_INSUFFICIENT").HasField("free_from")


async def test_a_held_table_comes_free_when_the_hold_expires(place: House, server: Served) -> None:
    for name in set(NAMES) - {"F6"}:
        await place.block(name)
    hold = await place.hold(await place.party(6), "F6")
    wish = await place.party(6)
    answer = await place.plan(wish)
    assert rejection(answer, "TABLE_CONFLICT_HELD").free_from == hold.expires_at
    await expire(server.database_url, hold.hold_id)
    assert (await place.plan(wish)).outcome == FEASIBLE


async def test_explaining_a_set_names_the_same_cures_check_by_check(place: House) -> None:
    await place.block("W1")
    await place.seated("W2")
    booking = await place.party(9)
    checks = (await place.explain(booking, "W1", "W2")).checks
    told = {
        ErrorReason.Name(check.reason).removeprefix("ERROR_REASON_"): [
            RejectionCure.Name(cure).removeprefix("REJECTION_CURE_") for cure in check.cures
        ]
        for check in checks
        if check.cures
    }
    assert told == {
        "CAPACITY_INSUFFICIENT": ["FLOOR_CHANGED", "BOOKING_CHANGED"],
        "TABLE_BLOCKED": ["BLOCK_RELEASED"],
        "TABLE_CONFLICT_ASSIGNED": ["ASSIGNMENT_RELEASED"],
    }


# Moving one booking


async def test_a_booking_that_could_sit_elsewhere_is_known_to_make_room(place: House) -> None:
    for name in ("W1", "W2", "W3", "W4", "L8"):
        await place.block(name)
    in_the_way = await place.seated("F6", party=3)
    wish = await place.party(6, zone="Hall")
    answer = await place.plan(wish)
    assert (answer.outcome, answer.moving_one_booking_would_help) == (TAKEN, True)
    assert in_the_way.booking_id not in str(answer)
    await place.reassign(in_the_way, "P1")
    await place.hold(wish, *(await place.plan(wish)).plans[0].table_names)


async def test_a_booking_that_fits_nowhere_else_does_not_help(place: House) -> None:
    for name in ("W1", "W2", "W3", "W4", "L8", "P1", "P2"):
        await place.block(name)
    await place.seated("F6", party=3)
    answer = await place.plan(await place.party(6, zone="Hall"))
    assert (answer.outcome, answer.moving_one_booking_would_help) == (TAKEN, False)
    assert rejection(answer, "TABLE_CONFLICT_ASSIGNED").moving_may_help


async def test_who_sits_already_or_only_holds_is_not_moved(place: House) -> None:
    for name in ("W1", "W2", "W3", "W4", "L8"):
        await place.block(name)
    booking = await place.party(3)
    hold = await place.hold(booking, "F6")
    wish = await place.party(6, zone="Hall")
    assert not (await place.plan(wish)).moving_one_booking_would_help
    await place.confirm(hold)
    assert (await place.plan(wish)).moving_one_booking_would_help
    await place.transition(await place.read(booking.booking_id), BookingAction.BOOKING_ACTION_CHECK_IN)
    assert not (await place.plan(wish)).moving_one_booking_would_help


# Large parties


async def test_a_large_party_gets_as_many_tables_as_may_be_merged(client: AsyncMaitredClient) -> None:
    row = [TableSpec(f"T{number}", 4) for number in range(1, 8)]
    place = await a_row(client, row)
    for size, count in ((11, 3), (16, 4), (20, 5)):
        answer = await plan(place, size)
        assert (answer.outcome, len(answer.plans[0].table_ids)) == (FEASIBLE, count)


async def test_a_party_beyond_every_set_is_a_matter_for_staff_who_are_told_what_there_is(
    client: AsyncMaitredClient,
) -> None:
    row = [TableSpec(f"T{number}", 4) for number in range(1, 8)]
    place = await a_row(client, row)
    answer = await plan(place, 21)
    assert (answer.outcome, answer.largest_capacity) == (NEEDS_STAFF, 20)
    small = rejection(answer, "CAPACITY_INSUFFICIENT")
    assert (small.tables, small.combinations) == (7, answer.combinations_considered)
    assert (list(answer.plans), list(answer.alternatives)) == ([], [])
    await place.out_of_service("T4")
    assert (await plan(place, 21)).largest_capacity == 12
    await place.change_policy(lambda policy: setattr(policy.combinations, "enabled", False))
    assert (await plan(place, 21)).largest_capacity == 4


async def a_row(client: AsyncMaitredClient, tables: list[TableSpec]) -> House:
    """These tables in a row, up to five of which may be merged."""
    world = await small_world(client, tables=tables)
    place = House(client, world.restaurant_id, world.zone_id, world.tables)
    policy = house_policy()
    policy.combinations.tables_max = 5
    await place.put_policy(policy)
    return place
