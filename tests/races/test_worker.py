"""O7: The worker process: what was committed reaches its receivers, and what is over is cleared away."""

from maitred_client import AsyncMaitredClient
from server.bootstrap import working
from server.config import load_settings
from server.persistence.inspection import database_invariants
from tests.builders.world import small_world
from tests.conftest import Served
from tests.support.database import expire, rows
from tests.support.working import until


async def test_what_was_committed_is_in_the_telemetry_store(
    server: Served, client: AsyncMaitredClient
) -> None:
    async with working(load_settings(log_level="warning"), server.database_url):
        await small_world(client)
        await until(server.database_url, "SELECT DISTINCT status FROM capacity_outbox", [{"status": "done"}])
    told = await rows(server.database_url, "SELECT event_id FROM telemetry_events ORDER BY event_id")
    assert told == await rows(server.database_url, "SELECT id AS event_id FROM capacity_outbox ORDER BY id")


async def test_what_is_announced_is_delivered_however_seldom_the_worker_looks_for_itself(
    server: Served, client: AsyncMaitredClient
) -> None:
    world = await small_world(client)
    async with working(load_settings(log_level="warning", relay_poll_s=60), server.database_url):
        await until(server.database_url, "SELECT DISTINCT status FROM capacity_outbox", [{"status": "done"}])
        await world.hold(await world.booking(), "T1")
        await until(server.database_url, "SELECT DISTINCT status FROM capacity_outbox", [{"status": "done"}])


async def test_an_expired_hold_is_cleared_away_and_told(server: Served, client: AsyncMaitredClient) -> None:
    world = await small_world(client)
    held = await world.hold(await world.booking(), "T1")
    await expire(server.database_url, held.hold_id)
    async with working(load_settings(log_level="warning", sweep_s=0.05), server.database_url):
        await until(server.database_url, "SELECT state FROM holds", [{"state": "expired"}])
    assert await rows(server.database_url, "SELECT FROM table_claims") == []
    told = await rows(
        server.database_url, "SELECT event_type FROM capacity_outbox WHERE event_type LIKE '%expired'"
    )
    assert told == [{"event_type": "capacity.hold.expired"}]
    noted = await rows(
        server.database_url,
        "SELECT action, actor, resource_id::text, details ->> 'hold_id' AS hold FROM audit_log WHERE action = 'expire'",
    )
    assert noted == [
        {
            "action": "expire",
            "actor": "maitred-sweeper",
            "resource_id": held.booking_id,
            "hold": held.hold_id,
        }
    ]
    report = await database_invariants(server.database_url)
    assert {check.check_id: check.violations for check in report.checks if check.violations} == {}
