"""The service-day file: floor, policy and bookings of recorded or invented days, as JSON.

Times are local. An hour from 24 on means the next day: "25:30" is half past one in the night after the date.
"""

import datetime as dt
import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from server.domain import limits

MINUTES_PER_DAY = 24 * 60
HOURS_MAX = 48
STAY_MIN_MINUTES = limits.STAY_MIN_S // 60
STAY_MAX_MINUTES = limits.STAY_MAX_S // 60
BUFFER_MAX_MINUTES = limits.BUFFER_MAX_S // 60
SHORTEST_STAY_MINUTES_DEFAULT = 15

_TIME = re.compile(r"(\d{2}):([0-5]\d)")
_TIME_WORDS = 'a local time "HH:MM"; hours from 24 on mean the next day, as in "25:30"'


def minutes_of(time: str) -> int:
    """Minutes from the midnight at which the day starts. The time must have been read by `ServiceDay`."""
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _time(value: str) -> str:
    match = _TIME.fullmatch(value)
    if match is None or int(match.group(1)) >= HOURS_MAX:
        raise ValueError(f"{value!r} is not a time")
    return value


def _date(value: str) -> str:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a date") from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a known time zone") from None
    return value


Time = Annotated[str, AfterValidator(_time)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=limits.NAME_LENGTH_MAX)]
ZoneName = Annotated[str, StringConstraints(min_length=1, max_length=limits.ZONE_NAME_LENGTH_MAX)]
TableNumber = Annotated[str, StringConstraints(min_length=1, max_length=limits.TABLE_NAME_LENGTH_MAX)]
Attribute = Annotated[
    str, StringConstraints(pattern=rf"^[a-z0-9][a-z0-9_-]{{0,{limits.ATTRIBUTE_LENGTH_MAX - 1}}}$")
]
Attributes = Annotated[tuple[Attribute, ...], Field(max_length=limits.ATTRIBUTES_MAX)]
Stay = Annotated[int, Field(ge=STAY_MIN_MINUTES, le=STAY_MAX_MINUTES)]
Buffer = Annotated[int, Field(ge=0, le=BUFFER_MAX_MINUTES)]
PartySize = Annotated[int, Field(ge=1, le=limits.PARTY_SIZE_MAX)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_STAY_WORDS = f"whole minutes, {STAY_MIN_MINUTES} to {STAY_MAX_MINUTES}"
_BUFFER_WORDS = f"whole minutes, 0 to {BUFFER_MAX_MINUTES}"
_PARTY_WORDS = f"a number of people, 1 to {limits.PARTY_SIZE_MAX}"
_ATTRIBUTES_WORDS = (
    f"a list of at most {limits.ATTRIBUTES_MAX} lower-case words of letters, digits, - and _, "
    f"each at most {limits.ATTRIBUTE_LENGTH_MAX} characters"
)


class _Part(BaseModel):
    # Strict: text is never read as a number, nor a number as text.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Buffers(_Part):
    """Minutes a table is taken before and after the stay."""

    before: Buffer = Field(default=0, description=_BUFFER_WORDS)
    after: Buffer = Field(default=0, description=_BUFFER_WORDS)


class Service(_Part):
    """A stretch of the day in which parties can start; `turn_minutes` are (largest party, minutes) pairs."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=limits.PERIOD_NAME_LENGTH_MAX)] = Field(
        description=f"a name of 1 to {limits.PERIOD_NAME_LENGTH_MAX} characters"
    )
    start: Time = Field(description=_TIME_WORDS)
    end: Time = Field(description=_TIME_WORDS)
    may_overrun: bool = Field(description="true or false: whether stays may go on past the end")
    turn_minutes: Annotated[
        tuple[tuple[PartySize, Stay], ...], Field(min_length=1, max_length=limits.TURN_TIMES_MAX)
    ] = Field(description="pairs [largest party, minutes], parties rising, as in [[2, 60], [4, 75]]")
    days: tuple[Weekday, ...] = Field(
        default=(), description='a list of "mon" to "sun"; leave it out for every day'
    )


class DayPolicy(_Part):
    """How the restaurant seats people."""

    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description='an IANA time zone, as in "Europe/London"'
    )
    buffer_minutes: Buffers = Field(
        default=Buffers(), description='an object, as in {"before": 0, "after": 5}'
    )
    max_slack: Annotated[int, Field(ge=0, le=limits.SLACK_LIMIT_MAX)] = Field(
        default=4, description=f"the most seats left empty, 0 to {limits.SLACK_LIMIT_MAX}"
    )
    max_tables: Annotated[int, Field(ge=1, le=limits.MERGE_TABLES_MAX)] = Field(
        default=3,
        description=f"the most tables pushed together, 1 to {limits.MERGE_TABLES_MAX}; 1 means none are",
    )
    shortest_stay_minutes: Stay = Field(default=SHORTEST_STAY_MINUTES_DEFAULT, description=_STAY_WORDS)
    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=limits.PERIODS_MAX)] = Field(
        description="a list of services with name, start, end, may_overrun and turn_minutes"
    )
    above_last_band: str | None = Field(
        default=None, description="a note; above the last pair its minutes count"
    )


class DayTable(_Part):
    """One table, named by its number."""

    number: TableNumber = Field(
        description=f"the table's name, 1 to {limits.TABLE_NAME_LENGTH_MAX} characters, unique within the day"
    )
    capacity: Annotated[int, Field(ge=1, le=limits.CAPACITY_MAX)] = Field(
        description=f"a number of seats, 1 to {limits.CAPACITY_MAX}"
    )
    min_party: PartySize = Field(default=1, description="the smallest party, 1 to the table's capacity")
    max_party: PartySize | None = Field(default=None, description=_PARTY_WORDS)
    zone: ZoneName = Field(
        description=f"the name of the zone it stands in, 1 to {limits.ZONE_NAME_LENGTH_MAX} characters"
    )
    category: str | None = Field(default=None, description="a note")
    mobility: Literal["movable", "fixed"] = Field(default="movable", description='"movable" or "fixed"')
    attributes: Attributes = Field(default=(), description=_ATTRIBUTES_WORDS)


class DayBooking(_Part):
    """One request for tables; `n` numbers the requests of a day."""

    n: Annotated[int, Field(ge=1)] = Field(description="a whole number from 1 on, unique within the day")
    time: Time = Field(description=_TIME_WORDS)
    party: PartySize = Field(description=_PARTY_WORDS)
    zone: ZoneName | None = Field(default=None, description="the name of a zone that a table stands in")
    required_attributes: Attributes = Field(default=(), description=_ATTRIBUTES_WORDS)
    preferred_attributes: Attributes = Field(default=(), description=_ATTRIBUTES_WORDS)
    duration_minutes: Stay | None = Field(default=None, description=_STAY_WORDS)


class ServiceDay(_Part):
    """One day of one restaurant: the floor, the policy, and the requests in the order they came in."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=limits.NAME_LENGTH_MAX)] = Field(
        description=f"a name for the day, 1 to {limits.NAME_LENGTH_MAX} characters, unique within the file"
    )
    restaurant: Name = Field(description=f"the restaurant's name, 1 to {limits.NAME_LENGTH_MAX} characters")
    date: Annotated[str, AfterValidator(_date)] = Field(description='a date, as in "2026-03-14"')
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        description='an IANA time zone, as in "Europe/London"'
    )
    tables: Annotated[tuple[DayTable, ...], Field(min_length=1, max_length=limits.TABLES_MAX)] = Field(
        description=f"a list of 1 to {limits.TABLES_MAX} tables"
    )
    edges: Annotated[tuple[tuple[str, str], ...], Field(max_length=limits.ADJACENCY_MAX)] = Field(
        default=(), description='pairs of table numbers that may be pushed together, as in [["T1", "T2"]]'
    )
    policy: DayPolicy = Field(description="an object with services, buffers and limits")
    bookings: tuple[DayBooking, ...] = Field(description="a list of requests with n, time and party")
    booking_count: int | None = Field(
        default=None, description="how many bookings there are; may be left out"
    )
    old_runs_total: int | None = Field(default=None, description="a note; may be left out")

    @property
    def local_date(self) -> dt.date:
        """The recorded date."""
        return dt.date.fromisoformat(self.date)
