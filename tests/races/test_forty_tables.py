"""A2: Many parties, merges and overlapping windows on forty tables, all at once."""

import random
from collections.abc import Sequence
from datetime import timedelta

from maitred_client import TableConflictHeldError
from maitred_client.messages import Hold
from tests.builders.world import TableSpec, World, evening, small_world
from tests.conftest import Served
from tests.races.attempts import TIMEOUT_S, several_clients, together
from tests.races.evidence import broken_invariants, count, ledger_of_holds
from tests.support.database import Connection, connected

PARTIES = 1_000
ROWS, ROW_LENGTH = 5, 8
SEED = 20_260_401


def names_of(row: int) -> list[str]:
    return [f"R{row}T{number}" for number in range(ROW_LENGTH)]


async def test_a_thousand_holds_on_forty_tables_never_overlap(server: Served) -> None:
    rng = random.Random(SEED)
    async with several_clients(server) as clients, connected(server.database_url) as database:
        world = await small_world(
            clients[0],
            tables=[TableSpec(name) for row in range(ROWS) for name in names_of(row)],
            adjacent=[
                pair for row in range(ROWS) for pair in zip(names_of(row), names_of(row)[1:], strict=False)
            ],
        )
        starts = [evening(10) + timedelta(minutes=15 * rng.randrange(48)) for _ in range(PARTIES)]
        bookings = await together(
            clients[n % len(clients)].put_booking(world.booking_request(start=start))
            for n, start in enumerate(starts)
        )
        assert bookings.errors == ()
        holds = await together(
            clients[n % len(clients)].hold_tables(
                world.hold_request(put.booking.booking_id, some_adjacent(rng)), timeout_s=TIMEOUT_S
            )
            for n, put in enumerate(bookings.answers)
        )
        assert {type(error) for error in holds.errors} == {TableConflictHeldError}
        assert len(holds.answers) + len(holds.errors) == PARTIES
        assert len(holds.answers) > ROWS * ROW_LENGTH
        assert await broken_invariants(database, world.restaurant_id) == {}
        assert await ledger_of_holds(database, server.tenant_id) == (
            len(holds.answers),
            len(holds.errors),
        )
        await require_whole(database, world, [answer.hold for answer in holds.answers])


def some_adjacent(rng: random.Random) -> list[str]:
    length = rng.randint(1, 3)
    first = rng.randrange(ROW_LENGTH - length + 1)
    return names_of(rng.randrange(ROWS))[first : first + length]


async def require_whole(database: Connection, world: World, holds: Sequence[Hold]) -> None:
    """Exactly the held tables are claimed, each for the whole window of its hold."""
    found = await database.fetch(
        "SELECT hold_id::text, table_id::text, lower(during) AS start, upper(during) AS end "
        "FROM table_claims WHERE restaurant_id = $1",
        world.restaurant_id,
    )
    wanted = {
        (
            hold.hold_id,
            table_id,
            hold.window_start.ToDatetime(evening().tzinfo),
            hold.window_end.ToDatetime(evening().tzinfo),
        )
        for hold in holds
        for table_id in hold.table_ids
    }
    assert {tuple(row) for row in found} == wanted
    assert len(found) == len(wanted)
    assert await count(database, "SELECT count(*) FROM holds WHERE state = 'active'") == len(holds)
