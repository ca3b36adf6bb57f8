"""What a transaction pooler asks of those who connect through it."""

import asyncpg
import pytest

from server.bootstrap import StartError, migrate_up, working
from server.config import load_settings
from server.persistence.failures import unreachable
from server.persistence.inspection import errand_at


async def test_an_errand_leaves_no_statement_by_name_for_the_next_one_to_meet(database_url: str) -> None:
    async with errand_at(database_url) as connection:
        await connection.fetch("SELECT 1 WHERE $1", True)
        assert await connection.fetch("SELECT name FROM pg_prepared_statements") == []


async def test_a_worker_whose_sessions_are_not_its_own_does_not_start(database_url: str) -> None:
    settings = load_settings(database_url=database_url, statement_cache_size=0)
    with pytest.raises(StartError, match="leave MAITRED_STATEMENT_CACHE_SIZE out"):
        async with working(settings, database_url):
            raise AssertionError("it works")


async def test_a_migration_whose_session_is_not_its_own_does_not_begin(database_url: str) -> None:
    settings = load_settings(database_url=database_url, statement_cache_size=0)
    with pytest.raises(StartError, match=r"lock .* leave MAITRED_STATEMENT_CACHE_SIZE out"):
        await migrate_up(settings, database_url)


def test_a_pooler_that_takes_no_settings_is_told_from_a_database_that_is_away() -> None:
    refused = asyncpg.ProtocolViolationError("unsupported startup parameter: jit")
    assert str(unreachable(refused)).endswith("set MAITRED_STATEMENT_CACHE_SIZE=0")
