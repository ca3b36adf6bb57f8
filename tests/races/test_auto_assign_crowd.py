"""Many automatic assignments at once: of one booking, and of many bookings for few tables."""

import asyncio
import itertools
import random

from maitred_client import NoFeasiblePlanError, RequestInProgressError, new_request_id
from maitred_client.messages import AutoAssignOutcome
from tests.builders.world import TableSpec, small_world
from tests.conftest import Served
from tests.races.attempts import several_clients, together, until_answered
from tests.races.evidence import broken_invariants, count
from tests.races.in_flight import wait_for_calls
from tests.support.database import connected, restaurant_locked

CALLS = 50
PARTIES = 40
ROWS, ROW_LENGTH = 4, 3
SEED = 11
COMPLETED = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_COMPLETED_IN_TIME
ALREADY = AutoAssignOutcome.AUTO_ASSIGN_OUTCOME_ALREADY_ASSIGNED


async def test_one_booking_asked_for_fifty_times_at_once_is_assigned_once(each_server: Served) -> None:
    """Half of the calls leave the id to the server, half have one of their own."""
    async with several_clients(each_server) as clients, connected(each_server.database_url) as database:
        world = await small_world(clients[0])
        booking = await world.booking(party=6)
        requests = [
            world.auto_assign_request(booking.booking_id, request_id=new_request_id() if n % 2 else "")
            for n in range(CALLS)
        ]
        async with restaurant_locked(each_server.database_url, world.restaurant_id):
            race = asyncio.create_task(
                together(clients[n % len(clients)].auto_assign(request) for n, request in enumerate(requests))
            )
            await wait_for_calls(each_server, CALLS // 2)
        raced = await race
        assert {type(error) for error in raced.errors} <= {RequestInProgressError}
        repeated = [await until_answered(clients[0].auto_assign, request) for request in requests]
        answers = [*raced.answers, *repeated]
        assert {answer.outcome for answer in answers} == {COMPLETED, ALREADY}
        assert len({answer.assignment.assignment_id for answer in answers}) == 1
        assert len({answer.booking.SerializeToString(deterministic=True) for answer in answers}) == 1
        completed = {answer.request_id for answer in answers if answer.outcome == COMPLETED}
        assert len(completed) == 1
        assert len({answer.request_id for answer in answers}) == CALLS // 2 + 1
        assert await count(database, "SELECT count(*) FROM assignments") == 1
        assert await count(database, "SELECT count(*) FROM holds") == 0
        assert await broken_invariants(database, world.restaurant_id) == {}


async def test_nobody_is_refused_while_a_set_is_free_and_nobody_is_starved(each_server: Served) -> None:
    """Parties of four and of eight: as many are seated as no other party could be added to."""
    rng = random.Random(SEED)
    names = [[f"R{row}T{number}" for number in range(ROW_LENGTH)] for row in range(ROWS)]
    pairs = [pair for row in names for pair in itertools.pairwise(row)]
    async with several_clients(each_server) as clients, connected(each_server.database_url) as database:
        world = await small_world(
            clients[0],
            tables=[TableSpec(name) for row in names for name in row],
            adjacent=pairs,
        )
        sizes = [rng.choice((4, 8)) for _ in range(PARTIES)]
        bookings = [await world.booking(party=size) for size in sizes]
        raced = await together(
            clients[n % len(clients)].auto_assign(world.auto_assign_request(booking.booking_id))
            for n, booking in enumerate(bookings)
        )
        assert {type(error) for error in raced.errors} == {NoFeasiblePlanError}
        assert {error.metadata["outcome"] for error in raced.errors} == {"fully_taken"}
        assert len(raced.answers) + len(raced.errors) == PARTIES
        taken = {table for answer in raced.answers for table in answer.assignment.table_ids}
        free = set(world.tables.values()) - taken
        refused = {int(error.metadata["party_size"]) for error in raced.errors}
        assert 4 not in refused or not free
        assert not any(free >= set(world.ids(pair)) for pair in pairs)
        assert await broken_invariants(database, world.restaurant_id) == {}
        again = await together(
            clients[0].auto_assign(world.auto_assign_request(booking.booking_id)) for booking in bookings
        )
        assert len(again.answers) == len(raced.answers)
