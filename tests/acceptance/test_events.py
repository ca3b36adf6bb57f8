"""What the service tells the world: every event of a real evening is the contract's, and holds no personal data."""

import json
from collections.abc import Sequence

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import BlockCause, BookingAction, UnblockTablesRequest
from server.domain.events import EventType
from server.outbox.encoding import capacity_event
from server.outbox.events import OutboxEvent
from server.outbox.sinks.telemetry import TelemetrySink
from server.persistence.documents import decode
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.telemetry import SqlTelemetryStore
from tests.builders.world import evening
from tests.builders.world_extras import House, house
from tests.conftest import Served
from tests.support.contract import require_round_trip
from tests.support.database import expire, rows

EMAIL, REFERENCE, NOTE, REASON = (
    "ada@example.com",
    "table for the Lovelaces",
    "wedding of Mary S.",
    "Mr Byron rang",
)
PERSONAL = (EMAIL, REFERENCE, NOTE, REASON, "example.com", "Lovelace", "Byron")


async def an_evening(client: AsyncMaitredClient) -> House:
    """Everything that can happen happens, done by somebody with an e-mail address, with personal data wherever it
    can be put."""
    place = await house(client, name="Chez Mary S.")
    booking = await place.party(4, reference=REFERENCE)
    hold = await place.extend(await place.hold(booking, "W1"), ttl_s=300)
    await place.confirm(hold)
    await place.release(await place.hold(await place.party(start=evening(21)), "W1"))
    await place.reassign(booking, "W2", "W3")
    await place.unassign(booking)
    await cancel(place, booking.booking_id)
    request = place.block_request(["F6"])
    request.cause, request.note = BlockCause.BLOCK_CAUSE_PRIVATE_EVENT, NOTE
    block = (await client.block_tables(request)).block
    await client.unblock_tables(
        UnblockTablesRequest(restaurant_id=place.restaurant_id, block_id=block.block_id)
    )
    return place


async def cancel(place: House, booking_id: str) -> None:
    request = place.transition_request(booking_id, BookingAction.BOOKING_ACTION_CANCEL)
    request.actor, request.reason = EMAIL, REASON
    await place.client.transition_booking(request)


async def an_expiry(place: House, url: str) -> None:
    """A hold whose time is over is met by the next one on its table."""
    late = await place.hold(await place.party(reference=REFERENCE), "P1")
    await expire(url, late.hold_id)
    await place.hold(await place.party(), "P1")


async def committed(url: str) -> Sequence[OutboxEvent]:
    found = await rows(url, "SELECT * FROM capacity_outbox ORDER BY floor_version, position")
    return [
        OutboxEvent(
            row["id"],
            row["tenant_id"],
            row["restaurant_id"],
            row["floor_version"],
            row["position"],
            row["created_at"],
            row["event_type"],
            row["attempt_count"],
            row["booking_id"],
            row["idempotency_key"],
            decode(row["payload"], dict[str, object]),
        )
        for row in found
    ]


@pytest.fixture
async def events(server: Served) -> Sequence[OutboxEvent]:
    async with server.client(actor=EMAIL) as client:
        await an_expiry(await an_evening(client), server.database_url)
    return await committed(server.database_url)


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
