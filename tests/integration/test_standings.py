"""Restaurants that are asked for together: everybody gets its own, and never one that is older than the question."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.errors import Reason, ServiceError
from server.persistence.known_types import KnowingConnection
from server.persistence.pool import Pool, PoolSettings, open_pool
from server.persistence.standings import ASKED_MAX, Standings
from tests.support.database import Connection, connected

TENANT, STRANGER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=4))
    yield pool
    await pool.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Connection]:
    async with connected(database_url) as connection:
        await connection.execute("INSERT INTO tenants (tenant_id) VALUES ($1), ($2)", TENANT, STRANGER)
        yield connection


async def add_restaurant(database: Connection) -> UUID:
    restaurant_id = uuid4()
    await database.execute(
        "INSERT INTO restaurants (restaurant_id, tenant_id, name, time_zone) VALUES ($1, $2, $3, 'UTC')",
        restaurant_id,
        TENANT,
        f"Chez {restaurant_id}",
    )
    return restaurant_id


async def version_raised(database: Connection, restaurant_id: UUID) -> int:
    query = "UPDATE restaurants SET floor_version = floor_version + 1 WHERE restaurant_id = $1 RETURNING floor_version"
    version: int = await database.fetchval(query, restaurant_id)
    return version


@asynccontextmanager
async def nothing_to_be_read(url: str) -> AsyncIterator[None]:
    """Keeps every statement about restaurants waiting until the block is left."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute("LOCK TABLE restaurants IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting_sessions(database: Connection) -> list[int]:
    """The sessions that wait for a lock, once there are any."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while True:
        found = [row["pid"] for row in await database.fetch(query)]
        if found:
            return found


async def test_whoever_asks_at_once_gets_its_own_restaurant(pool: Pool, database: Connection) -> None:
    restaurants = [await add_restaurant(database) for _ in range(7)]
    standings = Standings(pool, 5.0)
    asked = [(tenant, each) for each in (*restaurants, uuid4()) for tenant in (TENANT, STRANGER)]
    asked *= 2 * ASKED_MAX // len(asked) + 1
    before = await database.fetchval("SELECT clock_timestamp()")
    found = await asyncio.gather(*(standings.of(*key) for key in asked))
    for (tenant, restaurant_id), standing in zip(asked, found, strict=True):
        if tenant == STRANGER or restaurant_id not in restaurants:
            assert standing is None
        else:
            assert standing is not None
            assert standing.restaurant.restaurant_id == restaurant_id
            assert standing.restaurant.name == f"Chez {restaurant_id}"
            assert standing.now > before


class Slow(KnowingConnection):
    """Its first answer is there when `read` is set, and given out when `go_on` is."""

    read, go_on = asyncio.Event(), asyncio.Event()

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        found = await super().fetch(query, *args, **options)
        self.read.set()
        await self.go_on.wait()
        return found


async def test_nobody_gets_what_was_read_before_it_asked(database_url: str, database: Connection) -> None:
    restaurant_id = await add_restaurant(database)
    slow_pool = await open_pool(PoolSettings(database_url, size_min=1, size_max=1), Slow)
    standings = Standings(slow_pool, 5.0)
    early = asyncio.create_task(standings.of(TENANT, restaurant_id))
    await Slow.read.wait()
    version = await version_raised(database, restaurant_id)
    late = asyncio.create_task(standings.of(TENANT, restaurant_id))
    await asyncio.sleep(0)
    Slow.go_on.set()
    found = await asyncio.gather(early, late)
    assert [each and each.restaurant.floor_version for each in found] == [version - 1, version]
    await slow_pool.close()


async def test_whoever_leaves_keeps_nobody_from_an_answer(pool: Pool, database: Connection) -> None:
    restaurant_id = await add_restaurant(database)
    standings = Standings(pool, 5.0)
    first, second = [asyncio.create_task(standings.of(TENANT, restaurant_id)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert first.cancelled()


async def test_those_who_ask_at_once_are_asked_about_in_one_statement(
    pool: Pool, database: Connection, database_url: str
) -> None:
    restaurants = [await add_restaurant(database) for _ in range(10)]
    standings = Standings(pool, 5.0)
    async with nothing_to_be_read(database_url):
        asked = [asyncio.create_task(standings.of(TENANT, each)) for each in restaurants]
        assert len(await waiting_sessions(database)) == 1
        late = asyncio.create_task(standings.of(TENANT, restaurants[0]))
    assert None not in await asyncio.gather(*asked, late)


async def test_a_cut_connection_fails_those_who_asked_and_nobody_after(
    pool: Pool, database: Connection, database_url: str
) -> None:
    restaurant_id = await add_restaurant(database)
    standings = Standings(pool, 5.0)
    async with nothing_to_be_read(database_url):
        asked = [asyncio.create_task(standings.of(TENANT, restaurant_id)) for _ in range(3)]
        (session,) = await waiting_sessions(database)
        late = asyncio.create_task(standings.of(TENANT, restaurant_id))
        await asyncio.sleep(0)
        await database.execute("SELECT pg_terminate_backend($1)", session)
        for failed in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(failed, ServiceError)
            assert failed.reason is Reason.STORE_UNAVAILABLE
    assert await late is not None


async def test_a_database_that_does_not_answer_is_not_waited_for_twice(
    pool: Pool, database: Connection, database_url: str
) -> None:
    restaurant_id = await add_restaurant(database)
    standings = Standings(pool, 0.05)
    async with nothing_to_be_read(database_url):
        first = asyncio.create_task(standings.of(TENANT, restaurant_id))
        await waiting_sessions(database)
        second = asyncio.create_task(standings.of(TENANT, restaurant_id))
        await asyncio.wait([first])
        await asyncio.sleep(0)
        for failed in (first.exception(), second.exception()):
            assert isinstance(failed, ServiceError)
            assert failed.reason is Reason.DEADLINE_EXCEEDED
    assert await Standings(pool, 5.0).of(TENANT, restaurant_id) is not None
