"""The address of an embedded PostgreSQL says all that a client has to know."""

import asyncpg
import pytest

from tests.support.postgres import TestServer


async def test_what_the_environment_says_of_another_database_does_not_hold(
    postgres: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
    monkeypatch.setenv("PGHOST", "elsewhere.invalid")
    connection = await asyncpg.connect(postgres.url())
    try:
        assert await connection.fetchval("SELECT pg_is_in_recovery()") is False
    finally:
        await connection.close()
