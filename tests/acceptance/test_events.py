"""O2: What the service tells the world: every event of a real evening is the contract's, and holds no personal data."""

import json
from collections.abc import Sequence

import pytest

from server.domain.events import EventType
from server.outbox.encoding import capacity_event
from server.outbox.events import OutboxEvent
from server.outbox.sinks.telemetry import TelemetrySink
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.telemetry import SqlTelemetryStore
from tests.builders.evenings import NAME, NOTE, REASON, REFERENCE, eventful_evening
from tests.conftest import Served
from tests.support.committed_events import committed_events
from tests.support.contract import require_round_trip
from tests.support.database import rows

EMAIL = "ada@example.com"
PERSONAL = (EMAIL, NAME, REFERENCE, NOTE, REASON, "example.com", "Lovelace", "Byron", "Mary")


@pytest.fixture
async def events(server: Served) -> Sequence[OutboxEvent]:
    async with server.client(actor=EMAIL) as client:
        await eventful_evening(client, server.database_url)
    return await committed_events(server.database_url)


async def test_every_event_of_the_service_is_its_message_and_nothing_else(
    events: Sequence[OutboxEvent],
) -> None:
    assert {event.event_type for event in events} == {event_type.value for event_type in EventType}
    for event in events:
        require_round_trip(event.event_type, event.payload)
        message = capacity_event(event)
        data = getattr(message, message.WhichOneof("data") or "")
        assert data.restaurant_id == message.restaurant_id
        assert getattr(data, "booking_id", message.booking_id) == message.booking_id


async def test_floor_versions_and_positions_leave_no_gap(events: Sequence[OutboxEvent]) -> None:
    versions = sorted({event.floor_version for event in events})
    assert versions == list(range(1, len(versions) + 1))
    for version in versions:
        positions = [event.position for event in events if event.floor_version == version]
        assert positions == list(range(1, len(positions) + 1))


async def test_no_event_holds_personal_data(events: Sequence[OutboxEvent]) -> None:
    told = json.dumps([dict(event.payload) for event in events])
    assert [text for text in PERSONAL if text in told] == []
    assert "[redacted-email]" in told


async def test_telemetry_does_not_even_say_who(events: Sequence[OutboxEvent], server: Served) -> None:
    pool = await open_pool(PoolSettings(server.database_url, size_min=1, size_max=1))
    try:
        sink = TelemetrySink(SqlTelemetryStore(pool, 10.0))
        for event in events:
            await sink.deliver(event)
    finally:
        await pool.close()
    kept = await rows(server.database_url, "SELECT t::text AS text FROM telemetry_events AS t")
    assert len(kept) == len(events)
    told = " ".join(row["text"] for row in kept)
    assert [text for text in (*PERSONAL, "actorId", "redacted") if text in told] == []
