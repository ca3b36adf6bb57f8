"""A database role that may do too little: every program says so in a sentence, and what was refused."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from server.bootstrap import StartError, migrate_up, migration_check, serving
from server.config import Settings
from server.diagnosis import diagnose
from tests.support.database import connected
from tests.support.postgres import TestServer


@pytest.fixture
async def stranger(database_url: str) -> AsyncIterator[str]:
    """The address of a migrated database whose role may read and write none of it."""
    async with connected(database_url) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"CREATE ROLE stranger; ALTER DATABASE {name} SET role = stranger")
        yield database_url
        await connection.execute(f"ALTER DATABASE {name} RESET role")
        await connection.execute("DROP OWNED BY stranger; DROP ROLE stranger")


async def test_a_server_does_not_start(stranger: str, settings: Settings) -> None:
    with pytest.raises(StartError, match=r"^the role is not allowed to do this: .* for table restaurants"):
        async with serving(settings, stranger):
            pass


async def test_migrations_are_neither_applied_nor_looked_at(stranger: str, settings: Settings) -> None:
    for work in (migrate_up, migration_check):
        with pytest.raises(StartError, match="the role is not allowed to do this: permission denied"):
            await work(settings, stranger)


async def test_the_doctor_finds_it(stranger: str, settings: Settings) -> None:
    settings = settings.model_copy(update={"database_url": SecretStr(stranger)})
    found = {finding.name: finding for finding in await diagnose(settings)}
    assert not found["database"].ok
    assert "permission denied for table schema_migrations" in found["database"].detail


async def test_the_doctor_finds_a_role_that_may_only_read(stranger: str, settings: Settings) -> None:
    async with connected(stranger) as connection:
        await connection.execute("SET ROLE NONE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger")
    settings = settings.model_copy(update={"database_url": SecretStr(stranger)})
    found = {finding.name: finding for finding in await diagnose(settings)}
    assert "permission denied for table" in found["database"].detail


async def test_the_doctor_finds_a_database_that_takes_no_changes(
    database_url: str, settings: Settings
) -> None:
    url = f"{database_url}&default_transaction_read_only=on"
    settings = settings.model_copy(update={"database_url": SecretStr(url)})
    found = {finding.name: finding for finding in await diagnose(settings)}
    assert "read-only transaction" in found["database"].detail


async def test_of_a_database_without_the_schema_the_doctor_says_only_that_it_lacks_it(
    postgres: TestServer, settings: Settings
) -> None:
    async with postgres.empty_database() as url:
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
        found = {finding.name: finding for finding in await diagnose(settings)}
    assert not found["schema"].ok
    assert "no table twice" not in found
