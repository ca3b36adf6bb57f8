"""What of an answer matters to whoever checks a history."""

from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# By the member of a response that has them: what a hold, an assignment, a booking or a block says about occupancy.
_MEMBERS: Final = {
    "hold": (
        "hold_id",
        "booking_id",
        "table_ids",
        "window_start",
        "window_end",
        "state",
        "expires_at",
        "created_at",
    ),
    "assignment": (
        "assignment_id",
        "booking_id",
        "hold_id",
        "table_ids",
        "window_start",
        "window_end",
        "state",
        "assignment_epoch",
        "merge_group_id",
    ),
    "booking": ("booking_id", "status", "window_start", "window_end", "assignment_epoch", "revision"),
    "block": ("block_id", "table_ids", "window_start", "window_end"),
}
_PLAIN: Final = ("superseded_hold_ids", "released_hold_id")


def answer_of(response: Message) -> dict[str, Any]:
    """What a response says about who has which tables, as JSON.

    The members `hold`, `assignment`, `booking` and `block` are objects where the response has them; instants are ISO
    8601 in UTC, states and statuses their names without the prefix, in lower case.
    """
    known = response.DESCRIPTOR.fields_by_name
    answer: dict[str, Any] = {}
    for member, names in _MEMBERS.items():
        if member in known and response.HasField(member):
            part = getattr(response, member)
            answer[member] = {name: _value(part, name) for name in names}
    for name in _PLAIN:
        if name in known:
            answer[name] = _value(response, name)
    return answer


def _value(message: Message, name: str) -> Any:
    value = getattr(message, name)
    kind = message.DESCRIPTOR.fields_by_name[name]
    if isinstance(value, Timestamp):
        return value.ToDatetime().isoformat(timespec="microseconds") + "+00:00"
    if kind.enum_type is not None:
        prefix = kind.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        return kind.enum_type.values_by_number[value].name.removeprefix(prefix).lower()
    return value if isinstance(value, str | int) else list(value)
