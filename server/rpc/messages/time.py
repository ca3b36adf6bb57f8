"""Instants and lengths of time in the contract's form."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def set_instant(message: Timestamp, instant: datetime) -> None:
    """Writes an aware instant, exactly: never by way of floating point."""
    message.seconds, microseconds = divmod((instant - _EPOCH) // _MICROSECOND, 1_000_000)
    message.nanos = microseconds * 1_000


def instant_message(instant: datetime) -> Timestamp:
    message = Timestamp()
    set_instant(message, instant)
    return message


def duration_message(seconds: int) -> Duration:
    return Duration(seconds=seconds)


def instant_of(message: Timestamp) -> datetime:
    """The instant to the microsecond. The caller has made sure that it lies in a year that exists."""
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)
