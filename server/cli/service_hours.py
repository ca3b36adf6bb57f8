"""Service dates, and from when to when a restaurant is open on them."""

import datetime as dt
from zoneinfo import ZoneInfo

import typer

from maitred_client import AsyncMaitredClient, OutsideServiceHoursError
from maitred_client.messages import GetServicePolicyRequest, Restaurant, ServicePolicy
from server.cli.instants import parse_date, zone_of


async def fetch_hours(
    client: AsyncMaitredClient, restaurant: Restaurant, date: dt.date
) -> tuple[dt.datetime, dt.datetime]:
    """The open hours of a local date, see `open_hours`."""
    zone = zone_of(restaurant)
    return open_hours(await _policy(client, restaurant.restaurant_id), date, zone)


def date_of(text: str) -> dt.date:
    """The date that --date gives."""
    try:
        return parse_date(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--date") from None


async def asked_date(
    client: AsyncMaitredClient, restaurant: Restaurant, text: str, now: dt.datetime
) -> dt.date:
    """The date that --date gives; without one the present service date, see `service_date`. `now` is aware."""
    if text:
        return date_of(text)
    return service_date(await _policy(client, restaurant.restaurant_id), zone_of(restaurant), now)


def service_date(policy: ServicePolicy, zone: ZoneInfo, now: dt.datetime) -> dt.date:
    """The local date, or the one before it for as long as what opened on that has not closed."""
    today = now.astimezone(zone).date()
    yesterday = today - dt.timedelta(days=1)
    _, closes = open_hours(policy, yesterday, zone)
    return yesterday if now < closes else today


def open_hours(policy: ServicePolicy, date: dt.date, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """From the first opening to the last closing of a local date; the whole day when nothing opens."""
    spans = (
        (_local(date, period.opens, zone), _closing(date, period.opens, period.closes, zone))
        for period in policy.periods
        if not period.days or date.isoweekday() in period.days
    )
    # One that begins in the time that a clock change skips may have no instant left on that date.
    stretches = [(start, end) for start, end in spans if start.timestamp() < end.timestamp()]
    if not stretches:
        return _local(date, "00:00", zone), _local(date, "24:00", zone)
    return min(start for start, _ in stretches), max(end for _, end in stretches)


async def _policy(client: AsyncMaitredClient, restaurant_id: str) -> ServicePolicy:
    """An empty one for a restaurant that has none yet."""
    request = GetServicePolicyRequest(restaurant_id=restaurant_id)
    try:
        return (await client.get_service_policy(request)).policy
    except OutsideServiceHoursError:
        return ServicePolicy()


def _closing(date: dt.date, opens: str, closes: str, zone: ZoneInfo) -> dt.datetime:
    return _local(date if closes > opens else date + dt.timedelta(days=1), closes, zone)


def _local(date: dt.date, clock: str, zone: ZoneInfo) -> dt.datetime:
    hour, minute = map(int, clock.split(":"))
    return dt.datetime.combine(date + dt.timedelta(days=hour // 24), dt.time(hour % 24, minute), zone)
