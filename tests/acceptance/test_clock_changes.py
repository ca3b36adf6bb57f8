"""P6: Nights on which clocks change, windows over midnight, starts off the grid: the same at plan, hold and confirm."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration

from maitred_client import AsyncMaitredClient, TableConflictAssignedError, instant
from maitred_client.messages import Booking, PlanTablesRequest, ServicePeriod, ServicePolicy, TurnTime
from tests.builders.world_extras import House, house, refused

pytestmark = pytest.mark.shared_server

NEXT_YEAR = datetime.now(UTC).year + 1
STAY, BUFFER = timedelta(minutes=90), timedelta(minutes=5)
ZONES = ("Europe/London", "America/New_York", "Australia/Sydney")
HOUR = timedelta(hours=1)


def clock_changes(zone: str) -> dict[str, datetime]:
    """The instants of next year at which an hour is lost and at which one comes twice."""
    hours = [datetime(NEXT_YEAR, 1, 1, tzinfo=UTC) + number * HOUR for number in range(365 * 24)]
    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for moment in hours]
    pairs = zip(hours[1:], offsets[1:], offsets[:-1], strict=True)
    return {
        "lost" if after > before else "twice": moment for moment, after, before in pairs if after != before
    }


async def night_restaurant(client: AsyncMaitredClient, zone: str) -> House:
    night = ServicePeriod(
        name="night",
        opens="18:00",
        closes="08:00",
        may_overrun=True,
        turn_times=[TurnTime(party_size_max=8, duration=Duration(seconds=int(STAY.total_seconds())))],
    )
    policy = ServicePolicy(
        periods=[night], buffer_after=Duration(seconds=int(BUFFER.total_seconds())), slack_max=20
    )
    return await house(client, policy=policy, time_zone=zone)


async def seated(place: House, start: datetime) -> Booking:
    """Planned, held and confirmed at W1; every step has the same window."""
    booking = await place.party(start=start)
    window = (start, start + STAY + BUFFER)
    assert (instant(booking.window_start), instant(booking.window_end)) == window
    plan = await place.client.plan_tables(
        PlanTablesRequest(restaurant_id=place.restaurant_id, booking_id=booking.booking_id)
    )
    assert (instant(plan.window_start), instant(plan.window_end)) == window
    assert [place.tables["W1"]] in [list(option.table_ids) for option in plan.plans]
    hold = await place.hold(booking, "W1")
    assert (instant(hold.window_start), instant(hold.window_end)) == window
    assignment = await place.confirm(hold)
    assert (instant(assignment.window_start), instant(assignment.window_end)) == window
    return booking


@pytest.mark.parametrize("change", ["lost", "twice"])
@pytest.mark.parametrize("zone", ZONES)
async def test_a_night_on_which_the_clock_changes_has_room_for_stays_one_after_another(
    zone: str, change: str, client: AsyncMaitredClient
) -> None:
    """Five stays touch each other across the change; each is as long as ever, and none leaves a second between."""
    place = await night_restaurant(client, zone)
    start = clock_changes(zone)[change] - 2 * (STAY + BUFFER)
    for number in range(5):
        await seated(place, start + number * (STAY + BUFFER))
    between = await place.party(start=start + STAY + timedelta(seconds=1))
    await refused(place.hold(between, "W1"), TableConflictAssignedError)


async def test_a_stay_over_midnight_off_the_grid_touches_the_next_to_the_second(
    client: AsyncMaitredClient,
) -> None:
    place = await night_restaurant(client, "Europe/London")
    before_midnight = datetime(NEXT_YEAR, 6, 10, 23, 7, 13, tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)
    await seated(place, before_midnight)
    early = await place.party(start=before_midnight + STAY + BUFFER - timedelta(seconds=1))
    await refused(place.hold(early, "W1"), TableConflictAssignedError)
    await seated(place, before_midnight + STAY + BUFFER)
