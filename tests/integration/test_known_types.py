"""What asyncpg asks about types on a new connection, and does not where another connection has asked it before."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.persistence import known_types
from server.persistence.known_types import KnowingConnection
from server.persistence.pool import Connection, DriverConnection, PoolSettings, close_pool, connect, open_pool

IDS = [UUID(int=1), UUID(int=2)]
ARRAYS = "SELECT $1::uuid[] AS ids, '{1,2}'::int[] AS numbers, int4range(1, 3) AS range"
OF_OURS = "SELECT '{small}'::size[] AS sizes"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_types, "_known", {})


async def asked_of_types(
    connection: "DriverConnection | Connection", query: str, *values: object
) -> tuple[int, dict[str, Any]]:
    """How many questions about types a statement brings with it, and its row."""
    asked: list[str] = []
    with connection.query_logger(lambda record: asked.append(record.query)):
        row = await connection.fetchrow(query, *values)
    assert row is not None
    return sum("typeinfo_tree" in each for each in asked), dict(row)


@pytest.fixture(params=[256, 0], ids=["of its own", "through a pooler"])
def settings(request: pytest.FixtureRequest, database_url: str) -> PoolSettings:
    return PoolSettings(database_url, size_min=1, size_max=1, statement_cache_size=request.param)


async def test_what_one_connection_has_asked_no_other_asks_again(settings: PoolSettings) -> None:
    first, second = [await connect(settings) for _ in range(2)]
    try:
        asked, row = await asked_of_types(first, ARRAYS, IDS)
        assert asked == 1
        assert row["ids"] == IDS
        assert row["numbers"] == [1, 2]
        assert row["range"] == asyncpg.Range(1, 3)
        assert await asked_of_types(second, ARRAYS, IDS) == (0, row)
        pool = await open_pool(settings)
        async with pool.acquire() as third:
            assert await asked_of_types(third, ARRAYS, IDS) == (0, row)
        await close_pool(pool)
    finally:
        for connection in (first, second):
            await connection.close()


async def test_the_driver_itself_asks_on_every_connection(database_url: str) -> None:
    """As long as it does, there is something to know."""
    for _ in range(2):
        connection = await asyncpg.connect(database_url)
        assert (await asked_of_types(connection, ARRAYS, IDS))[0] == 1
        await connection.close()


async def test_a_type_that_a_database_has_made_itself_is_asked_for_there(settings: PoolSettings) -> None:
    """It may have another number elsewhere, and its number may be another type's."""
    connections = [await connect(settings) for _ in range(2)]
    try:
        await connections[0].execute("CREATE TYPE size AS ENUM ('small', 'large')")
        for connection in connections:
            asked, row = await asked_of_types(connection, OF_OURS)
            assert (asked, row["sizes"]) == (1, ["small"])
        assert known_types._known == {}
    finally:
        for connection in connections:
            await connection.close()


async def test_what_is_known_is_of_no_matter_to_a_connection_that_forgets(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, connection_class=KnowingConnection)
    try:
        await asked_of_types(connection, ARRAYS, IDS)
        await connection.reload_schema_state()
        assert (await asked_of_types(connection, ARRAYS, IDS))[0] == 0
    finally:
        await connection.close()
