"""Restaurants and their service policies: what is stored, what is refused, and when a version rises."""

from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import (
    InvalidArgumentFieldError,
    VersionMismatchError,
)
from maitred_client.messages import (
    AdjacencyMode,
    DayOfWeek,
    ListRestaurantsRequest,
    PutRestaurantRequest,
    Restaurant,
    ServicePeriod,
    ServicePolicy,
    TurnTime,
)
from tests.builders.world_extras import House, house_policy, refused

pytestmark = pytest.mark.shared_server


# Restaurants


async def test_putting_the_same_restaurant_again_changes_nothing(place: House) -> None:
    before = await place.restaurant()
    answer = await place.client.put_restaurant(PutRestaurantRequest(restaurant=before))
    assert answer.restaurant == before == await place.restaurant()
    before.name = "Another House"
    changed = (await place.client.put_restaurant(PutRestaurantRequest(restaurant=before))).restaurant
    assert changed.name == "Another House"
    assert changed == await place.restaurant()
    assert changed.etag != before.etag
    error = await refused(
        place.client.put_restaurant(PutRestaurantRequest(restaurant=before)), VersionMismatchError
    )
    assert error.metadata == {
        "resource": "restaurant",
        "expected_etag": before.etag,
        "current_etag": changed.etag,
    }
    before.restaurant_id = str(uuid4())
    await refused(place.client.put_restaurant(PutRestaurantRequest(restaurant=before)), VersionMismatchError)


async def test_restaurants_are_listed_by_name(place: House) -> None:
    for name in ("Zander", "Austernbar", "Mühle"):
        new = Restaurant(restaurant_id=str(uuid4()), name=name, time_zone="Europe/Berlin")
        await place.client.put_restaurant(PutRestaurantRequest(restaurant=new))
    request = ListRestaurantsRequest(page_size=3)
    names = [found.name async for found in place.client.iterate_restaurants(request)]
    assert sorted(names) == sorted(["Zander", "Austernbar", "Mühle", "House"])
    assert (names[0], names[-1]) == ("Austernbar", "Zander")


async def test_every_change_raises_the_floor_version_by_one(place: House) -> None:
    seen = [(await place.restaurant()).floor_version]

    async def version() -> int:
        seen.append((await place.restaurant()).floor_version)
        return seen[-1] - seen[-2]

    booking = await place.party()
    assert await version() == 1
    hold = await place.hold(booking, "W1")
    assert await version() == 1
    await place.confirm(hold)
    assert await version() == 1
    await place.update("W2", capacity=5)
    assert await version() == 1
    await place.validate(booking, "W2")
    await place.plan(booking)
    assert await version() == 0


# Policies


async def test_the_same_policy_again_keeps_its_version(place: House) -> None:
    stored = await place.policy()
    assert (stored.policy_version, stored.etag) == (1, "p1")
    assert await place.put_policy(stored) == stored
    assert (await place.put_policy(house_policy())).policy_version == 1
    changed = await place.change_policy(lambda policy: setattr(policy, "slack_max", 3))
    assert changed.policy_version == 2
    error = await refused(place.put_policy(stored), VersionMismatchError)
    assert error.metadata == {
        "resource": "service policy",
        "expected_etag": "p1",
        "current_etag": "p2",
    }


async def test_defaults_are_filled_in(place: House) -> None:
    turn = TurnTime(party_size_max=4, duration=Duration(seconds=3600))
    period = ServicePeriod(name="dinner", opens="17:00", closes="23:00", turn_times=[turn])
    stored = await place.put_policy(ServicePolicy(periods=[period]))
    assert stored.slack_max == 4
    assert stored.combinations.enabled
    assert stored.combinations.tables_max == 3
    assert stored.combinations.adjacency_mode == AdjacencyMode.ADJACENCY_MODE_CONNECTED
    assert stored.buffer_after.seconds == 0
    assert stored.weights.merge == 1.5
    assert await place.policy() == stored


def period(name: str, opens: str, closes: str, *days: "DayOfWeek.ValueType") -> ServicePeriod:
    turn = TurnTime(party_size_max=4, duration=Duration(seconds=3600))
    return ServicePeriod(name=name, opens=opens, closes=closes, days=days, turn_times=[turn])


MONDAY, SUNDAY = DayOfWeek.DAY_OF_WEEK_MONDAY, DayOfWeek.DAY_OF_WEEK_SUNDAY


@pytest.mark.parametrize(
    "periods",
    [
        [period("lunch", "11:00", "15:00"), period("tea", "14:59", "17:00")],
        [period("late", "20:00", "02:00"), period("early", "01:00", "05:00")],
        [period("late", "20:00", "02:00", SUNDAY), period("early", "01:00", "05:00", MONDAY)],
        [period("twice", "11:00", "15:00"), period("twice", "11:00", "15:00")],
    ],
)
async def test_periods_that_overlap_are_refused(periods: list[ServicePeriod], place: House) -> None:
    error = await refused(place.put_policy(ServicePolicy(periods=periods)), InvalidArgumentFieldError)
    assert error.metadata["field"] == "policy.periods"
    first, second = sorted(each.name for each in periods)
    assert error.violations[0].description == f"'{first}' and '{second}' overlap"
    assert (await place.policy()).policy_version == 1


async def test_periods_that_touch_are_stored(place: House) -> None:
    periods = [
        period("lunch", "11:00", "15:00"),
        period("dinner", "15:00", "01:00", SUNDAY),
        period("night", "01:00", "05:00", MONDAY),
    ]
    assert len((await place.put_policy(ServicePolicy(periods=periods))).periods) == 3


async def test_turn_times_have_to_rise_with_the_party(place: House) -> None:
    policy = house_policy()
    policy.periods[0].turn_times.append(policy.periods[0].turn_times[0])
    error = await refused(place.put_policy(policy), InvalidArgumentFieldError)
    assert error.metadata["field"] == "policy.periods[0].turn_times"
