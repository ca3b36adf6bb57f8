"""A2: A thousand parties, one table."""

import asyncio

import pytest

from maitred_client import TableConflictHeldError
from tests.builders.world import TableSpec, small_world
from tests.conftest import Served
from tests.races.attempts import TIMEOUT_S, several_clients, together
from tests.races.evidence import broken_invariants, count, ledger_of_holds
from tests.races.in_flight import wait_for_calls
from tests.support.database import connected, restaurant_locked

PARTIES = 1_000


async def test_of_a_thousand_holds_for_one_table_exactly_one_succeeds(server: Served) -> None:
    async with several_clients(server) as clients, connected(server.database_url) as database:
        world = await small_world(clients[0], tables=[TableSpec("T1")])
        bookings = await together(
            clients[n % len(clients)].put_booking(world.booking_request()) for n in range(PARTIES)
        )
        assert bookings.errors == ()
        requests = [world.hold_request(put.booking.booking_id, ["T1"]) for put in bookings.answers]
        async with restaurant_locked(server.database_url, world.restaurant_id):
            race = asyncio.create_task(
                together(
                    clients[n % len(clients)].hold_tables(request, timeout_s=TIMEOUT_S)
                    for n, request in enumerate(requests)
                )
            )
            await wait_for_calls(server, PARTIES)
        holds = await race
        assert len(holds.answers) == 1
        assert {type(error) for error in holds.errors} == {TableConflictHeldError}
        assert len(holds.errors) == PARTIES - 1
        assert await broken_invariants(database, world.restaurant_id) == {}
        assert await ledger_of_holds(database, server.tenant_id) == (1, PARTIES - 1)
        rows = await database.fetch("SELECT hold_id::text, state FROM holds")
        assert [tuple(row) for row in rows] == [(holds.answers[0].hold.hold_id, "active")]
        assert await count(database, "SELECT count(*) FROM table_claims") == 1
        changed = (
            "SELECT count(*) FROM capacity_outbox WHERE payload ? 'expiresAt' AND NOT payload ? 'conflicts'"
        )
        assert await count(database, changed) == 1


async def test_each_refused_hold_says_what_is_in_the_way(server: Served) -> None:
    async with several_clients(server, 2) as clients:
        world = await small_world(clients[0])
        first, second = await world.booking(), await world.booking()
        held = await world.hold(first, "T1")
        with pytest.raises(TableConflictHeldError) as refused:
            await world.hold(second, "T1", "T2")
        (conflict,) = refused.value.conflicts
        assert conflict.table_id == held.table_ids[0]
        assert conflict.free_from == held.expires_at.ToDatetime(conflict.free_from.tzinfo)
