"""A14: a call and the worker may assign the same booking at the same moment; one of them does."""

from tests.conftest import Served
from tests.races.attempts import several_clients
from tests.races.inline_and_background import race
from tests.support.working import worker_on

BOOKINGS = 50


async def test_whoever_is_faster_a_booking_gets_tables_once(server: Served) -> None:
    """`python -m tests.races.inline_and_background` does it a thousand times."""
    async with (
        several_clients(server, 1) as (client,),
        worker_on(server.database_url, auto_assign_poll_s=0.01),
    ):
        raced = await race(client, server.database_url, BOOKINGS)
    assert raced.broken == []
    assert sum(raced.winners.values()) == BOOKINGS
    assert sum(raced.told.values()) == BOOKINGS
