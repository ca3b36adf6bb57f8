"""What an event looks like outside: the contract's message, and a CloudEvent with that message's JSON form in it."""

from collections.abc import Mapping
from typing import Final

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf.json_format import ParseDict, ParseError

from maitred.v1.events_pb2 import CapacityEvent
from server.domain.events import CommittedEvent, EventType
from server.outbox.ports import Undeliverable

CONTENT_TYPE: Final = JSONFormat.CONTENT_TYPE

# The field of `CapacityEvent.data` that each type of event fills is called as the second word of the type.
_FIELDS: Final[Mapping[str, str]] = {each.value: each.value.split(".")[1] for each in EventType}

# What an event is about: the collection, and the member of the payload that names the one in it.
_SUBJECTS: Final[Mapping[str, tuple[str, str]]] = {
    "hold": ("holds", "holdId"),
    "assignment": ("bookings", "bookingId"),
    "booking": ("bookings", "bookingId"),
    "block": ("blocks", "blockId"),
    "inventory": ("restaurants", "restaurantId"),
    "auto_assign": ("bookings", "bookingId"),
}


def message_name(event_type: str) -> str:
    """The full name of the message that events of this type carry, with the contract's version in it.

    Raises `Undeliverable` for a type that the contract does not know.
    """
    message = CapacityEvent.DESCRIPTOR.fields_by_name[_field(event_type)].message_type
    assert message is not None, "every field of the data is a message"
    return message.full_name


def capacity_event(event: CommittedEvent) -> CapacityEvent:
    """The event as a message of the contract.

    What this version of the contract lacks, members of a payload or whole types of events, is left out: a newer server
    may have written it. Raises `Undeliverable` for a payload that contradicts the contract.
    """
    message = CapacityEvent(
        event_id=str(event.event_id),
        event_type=event.event_type,
        restaurant_id=str(event.restaurant_id),
        tenant_id=str(event.tenant_id),
        floor_version=event.floor_version,
        position=event.position,
        booking_id="" if event.booking_id is None else str(event.booking_id),
        request_id=event.idempotency_key,
    )
    message.occurred_at.FromDatetime(event.created_at)
    field = _FIELDS.get(event.event_type)
    if field is None:
        return message
    data = getattr(message, field)
    data.SetInParent()
    try:
        ParseDict(dict(event.payload), data, ignore_unknown_fields=True)
    except ParseError as problem:
        raise Undeliverable(f"the payload is no {message_name(event.event_type)}: {problem}") from None
    return message


def sequence(event: CommittedEvent) -> str:
    """The event's place among those of its restaurant, as text that sorts like the place itself."""
    return f"{event.floor_version:019d}.{event.position:010d}"


def cloud_event(event: CommittedEvent) -> bytes:
    """The event as CloudEvents 1.0 in structured JSON form.

    `data` is the payload as it was committed, which any parser of protobuf JSON reads as the message that `dataschema`
    names. Raises `Undeliverable` for an unknown type, and for a payload that contradicts the contract.
    """
    schema = message_name(event.event_type)
    capacity_event(event)
    attributes = {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": f"/maitred/restaurants/{event.restaurant_id}",
        "type": event.event_type,
        "subject": _subject(event),
        "time": event.created_at,
        "datacontenttype": "application/json",
        "dataschema": f"urn:maitred:proto:{schema}",
        "tenantid": str(event.tenant_id),
        "restaurantid": str(event.restaurant_id),
        # Text, because an integer of CloudEvents has 32 bits.
        "floorversion": str(event.floor_version),
        "sequence": sequence(event),
    }
    return JSONFormat().write(CloudEvent(attributes, dict(event.payload)))


def _field(event_type: str) -> str:
    field = _FIELDS.get(event_type)
    if field is None:
        raise Undeliverable(f"this version of the contract has no events of type {event_type}")
    return field


def _subject(event: CommittedEvent) -> str:
    collection, member = _SUBJECTS[_field(event.event_type)]
    return f"{collection}/{event.payload.get(member, '')}"
