"""A database role that owns nothing: it serves once it may read and write rows, and until then every program says in a
sentence what it was refused.
"""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from maitred_client import AsyncMaitredClient
from server.bootstrap import StartError, migrate_up, migration_check, serving
from server.config import Settings
from server.diagnosis import Finding, diagnose, verify_database
from tests.builders.world import small_world
from tests.support.database import connected, expire, rows
from tests.support.postgres import TestServer
from tests.support.working import until, until_settled, worker_on

# As docs/operations.md has it for a role of servers and workers.
ROWS = """
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO stranger;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO stranger;
"""


@pytest.fixture
async def stranger(database_url: str) -> AsyncIterator[str]:
    """The address of a migrated database whose role may read and write none of it."""
    async with connected(database_url) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"CREATE ROLE stranger; ALTER DATABASE {name} SET role = stranger")
        yield database_url
        await connection.execute(f"ALTER DATABASE {name} RESET role")
        await connection.execute("DROP OWNED BY stranger; DROP ROLE stranger")


def of(url: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(url)})


async def diagnosed(settings: Settings, url: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in await diagnose(of(url, settings))}


async def test_a_server_does_not_start(stranger: str, settings: Settings) -> None:
    with pytest.raises(StartError, match=r"^the role is not allowed to do this: .* for table restaurants"):
        async with serving(settings, stranger):
            pass


async def test_a_role_that_may_read_and_write_rows_is_enough_for_servers_and_workers(
    stranger: str, settings: Settings
) -> None:
    async with connected(stranger) as connection:
        await connection.execute(f"SET ROLE NONE; {ROWS}")
    async with (
        serving(settings, stranger) as running,
        AsyncMaitredClient(running.address, tenant_id=uuid4()) as client,
        worker_on(stranger, sweep_s=0.05),
    ):
        world = await small_world(client)
        await world.confirm(await world.hold(await world.booking(), "T1"))
        lapsed = await world.hold(await world.booking(), "T2")
        await expire(stranger, lapsed.hold_id)
        await until(stranger, "SELECT count(*) FROM table_claims", [{"count": 1}])
        await until_settled(stranger)
    assert await rows(stranger, "SELECT FROM telemetry_events LIMIT 1")
    found = await diagnosed(settings, stranger)
    assert {name for name, finding in found.items() if not finding.ok} <= {"server", "durability"}


async def test_migrations_are_neither_applied_nor_looked_at(stranger: str, settings: Settings) -> None:
    for work in (migrate_up, migration_check):
        with pytest.raises(StartError, match="the role is not allowed to do this: permission denied"):
            await work(settings, stranger)


async def test_the_doctor_finds_it(stranger: str, settings: Settings) -> None:
    found = await diagnosed(settings, stranger)
    assert not found["database"].ok
    assert "permission denied for table schema_migrations" in found["database"].detail
    assert "grant its role what it lacks" in found["database"].remedy


async def test_the_doctor_finds_a_role_that_may_only_read(stranger: str, settings: Settings) -> None:
    async with connected(stranger) as connection:
        await connection.execute("SET ROLE NONE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger")
    found = await diagnosed(settings, stranger)
    assert "permission denied for table" in found["database"].detail


async def test_the_doctor_finds_a_database_that_takes_no_changes(
    database_url: str, settings: Settings
) -> None:
    found = await diagnosed(settings, f"{database_url}&default_transaction_read_only=on")
    assert "read-only transaction" in found["database"].detail


async def test_of_a_database_without_the_schema_the_doctor_says_only_that_it_lacks_it(
    postgres: TestServer, settings: Settings
) -> None:
    async with postgres.empty_database() as url:
        found = await diagnosed(settings, url)
        with pytest.raises(StartError, match=r"0001_.* is not applied: run 'maitred migrate up'"):
            await verify_database(of(url, settings))
    assert not found["schema"].ok
    assert "is not applied: run 'maitred migrate up'" in found["schema"].detail
    assert "no table twice" not in found
