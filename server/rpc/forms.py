"""The forms that single values may have. Each reader returns the value, or None when the text has another form."""

import re
import unicodedata
from datetime import date, datetime
from functools import cache, lru_cache
from uuid import UUID
from zoneinfo import available_timezones

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from server.domain.limits import ATTRIBUTE_LENGTH_MAX, INSTANT_MAX, INSTANT_MIN
from server.domain.policy import MINUTES_PER_DAY
from server.rpc.messages.time import instant_of

NANOS_PER_SECOND = 1_000_000_000
UUID_LENGTH = 36
# The same restaurants, bookings and tables come again and again.
UUIDS_KEPT = 16_384
ATTRIBUTES_KEPT = 1_024

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ATTRIBUTE = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{ATTRIBUTE_LENGTH_MAX - 1}}}")
_LOCAL_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TOKEN = re.compile(r"[\x21-\x7e]*")

# Control characters, halves of surrogate pairs, and separators that end a line. NUL is among them, which PostgreSQL
# cannot store.
_NOT_IN_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the direction of what follows, so that another text is seen than is there.
_TURNING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def uuid_of(text: str) -> UUID | None:
    """A UUID in its usual form with four hyphens; the other forms that Python reads are not the contract's."""
    # Nothing longer is kept.
    return _uuid_of(text) if len(text) == UUID_LENGTH else None


@lru_cache(UUIDS_KEPT)
def _uuid_of(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None


def is_attribute(text: str) -> bool:
    # Nothing longer is kept.
    return len(text) <= ATTRIBUTE_LENGTH_MAX and _is_attribute(text)


@lru_cache(ATTRIBUTES_KEPT)
def _is_attribute(text: str) -> bool:
    return _ATTRIBUTE.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Printable ASCII without spaces: everything the service itself ever hands out as an opaque text."""
    return _TOKEN.fullmatch(text) is not None


def is_plain_text(text: str) -> bool:
    """One line that can be stored and shown."""
    # Of ASCII only control characters are not printable.
    if text.isascii():
        return text.isprintable()
    return all(unicodedata.category(character) not in _NOT_IN_TEXT for character in text)


def is_seen_as_it_is(text: str) -> bool:
    """Whether nothing in it turns its direction. Languages that are written from right to left need none of that."""
    return _TURNING.isdisjoint(text)


def seen_length(text: str) -> int:
    """How many of its characters are seen: blanks are not, nor are joiners and marks without a width."""
    return sum(character.isprintable() and not character.isspace() for character in text)


def minutes_of(text: str) -> int | None:
    """Minutes from midnight of a local time "HH:MM", up to 24:00."""
    match = _LOCAL_TIME.fullmatch(text)
    if match is None:
        return None
    minutes = int(match[1]) * 60 + int(match[2])
    return minutes if minutes <= MINUTES_PER_DAY else None


def date_of(text: str) -> date | None:
    """A date "YYYY-MM-DD" in the years that instants may lie in."""
    if not _DATE.fullmatch(text):
        return None
    try:
        value = date.fromisoformat(text)
    except ValueError:
        return None
    return value if INSTANT_MIN.date() <= value < INSTANT_MAX.date() else None


def is_time_zone(text: str) -> bool:
    """Whether the tz database has it. The list is asked, never the file system, so that no path gets in."""
    return text in _time_zones()


def instant_from(message: Timestamp) -> datetime | None:
    """The instant to the microsecond, from 1970 until 2200."""
    seconds_max = int(INSTANT_MAX.timestamp())
    if not 0 <= message.seconds < seconds_max or not 0 <= message.nanos < NANOS_PER_SECOND:
        return None
    return instant_of(message)


def whole_seconds_of(message: Duration) -> int | None:
    """A length of time that is a whole number of seconds."""
    return message.seconds if message.nanos == 0 else None


def seconds_of(message: Duration) -> float | None:
    """A length of time in seconds. Seconds and nanos must not have different signs."""
    if abs(message.nanos) >= NANOS_PER_SECOND or message.seconds * message.nanos < 0:
        return None
    return message.seconds + message.nanos / NANOS_PER_SECOND


@cache
def _time_zones() -> frozenset[str]:
    # Many machines keep their own zone under this name beside the database: another time on each of them.
    return frozenset(available_timezones() - {"localtime"})
