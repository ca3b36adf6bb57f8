"""C1: Two servers on one database: a change through one is used by the other at once, whether it was told or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial
from uuid import UUID

import pytest

from maitred_client import AsyncMaitredClient
from maitred_client.messages import Booking
from server import news
from server.bootstrap import serving
from server.cache.follower import CacheFollower
from server.config import Settings
from server.orchestrator.floor_feed import FloorFeed
from tests.builders.world_extras import House, house
from tests.conftest import Served
from tests.support.database import connected
from tests.support.severing import passage
from tests.support.watching import require_equal_to_the_database, watching

PATIENCE_S = 30.0
RESTAURANTS = 16


def seen_through(place: House, client: AsyncMaitredClient) -> House:
    return House(client, place.restaurant_id, place.zone_id, place.tables, place.zones)


async def capacity(place: House, table: str) -> int:
    floor = await place.floor()
    return next(each.capacity for each in floor.tables if each.name == table)


@asynccontextmanager
async def no_longer_told(
    server: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[House, House]]:
    """A restaurant, and the same through another server that knows its floor and hears of no change any more."""
    down = asyncio.Event()
    async with (
        passage(server.database_url) as way,
        serving(settings, way.url) as deaf,
        server.client() as here,
        AsyncMaitredClient(deaf.address, tenant_id=server.tenant_id) as there,
    ):
        place = await house(here)
        across = seen_through(place, there)
        assert await capacity(across, "W1") == 4
        monkeypatch.setattr(FloorFeed, "on_channel", lambda *_: down.set())
        way.cut_listening()
        await down.wait()
        yield place, across


async def test_a_change_through_one_server_is_loaded_by_the_other_before_anybody_asks(
    server: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: asyncio.Queue[UUID] = asyncio.Queue()
    listening = asyncio.Event()

    class Follower(CacheFollower):
        """Of the server that is started from here on. It drops what is kept when it begins to listen."""

        def on_gap(self) -> None:
            super().on_gap()
            listening.set()

    monkeypatch.setattr(news, "CacheFollower", partial(Follower, on_loaded=loaded.put))
    async with (
        serving(settings, server.database_url) as other,
        server.client() as here,
        AsyncMaitredClient(other.address, tenant_id=server.tenant_id) as there,
    ):
        await listening.wait()
        place = await house(here)
        assert await capacity(seen_through(place, there), "W1") == 4
        while not loaded.empty():
            loaded.get_nowait()
        await place.update("W1", capacity=6)
        async with asyncio.timeout(PATIENCE_S):
            assert str(await loaded.get()) == place.restaurant_id
        assert await capacity(seen_through(place, there), "W1") == 6
        # Nor does anybody have to wait for that: who asks right after the change is told the change.
        for seats in (7, 8, 9, 10):
            await place.update("W1", capacity=seats)
            assert await capacity(seen_through(place, there), "W1") == seats


async def test_plans_and_changes_of_floors_that_nobody_has_loaded_do_not_wait_for_each_other(
    server: Served, settings: Settings
) -> None:
    async with server.client() as client:
        places = [await house(client) for _ in range(RESTAURANTS)]
        bookings = [await place.party() for place in places]
    few = settings.model_copy(update={"pool_size_max": 2})
    async with (
        serving(few, server.database_url) as cold,
        AsyncMaitredClient(cold.address, tenant_id=server.tenant_id) as client,
    ):
        seen = [seen_through(place, client) for place in places]
        plans = (place.plan(booking) for place, booking in zip(seen, bookings, strict=True))
        await asyncio.gather(*plans, *(place.party() for place in seen))


async def test_without_notifications_no_request_uses_what_is_old(
    server: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with no_longer_told(server, settings, monkeypatch) as (place, across):
        booking = await place.party(9)
        for seats in (9, 10, 11, 9, 12):
            await place.update("F6", capacity=seats)
            assert await capacity(across, "F6") == seats
            plans = (await across.plan(booking)).plans
            assert {plan.slack for plan in plans if list(plan.table_names) == ["F6"]} <= {seats - 9}
            assert any(list(plan.table_names) == ["F6"] for plan in plans)


async def test_without_notifications_watchers_are_served_all_the_same(
    server: Served, settings: Settings
) -> None:
    often = settings.model_copy(update={"watch_poll_s": 0.05})
    async with passage(server.database_url) as way:
        way.cut_listening()
        async with (
            serving(often, way.url) as deaf,
            server.client() as here,
            AsyncMaitredClient(deaf.address, tenant_id=server.tenant_id) as there,
        ):
            place = await house(here)
            async with watching(there, place.restaurant_id) as sights:
                await place.seated("W1")
                await sights.until(sights.state.floor_version + 2)
                await require_equal_to_the_database(sights.state, server.database_url, place.restaurant_id)


async def test_without_notifications_no_plan_uses_claims_that_are_old(
    server: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with no_longer_told(server, settings, monkeypatch) as (place, across):
        booking, other = await place.party(4), await place.party(4)
        for _ in range(3):
            free = await names_planned(across, booking)
            assert "W1" in free
            # Kept there from now on.
            assert await names_planned(across, booking) == free
            hold = await place.hold(other, "W1")
            taken = await names_planned(across, booking)
            assert "W1" not in taken
            # Whoever holds the table is not in his own way.
            assert "W1" in await names_planned(across, other)
            await place.release(hold)


async def test_a_plan_sees_claims_that_came_with_a_new_version_from_anywhere(
    server: Served, client: AsyncMaitredClient
) -> None:
    place = await house(client)
    booking = await place.party(4)
    assert "W1" in await names_planned(place, booking)
    start = booking.window_start.ToDatetime(UTC)
    async with connected(server.database_url) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id)"
            " SELECT $1, $2, tstzrange(s.start, s.start + interval '1 minute'), 'block', gen_random_uuid()"
            " FROM (SELECT $3::timestamptz AS start) AS s",
            UUID(place.restaurant_id),
            UUID(place.tables["W1"]),
            start,
        )
        await connection.execute(
            "UPDATE restaurants SET floor_version = floor_version + 1 WHERE restaurant_id = $1",
            UUID(place.restaurant_id),
        )
    assert "W1" not in await names_planned(place, booking)


async def names_planned(place: House, booking: Booking) -> set[str]:
    return {name for plan in (await place.plan(booking)).plans for name in plan.table_names}
