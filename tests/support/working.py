"""A real worker beside a test's server, and waiting for what it does."""

import asyncio
from contextlib import AbstractAsyncContextManager

from server.bootstrap import working
from server.config import load_settings
from server.worker import RunningWorker
from tests.support.database import connected, rows


def worker_on(url: str, **settings: object) -> AbstractAsyncContextManager[RunningWorker]:
    """A worker that looks often, and retries at once."""
    return working(load_settings(log_level="error", relay_poll_s=0.05, **settings), url)


async def until(url: str, query: str, expected: object) -> None:
    """Asks the database until it answers as expected, over one connection: a new one costs more than the answer."""
    async with asyncio.timeout(60), connected(url) as connection:
        while [dict(row) for row in await connection.fetch(query)] != expected:  # noqa: ASYNC110 it tells nobody
            await asyncio.sleep(0.02)


async def until_settled(url: str) -> None:
    """Until no event waits any more."""
    await until(url, "SELECT FROM capacity_outbox WHERE status = 'pending' LIMIT 1", [])


async def until_it_looked(url: str) -> None:
    """Until the worker has asked for events once more, from beginning to end."""
    (row,) = await rows(url, "SELECT clock_timestamp()::text AS now")
    looks = (
        "SELECT count(*) > 0 AS looked FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state = 'idle' AND query LIKE 'WITH due AS MATERIALIZED%'"
        f" AND query_start > '{row['now']}'"
    )
    await until(url, looks, [{"looked": True}])


async def poison(url: str, restaurant_id: str) -> str:
    """Turns the restaurant's oldest pending event into one of a type that no worker knows; its id."""
    async with connected(url) as connection:
        poisoned = await connection.fetchval(
            "UPDATE capacity_outbox SET event_type = 'capacity.from.the_future' WHERE id = ("
            " SELECT id FROM capacity_outbox WHERE restaurant_id = $1::text::uuid AND status = 'pending'"
            " ORDER BY floor_version, position LIMIT 1) RETURNING id::text",
            restaurant_id,
        )
        return str(poisoned)


async def mend(url: str, event_id: str) -> None:
    """Gives a poisoned event its own type back."""
    async with connected(url) as connection:
        await connection.execute(
            "UPDATE capacity_outbox SET event_type = 'capacity.inventory.changed' WHERE id = $1::text::uuid",
            event_id,
        )
