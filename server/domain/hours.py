"""From a start to a stay: which service period it falls in, how long the party sits, what its tables need.

Local times become instants through the restaurant's time zone. A local time that a clock change skips is read as if
the clock had not been changed yet, so it lands after the gap; one that occurs twice means the first. Lengths of stay
are elapsed time, whatever the clock on the wall does meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.domain.policy import WEEK, ServicePeriod, ServicePolicy
from server.domain.window import Stay, Window
from server.errors import Reason, refuse

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Opening:
    """A service period on a day: `span` is the range of instants in which parties can start."""

    period: ServicePeriod
    span: Window


def stay_for(
    policy: ServicePolicy, time_zone: str, party_size: int, start: datetime, duration: timedelta | None = None
) -> Stay:
    """The stay of a party that sits down at `start`.

    `duration` replaces the policy's turn time. Raises OUTSIDE_SERVICE_HOURS when no period is open at `start`, and
    SERVICE_OVERRUN when the stay with its buffer does not end by the close of a period that may not be overrun and
    cannot be cut to at least the period's shortest stay.
    """
    opening = opening_at(policy, time_zone, start)
    if opening is None:
        raise _outside_hours(policy, time_zone, start)
    dining_end = start + (duration or opening.period.turn_time(party_size))
    closes = opening.span.end
    if not opening.period.may_overrun and dining_end + policy.buffer_after > closes:
        dining_end = _cut(policy, opening, start, dining_end - start, time_zone)
    return Stay(
        Window(start, dining_end),
        Window(start - policy.buffer_before, dining_end + policy.buffer_after),
        opening.period.name,
    )


def opening_at(policy: ServicePolicy, time_zone: str, start: datetime) -> Opening | None:
    """The service period in which a party can start at `start`, if any."""
    found = _opening_and_date(policy, time_zone, start)
    return found[1] if found else None


def service_date(policy: ServicePolicy, time_zone: str, start: datetime) -> date:
    """The local date on which the period opened that `start` falls in: after midnight that is the day before.

    Outside service hours it is the local date itself.
    """
    found = _opening_and_date(policy, time_zone, start)
    return found[0] if found else _local_date(start, time_zone)


def starts_on(policy: ServicePolicy, time_zone: str, day: date, step: timedelta) -> list[datetime]:
    """When a party can start on a service date, in rising order, at whole multiples of `step` since the epoch.

    For a quarter of an hour these are the quarters of every local clock.
    """
    starts = set()
    for opening in openings_on(policy, time_zone, day):
        start = opening.span.start + (_EPOCH - opening.span.start) % step
        while start < opening.span.end:
            starts.add(start)
            start += step
    return sorted(starts)


def planning_horizon(policy: ServicePolicy, time_zone: str, stay: Stay) -> Window:
    """The range in which gaps are measured: the service period, and the stay's own window where it reaches beyond."""
    opening = opening_at(policy, time_zone, stay.dining.start)
    span = opening.span if opening else stay.window
    return Window(min(span.start, stay.window.start), max(span.end, stay.window.end))


def openings_on(policy: ServicePolicy, time_zone: str, day: date) -> Iterator[Opening]:
    """The service periods that open on a local date, as instants, in the policy's order.

    One that begins in the time that a clock change skips and ends soon after it has no instant left on that date.
    """
    for period in policy.periods:
        if period.opens_on(day.isoweekday()):
            opens = _instant(day, period.opens_min, time_zone)
            closes = _instant(day, period.closes_after_min, time_zone)
            if opens < closes:
                yield Opening(period, Window(opens, closes))


def next_opening(policy: ServicePolicy, time_zone: str, after: datetime) -> datetime | None:
    """When the next service period opens, within the eight days that cover every weekly pattern.

    The day before comes first: where a clock change skips its end, it may have a period that opens after midnight.
    """
    local_date = _local_date(after, time_zone)
    for offset in range(-1, WEEK + 1):
        openings = openings_on(policy, time_zone, local_date + timedelta(days=offset))
        starts = [opening.span.start for opening in openings if opening.span.start > after]
        if starts:
            return min(starts)
    return None


def service_day(policy: ServicePolicy, time_zone: str, day: date) -> Window:
    """A range that has every start whose `service_date` is `day`: the local day and the periods that open on it."""
    midnights = Window(_instant(day, 0, time_zone), _instant(day + timedelta(days=1), 0, time_zone))
    return Window.covering([midnights, *(opening.span for opening in openings_on(policy, time_zone, day))])


def _opening_and_date(policy: ServicePolicy, time_zone: str, start: datetime) -> tuple[date, Opening] | None:
    local_date = _local_date(start, time_zone)
    for day in (local_date, local_date - timedelta(days=1)):
        for opening in openings_on(policy, time_zone, day):
            if opening.span.start <= start < opening.span.end:
                return day, opening
    return None


def _cut(
    policy: ServicePolicy, opening: Opening, start: datetime, wanted: timedelta, time_zone: str
) -> datetime:
    """The latest end of the stay that the period's close allows, or SERVICE_OVERRUN."""
    period, closes = opening.period, opening.span.end
    latest_end = closes - policy.buffer_after
    shortest = wanted if period.shortest_stay_s is None else timedelta(seconds=period.shortest_stay_s)
    if latest_end - start >= min(shortest, wanted):
        return latest_end
    latest_start = latest_end - min(shortest, wanted)
    fits = latest_start >= opening.span.start
    advice = (
        f"the latest start is {local_time(latest_start, time_zone)}" if fits else "no start in it leaves room"
    )
    clearing = f", and {_minutes(policy.buffer_after)} min after it," if policy.buffer_after else ""
    raise refuse(
        Reason.SERVICE_OVERRUN,
        f"A stay of {_minutes(wanted)} min from {local_time(start, time_zone)}{clearing} does not fit before "
        f"{period.name} ends at {local_time(closes, time_zone)}; {advice}.",
        start=start.isoformat(),
        stay_s=int(wanted.total_seconds()),
        buffer_after_s=policy.buffer_after_s,
        period=period.name,
        closes=closes.isoformat(),
        latest_start=latest_start.astimezone(UTC).isoformat() if fits else "",
    )


def _outside_hours(policy: ServicePolicy, time_zone: str, start: datetime) -> Exception:
    opens = next_opening(policy, time_zone, start)
    following = (
        f"the next one opens {local_time(opens, time_zone)}" if opens else "none opens in the week after"
    )
    return refuse(
        Reason.OUTSIDE_SERVICE_HOURS,
        f"{local_time(start, time_zone)} ({time_zone}) is in no service period; {following}.",
        start=start.isoformat(),
        time_zone=time_zone,
        next_opening=opens.isoformat() if opens else "",
    )


@lru_cache(maxsize=4_096)
def _local_date(instant: datetime, time_zone: str) -> date:
    """Kept, because a stay, its horizon and its service date ask about the same start."""
    return instant.astimezone(_zone(time_zone)).date()


@lru_cache(maxsize=4_096)
def _instant(day: date, minutes: int, time_zone: str) -> datetime:
    """The instant of a local wall time given in minutes from the midnight that begins `day`.

    Kept, because all the starts of a day ask about the same few openings, and time zones are slow.
    """
    days, minute_of_day = divmod(minutes, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(*divmod(minute_of_day, 60)), _zone(time_zone))
    return wall.astimezone(UTC)


def local_time(instant: datetime, time_zone: str) -> str:
    """An instant as messages tell it: by the restaurant's clock, and with the zone's name at that time, since a change
    of clocks shows an hour twice. Seconds are told where there are any.
    """
    local = instant.astimezone(_zone(time_zone))
    return local.strftime("%a %Y-%m-%d %H:%M:%S %Z" if local.second else "%a %Y-%m-%d %H:%M %Z")


def _zone(time_zone: str) -> ZoneInfo:
    """STORE_UNAVAILABLE for one that only newer servers know: the same call can still come to one of them."""
    try:
        return ZoneInfo(time_zone)
    except ZoneInfoNotFoundError:
        raise refuse(
            Reason.STORE_UNAVAILABLE,
            "Only newer servers know the restaurant's time zone; repeat the identical call, and one of them answers.",
        ) from None


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
