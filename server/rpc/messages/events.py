"""Committed events in the contract's form."""

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict

from maitred.v1 import events_pb2
from server.orchestrator.floor_log import CommittedEvent
from server.rpc.messages.time import set_instant

# The field of `data` by the second word of the event type.
DATA: Mapping[str, str] = {
    "hold": "hold",
    "assignment": "assignment",
    "booking": "booking",
    "block": "block",
    "inventory": "inventory",
    "auto_assign": "auto_assign",
}


def capacity_event(event: CommittedEvent) -> events_pb2.CapacityEvent:
    """The payload is stored as the JSON form of its message; what the message does not know is left out."""
    message = events_pb2.CapacityEvent(
        event_id=str(event.event_id),
        event_type=event.event_type,
        restaurant_id=str(event.restaurant_id),
        tenant_id=str(event.tenant_id),
        floor_version=event.floor_version,
        position=event.position,
        booking_id=str(event.booking_id) if event.booking_id else "",
        request_id=event.request_id,
    )
    set_instant(message.occurred_at, event.occurred_at)
    name = DATA.get(event.event_type.split(".")[1])
    if name is not None:
        ParseDict(dict(event.payload), getattr(message, name), ignore_unknown_fields=True)
    return message
