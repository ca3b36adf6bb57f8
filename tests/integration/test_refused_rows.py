"""What the log gets to see of a row that the database refuses."""

import traceback

import asyncpg
import pytest

from server.errors import InvariantError
from server.persistence.failures import said_by, translating
from tests.builders.world import World, small_world
from tests.conftest import Served
from tests.support.database import connected

REFERENCE = "Smith, birthday"


async def restaurant_with_a_booking(server: Served) -> World:
    async with server.client() as client:
        world = await small_world(client)
        request = world.booking_request()
        request.reference = REFERENCE
        await client.put_booking(request)
    return world


@pytest.mark.parametrize("change", ["party_size = 0", "status = NULL"])
async def test_what_is_wrong_with_a_row_is_told_without_the_row(server: Served, change: str) -> None:
    """Callers' own texts are in it."""
    world = await restaurant_with_a_booking(server)
    statement = f"UPDATE bookings SET {change} WHERE restaurant_id = $1"
    async with connected(server.database_url) as connection:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await connection.execute(statement, world.restaurant_id)
        assert REFERENCE in str(refused.value)
        assert REFERENCE not in said_by(refused.value)
        with pytest.raises(InvariantError) as broken:
            async with translating():
                await connection.execute(statement, world.restaurant_id)
    told = "".join(traceback.format_exception(broken.value))
    assert "violates" in told
    assert REFERENCE not in told
