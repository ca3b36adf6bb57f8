"""Whoever can change nothing on the database any more says why."""

from server.persistence.pool import PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from tests.support.database import connected
from tests.support.postgres import TestServer


async def test_a_database_that_takes_no_connections_any_more(postgres: TestServer, database_url: str) -> None:
    async with (
        await open_pool(PoolSettings(database_url, size_min=1, size_max=1)) as pool,
        connected(postgres.url()) as elsewhere,
    ):
        store = SqlStore(pool, StoreSettings())
        assert await store.why_away() is None
        async with pool.acquire() as connection:
            name = await connection.fetchval("SELECT current_database()")
        await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await elsewhere.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        assert await store.why_away()
        problem = await store.why_away()
        assert problem is not None
        assert f'database "{name}" is not currently accepting connections' in problem
        await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await store.why_away() is None
