"""Events as the contract has them, and as CloudEvents."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from google.protobuf.json_format import ParseError

from maitred.v1 import events_pb2
from server.domain.events import Event, EventType, hold_event
from server.outbox.encoding import capacity_event, cloud_event, message_name, sequence
from server.outbox.ports import Undeliverable
from tests.builders.bookings import BOOKING, RESTAURANT
from tests.builders.events import (
    BLOCK,
    COMMITTED_AT,
    HOLD,
    REQUEST,
    TENANT,
    ZONE,
    every_event,
    hold,
    on_its_way,
)
from tests.support.contract import message_of, require_round_trip

EVENTS = every_event()


def name_of(event: Event) -> str:
    return event.event_type.value


def test_there_is_an_event_of_every_type() -> None:
    assert {event.event_type for event in EVENTS} == set(EventType)


def test_a_type_has_three_words_so_that_a_subject_filter_can_choose_a_restaurant() -> None:
    assert [name for name in EventType if not re.fullmatch(r"capacity\.[a-z_]+\.[a-z_]+", name)] == []


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_a_payload_is_its_message_and_nothing_else(event: Event) -> None:
    require_round_trip(event.event_type, on_its_way(event).payload)


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_a_payload_has_every_member_of_its_message(event: Event) -> None:
    """What is in the way is told of refused holds alone."""
    message = message_name(event.event_type).removeprefix("maitred.v1.")
    members = {field.json_name for field in events_pb2.DESCRIPTOR.message_types_by_name[message].fields}
    refused = event.event_type is EventType.HOLD_STRICT_CONFLICT
    assert set(event.payload) == members - (set() if refused else {"conflicts"})
    if "startAt" in members:
        assert str(event.payload["startAt"]) < str(event.payload["endAt"])


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_a_member_that_the_contract_lacks_is_found_by_strict_reading_and_let_through_on_the_way_out(
    event: Event,
) -> None:
    newer = on_its_way(event, payload={**event.payload, "sinceTomorrow": 1})
    with pytest.raises(ParseError):
        message_of(newer.event_type, newer.payload)
    assert capacity_event(newer).WhichOneof("data")
    assert json.loads(cloud_event(newer))["data"]["sinceTomorrow"] == 1


def test_the_envelope_says_where_the_event_belongs() -> None:
    event = on_its_way(floor_version=2**40, position=3)
    message = capacity_event(event)
    assert (message.event_id, message.event_type) == (str(event.event_id), "capacity.hold.created")
    assert (message.restaurant_id, message.tenant_id) == (str(RESTAURANT), str(TENANT))
    assert (message.floor_version, message.position) == (2**40, 3)
    assert message.occurred_at.ToDatetime(COMMITTED_AT.tzinfo) == COMMITTED_AT
    assert (message.booking_id, message.request_id) == (str(BOOKING), str(REQUEST))
    assert (message.hold.hold_id, message.hold.zone_id) == (str(HOLD), str(ZONE))
    assert events_pb2.CapacityEvent.FromString(message.SerializeToString()) == message


@pytest.mark.parametrize("event_type", ["capacity.hold.imagined", "capacity.hold", ""])
def test_an_event_of_an_unknown_type_cannot_be_delivered(event_type: str) -> None:
    with pytest.raises(Undeliverable, match="no events of type"):
        message_name(event_type)
    with pytest.raises(Undeliverable, match="no events of type"):
        cloud_event(replace(on_its_way(), event_type=event_type))


@pytest.mark.parametrize(
    "wrong", [{"tableIds": "T1"}, {"startAt": "soon"}, {"holdId": 7}, {"metadata": {"cause": {}}}]
)
def test_a_payload_that_contradicts_the_contract_cannot_be_delivered(wrong: dict[str, Any]) -> None:
    event = on_its_way(payload={**EVENTS[0].payload, **wrong})
    with pytest.raises(Undeliverable, match=r"is no maitred\.v1\.HoldEvent"):
        cloud_event(event)


# As CloudEvents


def test_a_cloud_event_has_what_consumers_recognise_order_and_read_it_by() -> None:
    event = on_its_way(floor_version=17, position=2)
    told = json.loads(cloud_event(event))
    assert told == {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": f"/maitred/restaurants/{RESTAURANT}",
        "type": "capacity.hold.created",
        "subject": f"holds/{HOLD}",
        "time": "2031-05-01T17:30:15.250000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:maitred:proto:maitred.v1.HoldEvent",
        "tenantid": str(TENANT),
        "restaurantid": str(RESTAURANT),
        "floorversion": "17",
        "sequence": "0000000000000000017.0000000002",
        "data": event.payload,
    }


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_every_event_is_read_by_another_implementation_of_cloud_events(event: Event) -> None:
    out = on_its_way(event)
    read = JSONFormat().read(None, cloud_event(out))
    assert (read.get_id(), read.get_type()) == (str(out.event_id), event.event_type)
    assert read.get_time() == COMMITTED_AT
    data = read.get_data()
    assert isinstance(data, dict)
    require_round_trip(event.event_type, data)


def test_the_subject_is_what_the_event_is_about() -> None:
    subjects = {name_of(event): json.loads(cloud_event(on_its_way(event)))["subject"] for event in EVENTS}
    assert subjects["capacity.assignment.sync"] == f"bookings/{BOOKING}"
    assert subjects["capacity.booking.changed"] == f"bookings/{BOOKING}"
    assert subjects["capacity.block.created"] == f"blocks/{BLOCK}"
    assert subjects["capacity.inventory.changed"] == f"restaurants/{RESTAURANT}"
    assert subjects["capacity.auto_assign.outcome"] == f"bookings/{BOOKING}"


def test_the_same_event_is_the_same_bytes_every_time() -> None:
    event = on_its_way()
    assert cloud_event(event) == cloud_event(event)


def test_sequences_sort_like_the_places_they_name() -> None:
    places = [(1, 1), (1, 2), (1, 10), (2, 1), (9, 1), (10, 1), (99, 2**31 - 1), (2**62, 1)]
    told = [sequence(on_its_way(floor_version=version, position=position)) for version, position in places]
    assert sorted(told) == told
    assert len(set(told)) == len(told)


# No personal data


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        ("host-7", "host-7"),
        ("ada@example.com", "[redacted-email]"),
        ("Ada <ada.lovelace+tables@mail.example.co.uk>", "Ada <[redacted-email]>"),
        ("a@b, c@d", "[redacted-email], [redacted-email]"),
        ("", ""),
    ],
)
def test_the_actor_stays_as_the_caller_names_it_but_for_e_mail_addresses(actor: str, told: str) -> None:
    event = hold_event(EventType.HOLD_CREATED, hold(actor), ZONE, actor)
    assert event.payload["actorId"] == told
