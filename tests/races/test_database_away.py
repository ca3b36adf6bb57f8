"""A database that answers and does not serve: callers are told to come again, health says so, nothing is broken."""

import asyncio
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from maitred_client import AsyncMaitredClient, RetryPolicy, StoreContentionError, StoreUnavailableError
from maitred_client.messages import (
    CheckInvariantsRequest,
    GetBookingRequest,
    GetFloorRequest,
    WatchFloorRequest,
)
from server.bootstrap import serving
from server.config import load_settings
from server.rpc.health import ask_health
from tests.builders.world import small_world
from tests.builders.world_extras import refused
from tests.support.database import connected
from tests.support.postgres import TestServer

HEALTH_WAIT_S = 60.0
NO_RETRIES = RetryPolicy(attempts_max=1)

# What is done to the database, what undoes it, and what callers are told.
WAYS = {
    "it takes no changes, as a replica": (
        "ALTER DATABASE {0} SET default_transaction_read_only = on",
        "ALTER DATABASE {0} RESET default_transaction_read_only",
        "can only be read",
    ),
    "it is closed to connections": (
        "ALTER DATABASE {0} ALLOW_CONNECTIONS false",
        "ALTER DATABASE {0} ALLOW_CONNECTIONS true",
        "could not be reached",
    ),
}


async def says(address: str, status: str) -> None:
    async with asyncio.timeout(HEALTH_WAIT_S):
        # A balancer asks again and again as well.
        while (await ask_health(address, HEALTH_WAIT_S)).overall != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def alter(postgres: TestServer, name: str, statement: str) -> None:
    """The sessions that there are end, so that the next ones meet what was changed."""
    async with connected(postgres.url()) as admin:
        await admin.execute(statement.format(name))
        await admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", name
        )


@pytest.mark.parametrize("way", WAYS)
async def test_while_nothing_can_be_changed_callers_are_told_to_come_again(
    way: str, postgres: TestServer
) -> None:
    settings = load_settings(port=0, log_level="error", pool_size_min=1, health_interval_s=0.05)
    take_away, bring_back, told = WAYS[way]
    async with (
        postgres.fresh_database() as url,
        serving(settings, url) as running,
        AsyncMaitredClient(running.address, tenant_id=uuid4(), actor="tests", retry=NO_RETRIES) as client,
    ):
        name = urlsplit(url).path.removeprefix("/")
        world = await small_world(client)
        booking = await world.booking()
        request = world.hold_request(booking.booking_id, ["T1"])
        await alter(postgres, name, take_away)
        try:
            await says(running.address, "NOT_SERVING")
            for call in (client.hold_tables(request), client.put_booking(world.booking_request())):
                assert told in (await refused(call, StoreUnavailableError)).message
        finally:
            await alter(postgres, name, bring_back)
        await says(running.address, "SERVING")
        held = (await client.hold_tables(request)).hold
        assert held.booking_id == booking.booking_id
        assert (await client.hold_tables(request)).hold == held


# As PostgreSQL does when a file cannot be extended, of the tables that there are and of any new one.
FULL_DISK = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$;
    CREATE FUNCTION no_room_at_all() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON bookings EXECUTE FUNCTION no_room();
    CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN tag IN ('CREATE TABLE AS')
    EXECUTE FUNCTION no_room_at_all();
"""
ROOM_AGAIN = "DROP TRIGGER full_disk ON bookings; DROP EVENT TRIGGER full_disk"


async def test_a_server_that_starts_on_a_replica_does_not_wait_an_interval_to_say_so(
    database_url: str,
) -> None:
    url = f"{database_url}&default_transaction_read_only=on"
    async with serving(load_settings(port=0, health_interval_s=60), url) as running, asyncio.timeout(30):
        await says(running.address, "NOT_SERVING")


async def test_while_the_disk_is_full_callers_are_told_so_and_health_says_that_nothing_can_be_changed(
    database_url: str,
) -> None:
    """The first change that finds no room tells; that there is room again shows without any."""
    settings = load_settings(port=0, log_level="error", pool_size_min=1, health_interval_s=0.05)
    async with (
        serving(settings, database_url) as running,
        AsyncMaitredClient(running.address, tenant_id=uuid4(), actor="tests", retry=NO_RETRIES) as client,
        connected(database_url) as database,
    ):
        world = await small_world(client)
        await database.execute(FULL_DISK)
        error = await refused(client.put_booking(world.booking_request()), StoreUnavailableError)
        assert "no room left on its disk" in error.message
        await says(running.address, "NOT_SERVING")
        await database.execute(ROOM_AGAIN)
        await says(running.address, "SERVING")
        await world.booking()


async def test_who_asks_about_what_somebody_has_locked_and_may_not_wait_for_it_is_told_to_come_again(
    database_url: str,
) -> None:
    """As a role's lock_timeout has it, and as it is where a replica gives a question up for what it has to replay."""
    settings = load_settings(port=0, log_level="error", pool_size_min=1, health_interval_s=60)
    async with (
        serving(settings, f"{database_url}&lock_timeout=1") as running,
        AsyncMaitredClient(running.address, tenant_id=uuid4(), actor="tests", retry=NO_RETRIES) as client,
        connected(database_url) as database,
    ):
        world = await small_world(client)
        booking, here = await world.booking(), world.restaurant_id
        async with database.transaction():
            await database.execute("LOCK TABLE restaurants, bookings")
            for question in (
                client.get_floor(GetFloorRequest(restaurant_id=here)),
                client.get_booking(GetBookingRequest(restaurant_id=here, booking_id=booking.booking_id)),
                client.check_invariants(CheckInvariantsRequest(restaurant_id=here)),
                anext(client.watch_floor(WatchFloorRequest(restaurant_id=here))),
            ):
                await refused(question, StoreContentionError)
        assert (await client.get_floor(GetFloorRequest(restaurant_id=here))).floor.tables


async def test_a_server_that_has_stopped_looks_after_its_database_no_more(database_url: str) -> None:
    before = asyncio.all_tasks()
    async with serving(load_settings(port=0, log_level="error"), database_url):
        assert asyncio.all_tasks() - before
    assert asyncio.all_tasks() - before == set()
