"""The database's clock is set back while a change is under way, or after holds were over: nothing is half done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from maitred_client import HoldExpiredError, TableNotFoundError
from maitred_client.messages import (
    Booking,
    BookingAction,
    Hold,
    HoldState,
    PutFloorRequest,
)
from server.bootstrap import serving
from server.config import load_settings
from tests.builders.world import World, evening
from tests.conftest import Served
from tests.races.evidence import broken_invariants, count
from tests.support.database import Connection, connected, expire

# Each change has a transaction of its own here, whose first reading of the clock judges all claims.
SHADOWED = """
    CREATE SCHEMA stepped;
    CREATE SEQUENCE stepped.readings;
    CREATE FUNCTION stepped.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.clock_timestamp()
            + CASE nextval('stepped.readings') WHEN 1 THEN interval '1 hour' ELSE interval '0' END
    $$;
    SELECT nextval('stepped.readings');
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = stepped, pg_catalog, public', current_database());
    END $$;
"""
SET_BACK_NEXT = "ALTER SEQUENCE stepped.readings RESTART"
ENDS = "SELECT count(*) FROM capacity_outbox WHERE event_type ~ 'hold[.](expired|released|confirmed)'"


@pytest.fixture
async def own_server(database_url: str) -> AsyncIterator[Served]:
    settings = load_settings(port=0, log_level="warning", pool_size_min=1, group_members_max=1)
    async with connected(database_url) as database:
        await database.execute(SHADOWED)
    async with serving(settings, database_url) as running:
        yield Served(running.address, database_url, uuid4())


@pytest.fixture
async def database(server: Served) -> AsyncIterator[Connection]:
    """Has the clock as it is."""
    async with connected(server.server_url) as connection:
        await connection.execute("SET search_path = public")
        yield connection


@pytest.mark.parametrize(
    "change", [World.confirm, lambda world, hold: world.replace(hold, "T1", "T2")], ids=["confirm", "replace"]
)
async def test_a_hold_that_is_over_by_one_reading_of_the_clock_is_over(
    world: World, database: Connection, change: Callable[[World, Hold], Awaitable[object]]
) -> None:
    hold = await world.hold(await world.booking(), "T1")
    await database.execute(SET_BACK_NEXT)
    with pytest.raises(HoldExpiredError):
        await change(world, hold)
    await world.confirm(hold)
    assert await count(database, ENDS) == 1
    assert await broken_invariants(database, world.restaurant_id) == {}


async def leaning(world: World) -> tuple[Booking, Hold]:
    """A booking that came an hour later, and the hold for that, which leans on the table that it had."""
    booking = await world.seated("T1")
    later = evening() + timedelta(hours=1)
    booking = await world.booking(start=later, booking_id=booking.booking_id)
    return booking, await world.hold(booking, "T1", "T2")


async def set_back(database: Connection, hold: Hold) -> None:
    """To before the hold's time was over."""
    async with database.transaction():
        for table in ("holds", "table_claims"):
            await database.execute(
                f"UPDATE {table} SET expires_at = now() + interval '1 minute' WHERE hold_id = $1::text::uuid",
                hold.hold_id,
            )


async def test_a_hold_that_lives_again_keeps_all_of_its_tables(
    world: World, server: Served, database: Connection
) -> None:
    booking, hold = await leaning(world)
    await expire(server.database_url, hold.hold_id)
    await world.unassign(booking)
    await set_back(database, hold)
    assert await broken_invariants(database, world.restaurant_id) == {}
    await world.confirm(hold)
    assert await broken_invariants(database, world.restaurant_id) == {}


async def test_a_hold_that_lives_again_is_not_confirmed_on_a_table_that_is_gone(
    world: World, server: Served, database: Connection
) -> None:
    hold = await world.hold(await world.booking(), "T1")
    await expire(server.database_url, hold.hold_id)
    floor = await world.floor()
    del floor.tables[:], floor.adjacency[:]
    await world.client.put_floor(PutFloorRequest(restaurant_id=world.restaurant_id, floor=floor))
    await set_back(database, hold)
    with pytest.raises(TableNotFoundError):
        await world.confirm(hold)
    assert (await world.release(hold)).state == HoldState.HOLD_STATE_RELEASED
    assert await broken_invariants(database, world.restaurant_id) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda world, booking: world.reassign(booking, "T3"),
        lambda world, booking: world.booking(booking_id=booking.booking_id),
        lambda world, booking: world.transition(booking, BookingAction.BOOKING_ACTION_CANCEL),
    ],
    ids=["reassigned", "changed", "cancelled"],
)
async def test_a_hold_whose_booking_went_on_without_it_lives_no_more(
    world: World,
    server: Served,
    database: Connection,
    change: Callable[[World, Booking], Awaitable[object]],
) -> None:
    booking, hold = await leaning(world)
    await expire(server.database_url, hold.hold_id)
    await change(world, booking)
    await set_back(database, hold)
    assert (await world.release(hold)).state == HoldState.HOLD_STATE_EXPIRED
    assert await count(database, ENDS) == 1
    broken = await broken_invariants(database, world.restaurant_id)
    assert broken.keys() <= {"a hold was told to be over before its time"}
