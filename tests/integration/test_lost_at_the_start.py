"""A database that goes away while somebody starts on it: told in a sentence, not by a traceback."""

import asyncio
import getpass
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from server.bootstrap import StartError, database, migrate_up, migration_check, serving
from server.config import Settings
from server.persistence import inspection, pool
from server.persistence.failures import UnreachableError
from server.persistence.inspection import connection_to
from server.persistence.known_types import KnowingConnection
from server.persistence.migrator import Migrator, migrator
from server.persistence.pool import DriverConnection
from tests.support.gate import Gate, gate_to_postgres
from tests.support.postgres import TestServer

PATIENCE_S = 60.0
NOBODY_LISTENS = "postgresql://maitred@127.0.0.1:1/maitred"
# What stands behind the colon and before the slash or the question mark is taken for the port.
UNREADABLE = [f"postgresql://maitred:open{special}sesame@127.0.0.1:1/maitred" for special in "/?#\u2100"]


class Cut(asyncpg.Connection):
    """Is gone as soon as it is asked anything."""

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        self.terminate()
        return await super().fetchval(*args, **options)


async def test_a_connection_that_is_lost_meanwhile_ends_the_start(
    database_url: str, settings: Settings
) -> None:
    with pytest.raises(StartError, match="the database cannot be reached: "):
        async with serving(settings, database_url, Cut):
            raise AssertionError("it served without a database")


@pytest.fixture
def hasty(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of somebody who soon gives up a database that says nothing."""
    monkeypatch.setattr(pool, "END_TIMEOUT_S", 0.1)
    return settings.model_copy(update={"deadline_s_max": 0.5})


def falling_silent(gate: Gate) -> type[DriverConnection]:
    """Of a database that says nothing any more as soon as it is asked anything."""

    class Silent(KnowingConnection):
        async def fetchval(self, *args: Any, **options: Any) -> Any:
            gate.stick()
            return await super().fetchval(*args, **options)

        async def fetchrow(self, *args: Any, **options: Any) -> Any:
            gate.stick()
            return await super().fetchrow(*args, **options)

    return Silent


class SticksAt(dict[str, str]):
    """The statements of the migrator; nothing comes back any more from one of them on."""

    def __init__(self, asked: str, gate: Gate) -> None:
        super().__init__(migrator.QUERIES)
        self._asked, self._gate = asked, gate

    def __getitem__(self, name: str) -> str:
        if name == self._asked:
            self._gate.stick()
        return super().__getitem__(name)


async def test_a_database_that_falls_silent_ends_the_start(database_url: str, hasty: Settings) -> None:
    async with gate_to_postgres(database_url) as (gate, through), asyncio.timeout(PATIENCE_S):
        with pytest.raises(StartError, match=r"it did not answer within 0\.5 s"):
            async with serving(hasty, through, falling_silent(gate)):
                raise AssertionError("it served without a database")


async def test_a_database_that_falls_silent_while_it_is_looked_at_is_away(
    database_url: str, hasty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gate_to_postgres(database_url) as (gate, through), asyncio.timeout(PATIENCE_S):
        monkeypatch.setattr(inspection, "KnowingConnection", falling_silent(gate))
        hasty = hasty.model_copy(update={"database_url": SecretStr(through)})
        with pytest.raises(StartError, match=r"it did not answer within 0\.5 s"):
            async with database(hasty):
                raise AssertionError("it found a database")


@pytest.mark.parametrize("opened", [connection_to, lambda url: Migrator(url, ())._connection()])
async def test_a_connection_on_which_nothing_comes_any_more_is_closed_all_the_same(
    opened: Callable[[str], AbstractAsyncContextManager[object]],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "END_TIMEOUT_S", 0.1)
    async with (
        gate_to_postgres(database_url) as (gate, through),
        asyncio.timeout(PATIENCE_S),
        opened(through),
    ):
        gate.stick()


@pytest.mark.parametrize("asked", ["create_ledger", "limit_waits", "record_applied"])
async def test_migrations_on_a_database_that_falls_silent_end_when_they_are_told_once(
    asked: str, postgres: TestServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "END_TIMEOUT_S", 0.1)
    async with (
        postgres.empty_database() as url,
        gate_to_postgres(url) as (gate, through),
        asyncio.timeout(PATIENCE_S),
    ):
        monkeypatch.setattr(migrator, "QUERIES", SticksAt(asked, gate))
        migrating = asyncio.create_task(migrate_up(settings, through))
        await gate.swallowed.wait()
        migrating.cancel()
        await asyncio.wait([migrating])
        assert migrating.cancelled()


async def test_migrations_are_not_looked_at_where_nobody_listens(settings: Settings) -> None:
    for work in (migrate_up, migration_check):
        with pytest.raises(StartError, match="the database cannot be reached: "):
            await work(settings, NOBODY_LISTENS)


async def _serve(settings: Settings, url: str) -> None:
    async with serving(settings, url):
        raise AssertionError("it served without a database")


async def _look(_settings: Settings, url: str) -> None:
    async with connection_to(url):
        raise AssertionError("it found a database")


WAYS_IN = (migrate_up, migration_check, _serve, _look)


@pytest.mark.parametrize("url", UNREADABLE)
async def test_of_an_address_that_cannot_be_read_nothing_is_shown(url: str, settings: Settings) -> None:
    for work in WAYS_IN:
        with pytest.raises((StartError, UnreachableError), match="its address cannot be read") as caught:
            await work(settings, url)
        assert "open" not in str(caught.value)
        assert "sesame" not in str(caught.value)


async def test_who_connects_has_a_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    for work in WAYS_IN:
        with pytest.raises((StartError, UnreachableError), match="its address names no user"):
            await work(settings, "postgresql://127.0.0.1:1/maitred")
