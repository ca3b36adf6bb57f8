"""Telemetry events in the database: kept once, for their time, with or without a restaurant."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from server.persistence.pool import PoolSettings, open_pool
from server.persistence.telemetry import SqlTelemetryStore
from server.telemetry.events import TelemetryEvent
from tests.support.database import row, rows

DAY_S = 86_400.0


def happened(days_ago: float = 0.0, *, restaurant_id: UUID | None = None) -> TelemetryEvent:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    context = {"tableIds": ["T1"], "startAt": None}
    return TelemetryEvent(
        uuid4(), at, "capacity.x", "maitred.v1.X", restaurant_id, restaurant_id, None, context
    )


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlTelemetryStore]:
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=2))
    yield SqlTelemetryStore(pool, 20.0)
    await pool.close()


async def test_an_event_is_kept_as_it_is_and_once(store: SqlTelemetryStore, database_url: str) -> None:
    event = happened(restaurant_id=UUID(int=1))
    await store.record(event)
    await store.record(event)
    kept = await row(database_url, "SELECT *, context ->> 'tableIds' AS tables FROM telemetry_events")
    assert (kept["event_id"], kept["occurred_at"]) == (event.event_id, event.occurred_at)
    assert (kept["event_type"], kept["schema"]) == ("capacity.x", "maitred.v1.X")
    assert (kept["tenant_id"], kept["restaurant_id"], kept["booking_id"]) == (UUID(int=1), UUID(int=1), None)
    assert kept["tables"] == '["T1"]'


async def test_what_happened_to_no_restaurant_is_kept_too(
    store: SqlTelemetryStore, database_url: str
) -> None:
    await store.record(happened())
    assert (await row(database_url, "SELECT restaurant_id FROM telemetry_events"))["restaurant_id"] is None


async def test_old_events_are_forgotten_a_bounded_number_at_a_time(
    store: SqlTelemetryStore, database_url: str
) -> None:
    old, young = [happened(91), happened(100), happened(365)], [happened(89), happened()]
    for event in (*old, *young):
        await store.record(event)
    assert [await store.delete_older(90 * DAY_S, 2) for _ in range(3)] == [2, 1, 0]
    kept = await rows(database_url, "SELECT event_id FROM telemetry_events")
    assert {found["event_id"] for found in kept} == {event.event_id for event in young}
