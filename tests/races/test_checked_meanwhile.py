"""A look at the data in the middle of everything sees one instant, in which nothing contradicts itself."""

import asyncio

from maitred_client.messages import (
    BookingAction,
    CheckInvariantsRequest,
    CheckInvariantsResponse,
    GetRestaurantRequest,
)
from tests.builders.world import World, evening, small_world
from tests.conftest import Served
from tests.support.database import connected

LOOKS = 12


async def busy(world: World, table: str, seen: asyncio.Event) -> None:
    """Holds, confirms, gives back, moves and cancels on one table, again and again."""
    while not seen.is_set():
        booking = await world.booking()
        await world.confirm(await world.hold(booking, table))
        await world.booking(booking_id=booking.booking_id, start=evening(20))
        await world.hold(booking, table)
        await world.unassign(booking)
        await world.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)


async def test_no_check_reports_anything_while_tables_change_hands(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
        looks: list[CheckInvariantsResponse] = []
        seen = asyncio.Event()
        async with asyncio.TaskGroup() as work:
            for table in world.tables:
                work.create_task(busy(world, table, seen))
            while len({look.counts.events for look in looks}) < LOOKS:
                looks.append(await client.check_invariants(CheckInvariantsRequest()))
            seen.set()
    assert [check for look in looks for check in look.checks if check.violations] == []


async def test_however_many_checks_a_tenant_asks_for_others_are_answered(server: Served) -> None:
    async with server.client() as client, connected(server.database_url) as database:
        world = await small_world(client)
        async with database.transaction():
            await database.execute("LOCK TABLE blocks")
            checks = [
                asyncio.ensure_future(client.check_invariants(CheckInvariantsRequest())) for _ in range(20)
            ]
            await asyncio.sleep(0.1)
            await client.get_restaurant(GetRestaurantRequest(restaurant_id=world.restaurant_id))
            assert not any(check.done() for check in checks)
            for check in checks[1:]:
                check.cancel()
        assert (await checks[0]).checks
        await asyncio.gather(*checks, return_exceptions=True)
