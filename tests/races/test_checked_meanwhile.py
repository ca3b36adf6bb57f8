"""A look at the data in the middle of everything sees one instant, in which nothing contradicts itself."""

import asyncio

from maitred_client.messages import BookingAction, CheckInvariantsRequest
from tests.builders.world import World, evening, small_world
from tests.conftest import Served

ROUNDS = 12


async def busy(world: World, table: str) -> None:
    """Holds, confirms, gives back, moves and cancels on one table, again and again."""
    for _ in range(ROUNDS):
        booking = await world.booking()
        await world.confirm(await world.hold(booking, table))
        await world.booking(booking_id=booking.booking_id, start=evening(20))
        await world.hold(booking, table)
        await world.unassign(booking)
        await world.transition(booking, BookingAction.BOOKING_ACTION_CANCEL)


async def test_no_check_reports_anything_while_tables_change_hands(server: Served) -> None:
    async with server.client() as client:
        world = await small_world(client)
        work = asyncio.gather(*(busy(world, table) for table in world.tables))
        looks = []
        while not work.done():
            looks.append(await client.check_invariants(CheckInvariantsRequest()))
        await work
    assert len({look.counts.events for look in looks}) > 1, "nothing changed between the looks"
    assert [check for look in looks for check in look.checks if check.violations] == []
