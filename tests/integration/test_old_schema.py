"""A database that an older version has migrated, and nobody since."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest

from server.bootstrap import StartError, serving, working
from server.config import Settings, load_settings
from server.diagnosis import diagnose, verify_database
from server.persistence.migrator import MigrationError, Migrator, find_migrations, read_migrations
from tests.support.postgres import TestServer

MIGRATIONS = read_migrations(find_migrations())


@pytest.fixture
async def old_url(postgres: TestServer) -> AsyncIterator[str]:
    """All but the last migration are applied."""
    async with postgres.empty_database() as url:
        await Migrator(url, MIGRATIONS[:-1]).up()
        yield url


@pytest.mark.parametrize("starting", [serving, working])
async def test_nobody_serves_on_a_schema_that_lacks_something(
    starting: Callable[[Settings, str], AbstractAsyncContextManager[object]], old_url: str, settings: Settings
) -> None:
    with pytest.raises(StartError, match=rf"{MIGRATIONS[-1].label} is not applied: run 'maitred migrate up'"):
        async with starting(settings, old_url):
            pass
    await Migrator(old_url, MIGRATIONS).up()
    async with starting(settings, old_url):
        pass


async def test_what_it_holds_is_not_looked_at_by_the_rules_of_another_schema(old_url: str) -> None:
    with pytest.raises(StartError, match="is not applied"):
        await verify_database(load_settings(database_url=old_url))


async def test_code_that_is_replaced_serves_on_the_schema_of_the_next(
    database_url: str, settings: Settings
) -> None:
    """Nobody but the migrator of that version knows the last one."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO schema_migrations VALUES ($1, 'of_the_next', '', now(), 1)", len(MIGRATIONS) + 1
        )
    finally:
        await connection.close()
    async with serving(settings, database_url):
        pass
    found = {each.name: each for each in await diagnose(load_settings(database_url=database_url))}
    assert found["schema"].ok
    assert "newer code has migrated it; serving is safe" in found["schema"].detail


async def test_a_database_that_takes_no_changes_is_told_in_words(old_url: str) -> None:
    read_only = f"{old_url}&options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(MigrationError, match="read-only transaction"):
        await Migrator(read_only, MIGRATIONS).up()
