"""What a torture does to PostgreSQL is felt there, and what it reads there is what there is."""

import asyncpg
import pytest

from server.persistence.torture import (
    QUERIES,
    locked_restaurants,
    rows_of,
    taken_connections,
    waiting_events,
)
from tests.builders.world import World
from tests.conftest import Served
from tests.support.database import connected


@pytest.fixture
def server(own_server: Served) -> Served:
    return own_server


async def test_restaurants_are_locked_while_the_block_lasts(server: Served, world: World) -> None:
    async with connected(server.database_url) as connection:
        await connection.execute("SET lock_timeout = '10ms'")
        async with locked_restaurants(server.database_url) as locked:
            assert locked == 1
            with pytest.raises(asyncpg.LockNotAvailableError):
                await connection.fetch(QUERIES["lock_restaurants"])
        await connection.execute("SET lock_timeout = '30s'")
        (free,) = await connection.fetch(QUERIES["lock_restaurants"])
    assert str(free["restaurant_id"]) == world.restaurant_id


async def test_connections_are_taken_while_the_block_lasts(server: Served) -> None:
    # The server's own have its name.
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND application_name = '' AND query = ''
    """
    async with connected(server.database_url) as connection:
        assert await connection.fetchval(query) == 0
        async with taken_connections(server.database_url, 2) as taken:
            assert taken == 2
            assert await connection.fetchval(query) == 2


async def test_every_hold_assignment_and_event_is_among_the_rows(server: Served, world: World) -> None:
    hold = await world.hold(await world.booking(), "T1")
    assignment = await world.confirm(hold)
    rows = await rows_of(server.database_url)
    assert rows.made == {hold.hold_id, assignment.assignment_id}
    assert rows.repeated == ()
    assert len(rows.committed) == await waiting_events(server.database_url) > 0
    assert max(rows.committed.values())[:2] == (
        world.restaurant_id,
        (await world.restaurant()).floor_version,
    )


async def test_a_request_with_two_effects_is_found(server: Served, world: World) -> None:
    for name in ("T1", "T2"):
        await world.hold(await world.booking(), name)
    async with connected(server.database_url) as connection:
        await connection.execute(
            "UPDATE capacity_outbox SET idempotency_key = 'again' WHERE event_type = 'capacity.hold.created'"
        )
    assert (await rows_of(server.database_url)).repeated == ("again",)
