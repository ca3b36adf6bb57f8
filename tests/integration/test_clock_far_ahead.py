"""The database's clock is set to another year, as on a host that starts with a wrong one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.config import load_settings
from server.periodic import Periodic
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.session import WorkerSession
from server.worker import _upkeep
from tests.integration.test_what_wakes_a_job import STARTS, add_job
from tests.support.database import Connection, connected
from tests.support.outbox import put_events

SHADOWED = """
    CREATE SCHEMA ahead;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = ahead, pg_catalog, public', current_database());
    END $$;
"""


async def set_ahead(connection: Connection, by: str) -> None:
    await connection.execute(
        "CREATE OR REPLACE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
        f" AS $$ SELECT pg_catalog.clock_timestamp() + interval '{by}' $$"
    )


@asynccontextmanager
async def cleaners(url: str) -> AsyncIterator[tuple[Periodic, ...]]:
    settings, session = load_settings(), WorkerSession(PoolSettings(url), 5.0)
    pool = await open_pool(PoolSettings(url, size_min=1, size_max=1))
    try:
        queue = SqlEventQueue(pool, session, settings.lease_s, settings.event_timeout_s)
        yield tuple(_upkeep(settings, pool, session, queue))
    finally:
        await session.close()
        await pool.close()


async def test_nothing_is_cleared_away_by_a_clock_that_is_far_ahead_of_the_workers(database_url: str) -> None:
    (restaurant_id,) = await put_events(database_url)
    left = "SELECT (SELECT count(*) FROM capacity_outbox), (SELECT count(*) FROM bookings)"
    async with connected(database_url) as connection:
        await connection.execute(SHADOWED)
        await set_ahead(connection, "30 years")
        await add_job(connection, restaurant_id, STARTS, "waiting")
        await connection.execute("UPDATE capacity_outbox SET status = 'done'")
        async with cleaners(database_url) as services:
            for service in services:
                await service.run_once()
            assert tuple(*await connection.fetch(left)) == (1, 1)
            await set_ahead(connection, "50 minutes")
            await connection.execute(
                "UPDATE capacity_outbox SET created_at = now() - interval '7 days' + interval '40 minutes'"
            )
            for service in services:
                await service.run_once()
        assert tuple(*await connection.fetch(left)) == (0, 1)
