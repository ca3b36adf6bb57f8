"""What it means that a stored payload is the JSON form of a message of the contract."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from maitred.v1 import events_pb2
from server.outbox.encoding import message_name


def message_of(event_type: str, payload: Mapping[str, Any]) -> Message:
    """The message that the payload is, read strictly: a member that the contract lacks is an error."""
    message: Message = getattr(events_pb2, message_name(event_type).removeprefix("maitred.v1."))()
    return ParseDict(dict(payload), message)


def require_round_trip(event_type: str, payload: Mapping[str, Any]) -> None:
    """Whatever the payload says, the message says too, and nothing else."""
    message = message_of(event_type, payload)
    told = MessageToDict(message, always_print_fields_with_no_presence=True)
    given = {name: _instant(value) for name, value in payload.items() if value is not None}
    said = {
        name: _number(_instant(value))
        for name, value in told.items()
        if name in given or value not in ([], {}, "")
    }
    assert said == given, event_type
    assert message_of(event_type, told) == message


def _instant(value: Any) -> Any:
    """Instants as instants, however they are written and wherever they are in it; anything else as it is."""
    if isinstance(value, list):
        return [_instant(each) for each in value]
    if isinstance(value, dict):
        return {name: _instant(each) for name, each in value.items()}
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value


def _number(value: Any) -> Any:
    """A number of 64 bits as a number: protobuf writes it as text and reads it in either form."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
