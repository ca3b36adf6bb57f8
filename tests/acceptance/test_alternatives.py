"""P8: what a party could have instead. Each alternative can be held as it stands."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient, InvalidArgumentFieldError, MaitredError, instant
from maitred_client.messages import (
    Alternative,
    AlternativeKind,
    Booking,
    ErrorReason,
    HoldTablesRequest,
    PartyRequest,
    PlanOutcome,
    PlanTablesRequest,
    PlanTablesResponse,
    PutBookingRequest,
    ServicePolicy,
)
from tests.builders.world import evening, stamp
from tests.builders.world_extras import (
    HOUSE_TABLES,
    House,
    always_open_policy,
    house,
    house_policy,
    refused,
)
from tests.conftest import Served
from tests.support.database import nothing_written

pytestmark = pytest.mark.shared_server

EARLIER, LATER = AlternativeKind.ALTERNATIVE_KIND_EARLIER, AlternativeKind.ALTERNATIVE_KIND_LATER
OTHER_ZONE = AlternativeKind.ALTERNATIVE_KIND_OTHER_ZONE
LARGER, RELAXED = (
    AlternativeKind.ALTERNATIVE_KIND_LARGER_COMBINATION,
    AlternativeKind.ALTERNATIVE_KIND_RELAXED,
)
NAMES = [seats.name for seats in HOUSE_TABLES]
SEEDS = range(4)
QUARTER = timedelta(minutes=15)
DEFAULT = 6


async def plan(place: House, booking: Booking, alternatives_max: int = 0) -> PlanTablesResponse:
    request = PlanTablesRequest(
        restaurant_id=place.restaurant_id, booking_id=booking.booking_id, alternatives_max=alternatives_max
    )
    return await place.client.plan_tables(request)


async def plan_party(
    place: House, party: PartyRequest, alternatives_max: int = 0, avoid: Iterable[str] = ()
) -> PlanTablesResponse:
    request = PlanTablesRequest(
        restaurant_id=place.restaurant_id,
        party=party,
        alternatives_max=alternatives_max,
        avoid_table_ids=place.ids(avoid),
    )
    return await place.client.plan_tables(request)


async def hold_as_it_stands(place: House, alternative: Alternative, booking_id: str) -> None:
    """Does what the alternative says and nothing else; then takes it back."""
    request = PutBookingRequest(
        restaurant_id=place.restaurant_id, booking_id=booking_id, party=alternative.party
    )
    booking = (await place.client.put_booking(request)).booking
    assert (booking.window_start, booking.window_end) == (alternative.window_start, alternative.window_end)
    assert booking.period == alternative.period
    hold = HoldTablesRequest(
        restaurant_id=place.restaurant_id,
        booking_id=booking_id,
        table_ids=alternative.plan.table_ids,
        context_version=alternative.plan.context_version,
        overrides=alternative.plan.relaxed,
    )
    held = (await place.client.hold_tables(hold)).hold
    assert list(held.table_ids) == list(alternative.plan.table_ids)
    await place.release(held)


def dinner_policy() -> ServicePolicy:
    """Lunch and dinner; from dinner parties have to be gone by 22:00, after an hour at least."""
    policy = house_policy()
    lunch = policy.periods.add()
    lunch.CopyFrom(policy.periods[0])
    lunch.name, lunch.opens, lunch.closes = "lunch", "12:00", "14:30"
    dinner = policy.periods[0]
    dinner.opens, dinner.closes, dinner.may_overrun = "17:00", "22:00", False
    dinner.shortest_stay.FromTimedelta(timedelta(hours=1))
    return policy


def set_turn(policy: ServicePolicy, length: timedelta) -> None:
    policy.periods[0].turn_times[0].duration.FromTimedelta(length)


async def fill(place: House, rng: random.Random) -> None:
    """Claims of every kind all over the evening, as far as they fit."""
    for _ in range(24):
        start = evening(17) + QUARTER * rng.randint(0, 16)
        name = rng.choice(NAMES)
        try:
            if rng.random() < 0.3:
                await place.block(name, start=start, end=start + QUARTER * rng.choice((1, 4, 12)))
                continue
            booking = await place.party(rng.choice((2, 4, 5)), start=start)
            await (place.assign(booking, name) if rng.random() < 0.6 else place.hold(booking, name))
        except MaitredError:
            continue
    await place.out_of_service(rng.choice(NAMES))


def starts(answer: PlanTablesResponse, kind: "AlternativeKind.ValueType") -> list[datetime]:
    return [instant(each.party.start) for each in answer.alternatives if each.kind == kind]


# Held as they stand


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_alternative_can_be_held_as_it_stands(seed: int, client: AsyncMaitredClient) -> None:
    rng = random.Random(seed)
    place = await house(client, policy=dinner_policy())
    await fill(place, rng)
    kinds = set()
    for _ in range(6):
        party = PartyRequest(
            party_size=rng.choice((2, 4, 6, 8, 11)),
            start=stamp(evening(17) + timedelta(minutes=rng.choice((45, 120, 127, 200)))),
            zone_id=rng.choice(("", *place.zones.values())),
        )
        answer = await plan_party(place, party, 8)
        for each in answer.alternatives:
            kinds.add(each.kind)
            await hold_as_it_stands(place, each, str(uuid4()))
    assert kinds >= {EARLIER, LATER}


async def test_a_booking_that_sits_on_old_tables_is_not_in_its_own_way(place: House) -> None:
    mine = await place.seated("L8", party=8, start=evening(19))
    for name in ("W2", "W3", "P1"):
        await place.block(name)
    await place.block("L8", start=evening(21), end=evening(22))
    mine = await place.party(8, booking_id=mine.booking_id, start=evening(19, 30))
    answer = await plan(place, mine, 2)
    assert answer.outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN
    assert starts(answer, EARLIER) == [evening(19)]
    for each in answer.alternatives:
        await hold_as_it_stands(place, each, mine.booking_id)


async def test_in_another_zone_a_booking_stays_as_long_as_the_policy_says_now(
    client: AsyncMaitredClient,
) -> None:
    """No other start of the day reaches as far as the stay that its own start has since the policy changed."""
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "12:50", "13:10"
    place = await house(client, policy=policy)
    mine = await place.party(4, start=evening(13, 5), zone="Terrace")
    await place.change_policy(lambda policy: set_turn(policy, timedelta(hours=10, minutes=57)))
    midnight = evening(0) + timedelta(days=1)
    await place.block("W1", "W2", "W3", "W4", "F6", start=midnight, end=midnight + QUARTER)
    assert OTHER_ZONE not in {each.kind for each in (await plan(place, mine, 20)).alternatives}
    await place.change_policy(lambda policy: set_turn(policy, timedelta(hours=10, minutes=55)))
    (other,) = [each for each in (await plan(place, mine, 20)).alternatives if each.kind == OTHER_ZONE]
    assert instant(other.window_end) == midnight
    await hold_as_it_stands(place, other, mine.booking_id)


async def test_another_zone_is_not_offered_for_a_stay_that_would_be_over(client: AsyncMaitredClient) -> None:
    place = await house(client, policy=always_open_policy())
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=90)
    mine = await place.party(4, start=began, zone="Terrace")
    assert OTHER_ZONE in {each.kind for each in (await plan(place, mine, 1)).alternatives}
    await place.change_policy(lambda policy: set_turn(policy, timedelta(hours=1)))
    assert OTHER_ZONE not in {each.kind for each in (await plan(place, mine, 20)).alternatives}


async def test_more_tables_than_the_policy_merges_can_be_held_with_what_the_plan_names(
    place: House,
) -> None:
    wish = await place.party(15, zone="Hall")
    answer = await plan(place, wish)
    assert answer.outcome == PlanOutcome.PLAN_OUTCOME_NEEDS_STAFF
    (larger,) = answer.alternatives
    assert (larger.kind, list(larger.changes)) == (LARGER, [])
    assert sorted(larger.plan.table_names) == ["W1", "W2", "W3", "W4"]
    assert list(larger.plan.relaxed) == [ErrorReason.ERROR_REASON_COMBINATION_TOO_LARGE]
    assert larger.plan.needs_permission
    await hold_as_it_stands(place, larger, wish.booking_id)


async def test_soft_rules_are_relaxed_as_little_as_possible(place: House) -> None:
    for name in ("W1", "W2", "W3", "W4", "F6", "P1", "P2"):
        await place.block(name)
    await place.change_policy(lambda policy: policy.relaxations.ClearField("reasons"))
    couple, four = await place.party(2), await place.party(4)
    kept_for_more = ErrorReason.ERROR_REASON_CAPACITY_BELOW_MIN_PARTY
    wasteful = ErrorReason.ERROR_REASON_SLACK_BUDGET_EXCEEDED
    for wish, broken in ((couple, [kept_for_more, wasteful]), (four, [kept_for_more])):
        answer = await plan(place, wish)
        first = answer.alternatives[0]
        assert (first.kind, list(first.plan.relaxed)) == (RELAXED, broken)
        assert [each.kind for each in answer.alternatives[1:]].count(RELAXED) == 0
        await hold_as_it_stands(place, first, wish.booking_id)


async def test_no_rule_is_relaxed_while_there_are_plans(place: House) -> None:
    booking = await place.party(4)
    for blocked, outcome in (
        ((), PlanOutcome.PLAN_OUTCOME_FEASIBLE),
        (("W1", "W2", "W3", "W4", "F6", "P1", "P2"), PlanOutcome.PLAN_OUTCOME_RELAXED),
    ):
        for name in blocked:
            await place.block(name)
        assert list((await plan(place, booking)).alternatives) == []
        answer = await plan(place, booking, 20)
        assert answer.outcome == outcome
        assert {each.kind for each in answer.alternatives} == {EARLIER, LATER}


# Which there are


async def test_the_nearest_starts_both_ways_come_first(place: House) -> None:
    for name in NAMES:
        await place.block(name, start=evening(18), end=evening(21, 20))
    answer = await plan(place, await place.party(4, start=evening(19)))
    assert answer.outcome == PlanOutcome.PLAN_OUTCOME_FULLY_TAKEN
    assert starts(answer, EARLIER) == [evening(16), evening(15, 45), evening(15, 30)]
    assert starts(answer, LATER) == [evening(21, 30), evening(21, 45), evening(22)]
    assert [each.kind for each in answer.alternatives] == [LATER, EARLIER] * 3
    assert [list(each.changes) for each in answer.alternatives] == [["start"]] * DEFAULT


async def test_another_zone_at_the_same_time_comes_before_another_time(place: House) -> None:
    for name in ("P1", "P2"):
        await place.block(name)
    answer = await plan(place, await place.party(4, zone="Terrace"))
    first = answer.alternatives[0]
    assert (first.kind, list(first.changes)) == (OTHER_ZONE, ["zone_id"])
    assert first.party.zone_id == first.plan.zone_id == place.zones["Hall"]
    assert instant(first.party.start) == evening()
    assert {each.party.zone_id for each in answer.alternatives[1:]} == {place.zones["Terrace"]}
    await hold_as_it_stands(place, first, str(uuid4()))


async def test_a_start_at_which_the_stay_would_not_fit_is_not_offered(client: AsyncMaitredClient) -> None:
    place = await house(client, policy=dinner_policy())
    for name in NAMES:
        await place.block(name, start=evening(17), end=evening(20, 50))
    answer = await plan(place, await place.party(4, start=evening(19)), 20)
    assert starts(answer, LATER) == [evening(21)]
    assert instant(answer.alternatives[-1].window_start) == evening(12)
    cut = next(each for each in answer.alternatives if each.kind == LATER)
    assert instant(cut.window_end) == evening(22)
    # Lunch is on the same service date and may be overrun.
    assert starts(answer, EARLIER) == [evening(14, 15) - QUARTER * index for index in range(10)]
    assert {each.period for each in answer.alternatives} == {"lunch", "day"}


async def test_tables_to_avoid_are_in_no_alternative(place: House) -> None:
    party = (await place.party(8)).party
    answer = await plan_party(place, party, 6, avoid=["L8", "W2"])
    assert {tuple(each.plan.table_names) for each in answer.alternatives} <= {
        ("W3", "W4"),
        ("W4", "W3"),
        ("P1", "P2"),
        ("P2", "P1"),
    }
    every_table = await plan_party(place, party, 6, avoid=NAMES)
    assert list(every_table.alternatives) == []


async def test_nothing_in_the_past_is_offered(client: AsyncMaitredClient) -> None:
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "00:00", "24:00"
    place = await house(client, policy=policy)
    now = datetime.now(UTC)
    party = PartyRequest(party_size=2, start=stamp(now.replace(microsecond=0)))
    answer = await plan_party(place, party, 20)
    assert all(each >= now for each in starts(answer, EARLIER) + starts(answer, LATER))


async def test_nothing_is_offered_beyond_the_instants_that_a_booking_can_name(
    client: AsyncMaitredClient,
) -> None:
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "20:00", "02:00"
    place = await house(client, policy=policy)
    last = datetime(2199, 12, 31, 23, 45, tzinfo=UTC)
    party = PartyRequest(party_size=2, start=stamp(last - 2 * QUARTER))
    offered = (await plan_party(place, party, 20)).alternatives
    assert max(instant(each.party.start) for each in offered) == last
    for each in offered:
        await hold_as_it_stands(place, each, str(uuid4()))


async def test_after_midnight_the_evening_before_is_still_the_same_service_date(
    client: AsyncMaitredClient,
) -> None:
    policy = house_policy()
    policy.periods[0].opens, policy.periods[0].closes = "22:00", "02:00"
    place = await house(client, policy=policy, time_zone="Asia/Kathmandu")
    # 22:00 in Kathmandu is 16:15 in UTC.
    answer = await plan_party(place, PartyRequest(party_size=2, start=stamp(evening(19, 30))), 20)
    offered = sorted(starts(answer, EARLIER) + starts(answer, LATER))
    opens = evening(16, 15)
    assert offered == [opens + QUARTER * index for index in range(16) if index != 13]


# How many


async def test_they_come_when_nothing_fits_or_when_asked_for(place: House) -> None:
    booking = await place.party(4)
    assert list((await plan(place, booking)).alternatives) == []
    assert len((await plan(place, booking, 3)).alternatives) == 3
    for name in NAMES:
        await place.block(name)
    assert len((await plan(place, booking)).alternatives) == DEFAULT
    assert len((await plan(place, booking, 20)).alternatives) == 20
    error = await refused(plan(place, booking, 21), InvalidArgumentFieldError)
    assert error.metadata["field"] == "alternatives_max"


async def test_asking_for_them_changes_nothing(place: House, server: Served) -> None:
    booking = await place.party(4, zone="Terrace")
    for name in NAMES:
        await place.seated(name, party=5 if name == "L8" else 2)
    async with nothing_written(server.database_url, place.restaurant_id, str(server.tenant_id)):
        first = await plan(place, booking)
        assert first.alternatives
        assert await plan(place, booking) == first
