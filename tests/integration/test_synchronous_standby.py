"""Commits that wait for a synchronous standby which is not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.persistence import store, transactions
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.persistence.transactions import changing
from tests.support.database import connected, rows
from tests.support.postgres import TestServer
from tests.support.working import until

WAITING = (
    "SELECT count(*) > 0 AS waiting FROM pg_stat_activity"
    " WHERE wait_event = 'SyncRep' AND datname = current_database()"
)
TENANTS = "SELECT count(*) AS tenants FROM tenants"


@asynccontextmanager
async def without_its_standby(postgres: TestServer) -> AsyncIterator[None]:
    """Commits wait for a standby that nobody has started, until the block is left."""
    url = postgres.url()
    async with connected(url) as operator:
        await operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'elsewhere'")
        try:
            await operator.execute("SELECT pg_reload_conf()")
            await until(
                url, "SELECT current_setting('synchronous_standby_names') AS named", [{"named": "elsewhere"}]
            )
            yield
        finally:
            await operator.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await operator.execute("SELECT pg_reload_conf()")


async def test_a_commit_that_nobody_waits_for_any_more_is_not_seen_before_the_standby_has_it(
    postgres: TestServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "END_TIMEOUT_S", 0.01)
    async with (
        await open_pool(PoolSettings(database_url, size_min=1, size_max=2)) as pool,
        without_its_standby(postgres),
    ):

        async def change() -> None:
            async with changing(pool) as connection:
                await connection.execute("INSERT INTO tenants (tenant_id) VALUES (gen_random_uuid())")

        changed = asyncio.create_task(change())
        await until(database_url, WAITING, [{"waiting": True}])
        changed.cancel()
        await asyncio.wait((changed,))
        assert changed.cancelled()
        assert await rows(database_url, TENANTS) == [{"tenants": 0}]
        assert await rows(database_url, WAITING) == [{"waiting": True}]
    await until(database_url, TENANTS, [{"tenants": 1}])


async def test_a_database_whose_commits_wait_for_a_standby_is_away(
    postgres: TestServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "STANDBY_S_MAX", 0.0)
    async with await open_pool(PoolSettings(database_url, size_min=2, size_max=2)) as pool:
        watched = SqlStore(pool, StoreSettings())
        assert await watched.why_away() is None
        async with without_its_standby(postgres):
            change = pool.execute("INSERT INTO tenants (tenant_id) VALUES (gen_random_uuid())")
            changed = asyncio.create_task(change)
            await until(database_url, WAITING, [{"waiting": True}])
            assert (
                await watched.why_away() == "its synchronous standby does not answer, and commits wait for it"
            )
        await changed
        assert await watched.why_away() is None
