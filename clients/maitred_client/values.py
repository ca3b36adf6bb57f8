"""Conversions between Python's values and the contract's messages."""

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


class EnumKind(Protocol):
    """An enum of the contract."""

    DESCRIPTOR: EnumDescriptor


def new_request_id() -> str:
    """A fresh UUID that names one intention.

    Keep it when the outcome of a call has to be asked for again later, from another process or after a crash;
    otherwise leave `request_id` empty and the client fills it in.
    """
    return str(uuid4())


def timestamp(moment: datetime) -> Timestamp:
    """The instant as the contract writes it, to the microsecond.

    >>> from datetime import timedelta, timezone
    >>> timestamp(datetime(2031, 5, 1, 19, 30, tzinfo=timezone(timedelta(hours=2)))).ToJsonString()
    '2031-05-01T17:30:00Z'

    Raises ValueError for a datetime without a time zone: whose seven o'clock is meant is never guessed.

    >>> timestamp(datetime(2031, 5, 1, 19, 30))
    Traceback (most recent call last):
    ...
    ValueError: 2031-05-01T19:30:00 has no time zone; add one, such as tzinfo=ZoneInfo("Europe/London")
    """
    if moment.utcoffset() is None:
        raise ValueError(
            f'{moment.isoformat()} has no time zone; add one, such as tzinfo=ZoneInfo("Europe/London")'
        )
    converted = Timestamp()
    converted.FromDatetime(moment)
    return converted


def instant(moment: Timestamp) -> datetime:
    """The instant in UTC, to the microsecond. One that was never set reads as 1970: ask `HasField` first.

    >>> instant(timestamp(datetime(2031, 5, 1, 17, 30, tzinfo=UTC)))
    datetime.datetime(2031, 5, 1, 17, 30, tzinfo=datetime.timezone.utc)
    """
    return moment.ToDatetime(tzinfo=UTC)


def duration(length: timedelta) -> Duration:
    """The length of time as the contract writes it.

    >>> duration(timedelta(minutes=3)).ToJsonString()
    '180s'
    """
    converted = Duration()
    converted.FromTimedelta(length)
    return converted


def enum_word(kind: EnumKind, number: int) -> str:
    """The name of an enum's value without the enum's own, or the number where the server is newer than this client.

    >>> from maitred.v1.reasons_pb2 import ClaimKind
    >>> enum_word(ClaimKind, ClaimKind.CLAIM_KIND_HOLD), enum_word(ClaimKind, 99)
    ('HOLD', '99')
    """
    values = kind.DESCRIPTOR.values_by_number
    if number not in values:
        return str(number)
    return values[number].name.removeprefix(values[0].name.removesuffix("UNSPECIFIED"))


def to_dict(message: Message) -> dict[str, Any]:
    """The message as a value that `json.dumps` takes, under the contract's own snake_case names.

    Numbers, texts, lists and enums are there even when they have their default; messages, oneofs and optional
    fields only when they are set. The rest is protobuf's JSON mapping: enums by name, instants as RFC 3339
    text, lengths like "180s", and 64-bit integers as text.

    >>> from maitred.v1.inventory_pb2 import Zone
    >>> to_dict(Zone(name="Terrace")) == {"zone_id": "", "name": "Terrace", "sort_order": 0}
    True
    """
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
