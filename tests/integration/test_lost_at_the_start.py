"""A database that goes away while somebody starts on it: told in a sentence, not by a traceback."""

from typing import Any

import asyncpg
import pytest

from server.bootstrap import StartError, migrate_up, migration_check, serving
from server.config import Settings
from server.persistence.failures import UnreachableError
from server.persistence.inspection import connection_to

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


async def test_migrations_are_not_looked_at_where_nobody_listens(settings: Settings) -> None:
    for work in (migrate_up, migration_check):
        with pytest.raises(StartError, match="the database cannot be reached: "):
            await work(settings, NOBODY_LISTENS)


@pytest.mark.parametrize("url", UNREADABLE)
async def test_of_an_address_that_cannot_be_read_nothing_is_shown(url: str, settings: Settings) -> None:
    async def serve(settings: Settings, url: str) -> None:
        async with serving(settings, url):
            raise AssertionError("it served without a database")

    async def look(settings: Settings, url: str) -> None:
        async with connection_to(url):
            raise AssertionError("it found a database")

    for work in (migrate_up, migration_check, serve, look):
        with pytest.raises((StartError, UnreachableError), match="its address cannot be read") as caught:
            await work(settings, url)
        assert "open" not in str(caught.value)
        assert "sesame" not in str(caught.value)
