"""P6: From a start to a window by the restaurant's policy: turn times, buffers, closing, clock changes, midnight."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import (
    AsyncMaitredClient,
    InvalidArgumentFieldError,
    OutsideServiceHoursError,
    ServiceOverrunError,
    instant,
)
from maitred_client.messages import (
    Booking,
    DayOfWeek,
    PutRestaurantRequest,
    Restaurant,
    ServicePeriod,
    ServicePolicy,
    TurnTime,
)
from tests.builders.world_extras import House, house, refused

pytestmark = pytest.mark.shared_server

LONDON, NEW_YORK = "Europe/London", "America/New_York"
NEXT_YEAR = datetime.now(UTC).year + 1


def minutes(length: float) -> Duration:
    return Duration(seconds=int(length * 60))


def period(
    name: str,
    opens: str,
    closes: str,
    *turns: tuple[int, int],
    days: tuple["DayOfWeek.ValueType", ...] = (),
    overrun: bool = False,
    shortest: int = 0,
) -> ServicePeriod:
    return ServicePeriod(
        name=name,
        opens=opens,
        closes=closes,
        days=days,
        may_overrun=overrun,
        shortest_stay=minutes(shortest) if shortest else None,
        turn_times=[TurnTime(party_size_max=size, duration=minutes(length)) for size, length in turns],
    )


LUNCH = period("lunch", "12:00", "15:00", (2, 60), (4, 75), (6, 85), overrun=True)
DINNER = period("dinner", "17:00", "22:00", (2, 60), (4, 75), (6, 85), (8, 90), shortest=45)
TWO_SERVICES = ServicePolicy(
    periods=[LUNCH, DINNER], buffer_before=minutes(10), buffer_after=minutes(5), slack_max=20
)
# What becomes of each size, also between two entries and beyond the last one.
LUNCH_TURNS = {1: 60, 2: 60, 3: 75, 4: 75, 5: 85, 7: 85}
DINNER_TURNS = {2: 60, 4: 75, 6: 85, 7: 90, 12: 90}
NIGHT = ServicePolicy(periods=[period("night", "20:00", "02:00", (8, 90), overrun=True)], slack_max=20)


async def restaurant(client: AsyncMaitredClient, policy: ServicePolicy, time_zone: str = LONDON) -> House:
    return await house(client, policy=policy, time_zone=time_zone)


def local(month: int, day: int, hour: int, minute: int = 0, zone: str = LONDON) -> datetime:
    """A wall time of next year as the restaurant's clock shows it."""
    return datetime(NEXT_YEAR, month, day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def sunday(month: int, nth: int) -> int:
    """The day of the nth Sunday of a month of next year; -1 is the last one."""
    days = [
        day
        for day in range(1, 32)
        if (datetime(NEXT_YEAR, month, 1, tzinfo=UTC) + timedelta(days=day - 1)).month == month
        and datetime(NEXT_YEAR, month, day, tzinfo=UTC).isoweekday() == 7
    ]
    return days[nth - 1 if nth > 0 else nth]


def stay_min(booking: Booking) -> float:
    return (instant(booking.dining_end) - instant(booking.party.start)) / timedelta(minutes=1)


async def test_a_party_stays_as_long_as_the_policy_says_for_its_size(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    for hour, turns in ((12, LUNCH_TURNS), (17, DINNER_TURNS)):
        for size, stays_min in turns.items():
            start = local(6, 10, hour)
            booking = await place.party(size, start=start)
            assert (stay_min(booking), booking.period) == (stays_min, "lunch" if hour == 12 else "dinner")
            assert instant(booking.window_start) == start - timedelta(minutes=10)
            assert instant(booking.window_end) == instant(booking.dining_end) + timedelta(minutes=5)


async def test_a_length_of_stay_of_its_own_replaces_the_turn_time(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    booking = await place.party(2, start=local(6, 10, 12), stay=timedelta(hours=4))
    assert stay_min(booking) == 240


# Hours


async def test_a_party_can_start_from_opening_until_closing(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    for hour, minute, served in ((12, 0, "lunch"), (14, 59, "lunch"), (17, 0, "dinner"), (21, 10, "dinner")):
        assert (await place.party(start=local(6, 10, hour, minute))).period == served


async def test_out_of_hours_is_refused_with_the_next_opening(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    openings = {
        local(6, 10, 11, 59): local(6, 10, 12),
        local(6, 10, 15, 0): local(6, 10, 17),
        local(6, 10, 16, 30): local(6, 10, 17),
        local(6, 10, 22, 0): local(6, 11, 12),
        local(6, 10, 23, 30): local(6, 11, 12),
    }
    for start, opens_next in openings.items():
        error = await refused(place.party(start=start), OutsideServiceHoursError)
        assert error.metadata == {
            "start": start.isoformat(),
            "time_zone": LONDON,
            "next_opening": opens_next.isoformat(),
        }


async def test_a_day_on_which_it_is_closed(client: AsyncMaitredClient) -> None:
    weekday = DayOfWeek.ValueType(local(6, 10, 12).isoweekday())
    policy = ServicePolicy(periods=[period("lunch", "12:00", "15:00", (8, 60), days=(weekday,))])
    place = await restaurant(client, policy)
    await place.party(start=local(6, 10, 12))
    error = await refused(place.party(start=local(6, 11, 12)), OutsideServiceHoursError)
    assert error.metadata["next_opening"] == local(6, 17, 12).isoformat()


async def test_a_restaurant_without_a_policy_is_closed(client: AsyncMaitredClient) -> None:
    restaurant_id = str(uuid4())
    new = Restaurant(restaurant_id=restaurant_id, name="New", time_zone=LONDON)
    await client.put_restaurant(PutRestaurantRequest(restaurant=new))
    closed = House(client, restaurant_id, "", {})
    error = await refused(closed.party(), OutsideServiceHoursError)
    assert error.metadata == {"start": "", "time_zone": LONDON, "next_opening": ""}
    await refused(closed.policy(), OutsideServiceHoursError)


# Closing time


async def test_a_stay_that_does_not_fit_is_cut_to_end_at_closing(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    booking = await place.party(2, start=local(6, 10, 21, 5))
    assert stay_min(booking) == 50
    assert instant(booking.window_end) == local(6, 10, 22)
    assert instant(booking.dining_end) == local(6, 10, 21, 55)


async def test_a_stay_is_never_cut_below_the_shortest(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    assert stay_min(await place.party(2, start=local(6, 10, 21, 10))) == 45
    error = await refused(place.party(2, start=local(6, 10, 21, 11)), ServiceOverrunError)
    assert error.metadata == {
        "start": local(6, 10, 21, 11).isoformat(),
        "stay_s": str(DINNER_TURNS[2] * 60),
        "buffer_after_s": "300",
        "period": "dinner",
        "closes": local(6, 10, 22).isoformat(),
        "latest_start": local(6, 10, 21, 10).isoformat(),
    }


async def test_without_a_shortest_stay_nothing_is_cut(client: AsyncMaitredClient) -> None:
    policy = ServicePolicy(periods=[period("dinner", "17:00", "22:00", (8, 90))])
    place = await restaurant(client, policy)
    assert stay_min(await place.party(start=local(6, 10, 20, 30))) == 90
    error = await refused(place.party(start=local(6, 10, 20, 31)), ServiceOverrunError)
    assert error.metadata["latest_start"] == local(6, 10, 20, 30).isoformat()


async def test_a_period_that_may_be_overrun_is(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    booking = await place.party(6, start=local(6, 10, 14, 55))
    assert instant(booking.dining_end) == local(6, 10, 16, 20)


# Past midnight and clock changes


async def test_a_night_goes_past_midnight(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, NIGHT)
    late = await place.party(start=local(6, 11, 1, 59))
    assert (late.period, instant(late.dining_end)) == ("night", local(6, 11, 3, 29))
    before = await place.party(start=local(6, 10, 23, 30))
    assert instant(before.dining_end) == local(6, 11, 1)
    await refused(place.party(start=local(6, 11, 2)), OutsideServiceHoursError)
    await refused(place.party(start=local(6, 11, 19, 59)), OutsideServiceHoursError)


async def test_a_night_belongs_to_the_day_on_which_it_opened(client: AsyncMaitredClient) -> None:
    saturday = sunday(6, 2) - 1
    policy = ServicePolicy(
        periods=[
            period("night", "20:00", "02:00", (8, 90), days=(DayOfWeek.DAY_OF_WEEK_SATURDAY,), overrun=True)
        ]
    )
    place = await restaurant(client, policy)
    await place.party(start=local(6, saturday + 1, 1))
    await refused(place.party(start=local(6, saturday, 1)), OutsideServiceHoursError)
    await refused(place.party(start=local(6, saturday + 1, 20)), OutsideServiceHoursError)


async def test_the_evening_opens_at_the_same_wall_time_all_year(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    winter, summer = local(1, 10, 17), local(7, 10, 17)
    assert (winter.hour, summer.hour) == (17, 16)
    for start in (winter, summer):
        assert (await place.party(start=start)).period == "dinner"
        await refused(place.party(start=start - timedelta(minutes=1)), OutsideServiceHoursError)


async def test_in_the_night_of_the_lost_hour_a_stay_is_as_long_as_ever(client: AsyncMaitredClient) -> None:
    day = sunday(3, -1)
    place = await restaurant(client, NIGHT)
    start = local(3, day, 0, 30)
    booking = await place.party(start=start)
    assert stay_min(booking) == 90
    assert instant(booking.dining_end).astimezone(ZoneInfo(LONDON)).strftime("%H:%M") == "03:00"
    # It closes at 02:00 on the wall, which is an hour of stay earlier than on other nights.
    await place.party(start=local(3, day, 2) - timedelta(minutes=1))
    await refused(place.party(start=local(3, day, 2)), OutsideServiceHoursError)


async def test_in_the_night_of_the_second_hour_a_stay_is_as_long_as_ever(client: AsyncMaitredClient) -> None:
    day = sunday(10, -1)
    place = await restaurant(client, NIGHT)
    first_half_past_one = datetime(NEXT_YEAR, 10, day, 1, 30, tzinfo=ZoneInfo(LONDON)).astimezone(UTC)
    second_half_past_one = first_half_past_one + timedelta(hours=1)
    for start in (first_half_past_one, second_half_past_one):
        assert start.astimezone(ZoneInfo(LONDON)).strftime("%H:%M") == "01:30"
        booking = await place.party(start=start)
        assert (booking.period, stay_min(booking)) == ("night", 90)
    await refused(place.party(start=local(10, day, 2)), OutsideServiceHoursError)


async def test_other_zones_change_their_clocks_on_other_days(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES, NEW_YORK)
    changed = sunday(3, 2)
    before = local(3, changed - 1, 17, zone=NEW_YORK)
    after = local(3, changed, 17, zone=NEW_YORK)
    assert after - before == timedelta(hours=23)
    for start in (before, after):
        assert (await place.party(start=start)).period == "dinner"


# Windows are claims


async def test_buffers_keep_the_next_party_waiting(client: AsyncMaitredClient) -> None:
    place = await restaurant(client, TWO_SERVICES)
    await place.seated("W1", start=local(6, 10, 17))
    too_early = await place.party(2, start=local(6, 10, 18, 14))
    assert not (await place.validate(too_early, "W1")).valid
    await place.assign(await place.party(2, start=local(6, 10, 18, 15)), "W1")


async def test_a_start_is_a_whole_second(place: House) -> None:
    request = place.booking_request()
    request.party.start.nanos = 500_000_000
    error = await refused(place.client.put_booking(request), InvalidArgumentFieldError)
    assert error.metadata["field"] == "party.start"
