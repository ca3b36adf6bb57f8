"""O2: What the service tells the world: every event of a real evening is the contract's, and holds no personal data."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest

from maitred_client import (
    AsyncMaitredClient,
    CapacityInsufficientError,
    StaleContextError,
    TableBlockedError,
    TableConflictAssignedError,
)
from server.domain.events import EventType
from server.outbox.encoding import capacity_event
from server.outbox.events import OutboxEvent
from server.outbox.sinks.telemetry import TelemetrySink
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.telemetry import SqlTelemetryStore
from tests.builders.evenings import NAME, NOTE, REASON, REFERENCE, eventful_evening
from tests.builders.world_extras import house
from tests.conftest import Served
from tests.support.background import dispatched, until_waiting, worker
from tests.support.committed_events import committed_events
from tests.support.contract import require_round_trip
from tests.support.database import connected, row, rows

pytestmark = pytest.mark.shared_server

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
        if event.event_type in (EventType.HOLD_CREATED, EventType.HOLD_CONFIRMED):
            assert event.payload["zoneId"]


async def test_an_event_names_the_call_that_brought_it_about(
    events: Sequence[OutboxEvent], server: Served
) -> None:
    calls = await rows(server.database_url, "SELECT request_id::text FROM idempotency_ledger")
    told = {event.payload["idempotencyKey"] for event in events if "idempotencyKey" in event.payload}
    assert told
    assert told <= {call["request_id"] for call in calls}


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


SEEDED_COLUMNS = (
    "id, created_at, updated_at, status, event_type, dedupe_key, attempt_count, next_attempt_at, restaurant_id,"
    " booking_id, idempotency_key, payload"
)
AGAIN = f"""
    INSERT INTO capacity_outbox (tenant_id, floor_version, position, {SEEDED_COLUMNS})
    SELECT $2, floor_version + 1000, position, gen_random_uuid(), created_at, updated_at, 'pending', event_type,
        dedupe_key, 0, next_attempt_at, restaurant_id, booking_id, '', payload
    FROM capacity_outbox WHERE id = $1
"""


@pytest.mark.own_server
async def test_a_fact_is_enqueued_once_per_tenant_however_long_ago_it_was_delivered(
    events: Sequence[OutboxEvent], server: Served
) -> None:
    async with connected(server.database_url) as connection:
        await connection.execute(
            "UPDATE capacity_outbox SET status = 'done', created_at = now() - interval '1 year'"
        )
        for event in events:
            with pytest.raises(asyncpg.UniqueViolationError) as refused:
                await connection.execute(AGAIN, event.event_id, event.tenant_id)
            assert refused.value.constraint_name == "capacity_outbox_once"
            await connection.execute(AGAIN, event.event_id, uuid4())


@pytest.mark.own_server
async def test_bookings_of_one_id_in_two_restaurants_are_told_each_for_itself(server: Served) -> None:
    """A booking's id is unique within its restaurant only. Nothing seats either party, as the worker finds."""
    booking_id = str(uuid4())
    async with server.client() as client:
        places = [await house(client), await house(client)]
        for place in places:
            await dispatched(place, await place.party(40, booking_id=booking_id))
        async with worker(server):
            for place in places:
                await until_waiting(place, await place.read(booking_id))
    events = await committed_events(server.database_url)
    first, second = (
        [
            (event.floor_version, event.position, event.event_type)
            for event in events
            if str(event.restaurant_id) == place.restaurant_id
        ]
        for place in places
    )
    assert first[-1][2] == EventType.AUTO_ASSIGN_OUTCOME
    assert first == second


# A hold that is refused


async def conflicts_told(server: Served) -> list[OutboxEvent]:
    told = await committed_events(server.database_url)
    return [event for event in told if event.event_type == EventType.HOLD_STRICT_CONFLICT]


async def test_a_hold_that_meets_others_claims_is_told_with_what_was_in_the_way(server: Served) -> None:
    async with server.client(actor=EMAIL) as client:
        place = await house(client)
        kept = await place.hold(await place.party(), "W1")
        await place.seated("W2")
        refused = await place.party(6, reference=REFERENCE)
        request = place.hold_request(refused.booking_id, ["W1", "W2"])
        with pytest.raises(TableConflictAssignedError):
            await client.hold_tables(request)
        with pytest.raises(TableConflictAssignedError):
            await client.hold_tables(request)
    (event,) = await conflicts_told(server)
    payload = event.payload
    window = {"startAt": payload["startAt"], "endAt": payload["endAt"]}
    assert sorted(payload["conflicts"], key=lambda each: each["kind"]) == [
        {"tableId": place.tables["W2"], "kind": "assignment", **window},
        {"tableId": place.tables["W1"], "kind": "hold", **window},
    ]
    assert sorted(payload["tableIds"]) == sorted(place.ids(["W1", "W2"]))
    assert (payload["bookingId"], event.booking_id) == (refused.booking_id, UUID(refused.booking_id))
    assert (payload["actorId"], payload["metadata"]) == (
        "[redacted-email]",
        {"cause": "TABLE_CONFLICT_ASSIGNED"},
    )
    assert event.idempotency_key == request.request_id
    assert kept.hold_id not in json.dumps(dict(payload)), "whose claims they are is nobody's business"


async def test_a_replacement_that_meets_a_block_is_told_too(
    server: Served, client: AsyncMaitredClient
) -> None:
    place = await house(client)
    hold = await place.hold(await place.party(), "W1")
    await client.block_tables(place.block_request(["W2"]))
    request = place.replace_request(hold.hold_id, ["W2"])
    request.reason = "nearer to the door"
    with pytest.raises(TableBlockedError):
        await client.replace_hold(request)
    (event,) = await conflicts_told(server)
    entry = await row(server.database_url, "SELECT * FROM audit_log WHERE action = 'hold_refused'")
    assert (str(entry["resource_id"]), entry["reason"]) == (hold.booking_id, "nearer to the door")
    assert json.loads(entry["details"]) == {
        "refused": "TABLE_BLOCKED",
        "events": 1,
        "table_ids": place.ids(["W2"]),
        "hold_id": hold.hold_id,
    }
    assert [conflict["kind"] for conflict in event.payload["conflicts"]] == ["block"]
    assert event.payload["holdId"] != hold.hold_id
    assert await place.hold_now(hold) == hold


async def test_a_stale_context_is_told_when_a_claim_is_in_the_way_and_not_otherwise(
    server: Served, client: AsyncMaitredClient
) -> None:
    place = await house(client)
    booking = await place.party()
    context = (await place.plan(booking)).plans[0]
    names = [name for name, table_id in place.tables.items() if table_id == context.table_ids[0]]
    request = place.hold_request(booking.booking_id, names)
    request.context_version = "made-up"
    with pytest.raises(StaleContextError):
        await client.hold_tables(request)
    assert await conflicts_told(server) == []
    await place.seated(*names)
    late = place.hold_request(booking.booking_id, names)
    late.context_version = context.context_version
    with pytest.raises(StaleContextError):
        await client.hold_tables(late)
    (event,) = await conflicts_told(server)
    assert event.payload["metadata"] == {"cause": "STALE_CONTEXT"}


async def test_other_refusals_and_the_bookings_own_claims_are_no_conflict(
    server: Served, client: AsyncMaitredClient
) -> None:
    place = await house(client)
    with pytest.raises(CapacityInsufficientError):
        await place.hold(await place.party(6), "W1")
    booking = await place.party()
    await place.hold(booking, "W1")
    await place.hold(booking, "W1")
    assert await conflicts_told(server) == []
