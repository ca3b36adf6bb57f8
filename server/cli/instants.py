"""Reading the times that people type, and writing instants for people."""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maitred_client.messages import Restaurant
from server.cli.failures import CommandFailure, ExitCode
from server.cli.output import note
from server.domain.limits import INSTANT_MAX, INSTANT_MIN

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_YEARS = range(INSTANT_MIN.year, INSTANT_MAX.year)
_UNKNOWN = "this machine does not know the restaurant's time zone, {}"
_UPDATE = "Its time zones are older than the server's: pip install --upgrade tzdata"


def zone_of(restaurant: Restaurant) -> ZoneInfo:
    """The time zone in which local times are meant. Raises CommandFailure where only the server knows it."""
    try:
        return ZoneInfo(restaurant.time_zone)
    except ZoneInfoNotFoundError:
        problem = _UNKNOWN.format(restaurant.time_zone)
        raise CommandFailure(ExitCode.BAD_SETTINGS, problem, _UPDATE) from None


def zone_shown(restaurant: Restaurant) -> dt.tzinfo:
    """The time zone in which instants are shown: the restaurant's, or UTC with a word about it where only the server
    knows that. What was done or found is never kept back for it.
    """
    try:
        return ZoneInfo(restaurant.time_zone)
    except ZoneInfoNotFoundError:
        note(f"{_UNKNOWN.format(restaurant.time_zone)}: times are in UTC. {_UPDATE}")
        return dt.UTC


def parse_start(text: str, zone: Callable[[], dt.tzinfo], now: dt.datetime) -> dt.datetime:
    """An aware instant from "HH:MM" (the next time the restaurant's clock shows it) or ISO 8601.

    ISO without an offset is the restaurant's local time; `zone` is asked for local times alone. `now` is aware. Raises
    ValueError with a sentence.
    """
    text = text.strip()
    if match := _CLOCK.fullmatch(text):
        hour, minute = int(match.group(1)), int(match.group(2))
        if hour > 23 or minute > 59:
            raise ValueError(f"{text!r} is not a time of day; write it like 19:30")
        local = now.astimezone(zone())
        start = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if start > local:
            return start
        # Within an hour that a change of clocks shows twice.
        again = start.replace(fold=1)
        return again if again.timestamp() > now.timestamp() else start + dt.timedelta(days=1)
    problem = f"{text!r} is not a time; write 19:30, 2026-03-14T19:30 or 2026-03-14T19:30+01:00"
    if not _CLOCK.search(text):
        # A date alone would be read as its midnight.
        raise ValueError(problem)
    try:
        start = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(problem) from None
    _require_year(text, start.year)
    return start if start.tzinfo is not None else start.replace(tzinfo=zone())


def parse_date(text: str) -> dt.date:
    """A date from "YYYY-MM-DD". Raises ValueError with a sentence."""
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date; write it like 2026-03-14") from None
    _require_year(text, date.year)
    return date


def _require_year(text: str, year: int) -> None:
    if year not in _YEARS:
        raise ValueError(f"{text!r} is too far away; the years {_YEARS[0]} to {_YEARS[-1]} are accepted")


def replay_date(recorded: dt.date, today: dt.date) -> dt.date:
    """The first date at least a week ahead of today that falls on the recorded weekday.

    A service refuses windows in the past, so a recorded day is replayed on a coming one.
    """
    earliest = today + dt.timedelta(days=7)
    return earliest + dt.timedelta(days=(recorded.weekday() - earliest.weekday()) % 7)


def told_near(moment: dt.datetime, start: dt.datetime, clock: str = "%H:%M") -> str:
    """A moment as weekday and time in the zone of `start`, with the date where it is more than five days away, and with
    the zone's name where the clock changes in between.
    """
    local = moment.astimezone(start.tzinfo)
    day = "%a" if abs((local.date() - start.date()).days) <= 5 else "%a %Y-%m-%d"
    return f"{local:{day} {clock_of((local, start), clock)}}"


def clock_of(moments: Iterable[dt.datetime], clock: str = "%H:%M") -> str:
    """How the time of day of these moments is written, all in one zone: with its name where the clock changes between
    them, since it can show an hour twice.
    """
    return clock if len({moment.utcoffset() for moment in moments}) < 2 else f"{clock} %Z"


def told_window(start: dt.datetime, end: dt.datetime) -> str:
    """A window of some hours, both ends in one zone."""
    clock = clock_of((start, end))
    return f"{start:%a %Y-%m-%d {clock}}{dash_for(clock)}{end:%H:%M %Z}"


def dash_for(clock: str) -> str:
    """What stands between two times of this form. Some zones are named by a number with a minus."""
    return " – " if "%Z" in clock else "–"


def long_date(date: dt.date) -> str:
    """For example "Saturday 14 March 2026", in English whatever the locale."""
    weekdays = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    months = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    )  # fmt: skip
    return f"{weekdays[date.weekday()]} {date.day} {months[date.month - 1]} {date.year}"
