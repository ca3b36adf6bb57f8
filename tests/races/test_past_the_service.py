"""A2, A12: What the database refuses on its own, whoever writes to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import asyncpg
import pytest

from maitred_client.messages import Assignment, Booking, Hold
from tests.builders.world import STAY, World, evening, small_world
from tests.conftest import Served
from tests.races.evidence import count
from tests.support.database import Connection, connected

HOUR = timedelta(hours=1)
INTRUDERS = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """A world with a hold on T1, an assignment on T2 and T3, and a block on T5, all at the same time."""

    world: World
    database: Connection
    hold: Hold
    merged: Assignment
    seated: Booking

    async def take(self, name: str, start: datetime, end: datetime) -> None:
        """Claims a table for a block of its own, past the service."""
        restaurant_id, block_id = UUID(self.world.restaurant_id), uuid4()
        table_id = UUID(self.world.tables[name])
        async with self.database.transaction():
            await self.database.execute(
                "INSERT INTO blocks (restaurant_id, block_id, table_ids, window_start, window_end, cause, note, "
                "actor, created_at) VALUES ($1, $2, $3, $4, $5, 'other', '', 'intruder', now())",
                *(restaurant_id, block_id, [table_id], start, end),
            )
            await self.database.execute(
                "INSERT INTO table_claims (restaurant_id, table_id, during, kind, block_id) "
                "VALUES ($1, $2, tstzrange($3, $4), 'block', $5)",
                *(restaurant_id, table_id, start, end, block_id),
            )


@pytest.fixture
async def taken(each_server: Served) -> AsyncIterator[Taken]:
    async with each_server.client() as client, connected(each_server.database_url) as database:
        world = await small_world(client)
        hold = await world.hold(await world.booking(), "T1")
        seated = await world.booking(party=6)
        merged = await world.assign(seated, "T2", "T3")
        await world.block("T5")
        yield Taken(world, database, hold, merged, seated)


TAKEN = ("T1", "T2", "T3", "T5")


async def test_no_claim_overlaps_another_of_whatever_kind(taken: Taken) -> None:
    windows = (
        (evening(), evening() + STAY),
        (evening() - HOUR, evening() + timedelta(seconds=1)),
        (evening() + STAY - timedelta(seconds=1), evening() + STAY + HOUR),
        (evening() - HOUR, evening() + STAY + HOUR),
    )
    for name, (start, end) in product(TAKEN, windows):
        with pytest.raises(asyncpg.ExclusionViolationError) as refused:
            await taken.take(name, start, end)
        assert refused.value.constraint_name == "table_claims_no_overlap"
    for name in TAKEN:
        await taken.take(name, evening() - HOUR, evening())
        await taken.take(name, evening() + STAY, evening() + STAY + HOUR)


async def test_of_many_transactions_that_lock_nothing_one_claims_a_table(
    each_server: Served, taken: Taken
) -> None:
    """The constraint alone decides. Two that wait for each other may both be sent away, by a deadlock."""
    async with AsyncExitStack() as stack:
        intruders = [
            replace(taken, database=await stack.enter_async_context(connected(each_server.database_url)))
            for _ in range(INTRUDERS)
        ]
        outcomes = await asyncio.gather(
            *(intruder.take("T4", evening(), evening() + STAY) for intruder in intruders),
            return_exceptions=True,
        )
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(refused) == INTRUDERS - 1
    assert {type(error) for error in refused} <= {
        asyncpg.ExclusionViolationError,
        asyncpg.DeadlockDetectedError,
    }
    claims = "SELECT count(*) FROM table_claims WHERE table_id = $1"
    assert await count(taken.database, claims, taken.world.tables["T4"]) == 1


async def test_even_an_expired_hold_has_to_be_removed_first(taken: Taken) -> None:
    expire = (
        "UPDATE {} SET expires_at = created_at + interval '1 microsecond' WHERE hold_id = $1",
        "UPDATE table_claims SET expires_at = now() - interval '1 second' WHERE hold_id = $1",
    )
    await taken.database.execute(expire[0].format("holds"), taken.hold.hold_id)
    await taken.database.execute(expire[1], taken.hold.hold_id)
    with pytest.raises(asyncpg.ExclusionViolationError):
        await taken.take("T1", evening(), evening() + STAY)
    later = await taken.world.hold(await taken.world.booking(), "T1")
    assert later.hold_id != taken.hold.hold_id


ONTO_ANOTHER = (
    "UPDATE table_claims SET table_id = '{T2}' WHERE hold_id = '{hold}'",
    (
        "UPDATE table_claims SET during = tstzrange(lower(during) - interval '1 day', upper(during)), "
        "table_id = '{T3}' WHERE hold_id = '{hold}'"
    ),
)


async def test_no_claim_can_be_moved_onto_another(taken: Taken) -> None:
    for statement in ONTO_ANOTHER:
        with pytest.raises(asyncpg.ExclusionViolationError):
            await taken.database.execute(statement.format(hold=taken.hold.hold_id, **taken.world.tables))


ASIDE = (
    (
        "UPDATE table_claims SET enforced = false WHERE assignment_id = '{assignment}'",
        "only_holds_unenforced",
    ),
    ("UPDATE table_claims SET kind = 'block' WHERE hold_id = '{hold}'", "one_owner"),
    ("UPDATE table_claims SET during = 'empty' WHERE hold_id = '{hold}'", "bounded"),
    ("UPDATE table_claims SET during = tstzrange(now(), NULL) WHERE hold_id = '{hold}'", "bounded"),
)


async def test_a_claim_cannot_be_made_to_step_aside(taken: Taken) -> None:
    for statement, constraint in ASIDE:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await taken.database.execute(
                statement.format(hold=taken.hold.hold_id, assignment=taken.merged.assignment_id)
            )
        assert refused.value.constraint_name == f"table_claims_{constraint}"


async def test_no_booking_is_confirmed_without_tables(taken: Taken) -> None:
    pending = taken.hold.booking_id
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await taken.database.execute(
            "UPDATE bookings SET status = 'confirmed' WHERE booking_id = $1", pending
        )
    assert refused.value.constraint_name == "bookings_confirmed_has_tables"
    with pytest.raises(asyncpg.CheckViolationError):
        await taken.database.execute(
            "UPDATE bookings SET assignment_id = NULL WHERE booking_id = $1", taken.seated.booking_id
        )


async def test_a_confirmed_booking_keeps_its_assignment_active(taken: Taken) -> None:
    end = "UPDATE assignments SET state = $2 WHERE assignment_id = $1"
    for state in ("released", "completed"):
        with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
            await taken.database.execute(end, taken.merged.assignment_id, state)
        assert refused.value.constraint_name == "bookings_assignment_active"


LOSSES = (
    "DELETE FROM table_claims WHERE assignment_id = '{assignment}'",
    "DELETE FROM table_claims WHERE assignment_id = '{assignment}' AND table_id = '{T2}'",
    "UPDATE assignments SET table_ids = table_ids || '{T4}'::uuid WHERE assignment_id = '{assignment}'",
    (
        "UPDATE table_claims SET kind = 'block', booking_id = NULL, assignment_id = NULL, "
        "block_id = (SELECT block_id FROM blocks WHERE '{T5}' = any(table_ids)) WHERE table_id = '{T2}'"
    ),
    "UPDATE table_claims SET table_id = '{T4}' WHERE assignment_id = '{assignment}' AND table_id = '{T3}'",
    (
        "UPDATE table_claims SET during = tstzrange(lower(during), lower(during) + interval '1 minute') "
        "WHERE assignment_id = '{assignment}'"
    ),
    "UPDATE assignments SET window_end = window_end + interval '1 hour' WHERE assignment_id = '{assignment}'",
)


async def test_an_active_assignment_cannot_lose_a_claim(taken: Taken) -> None:
    for statement in LOSSES:
        transaction = taken.database.transaction()
        await transaction.start()
        await taken.database.execute(
            statement.format(assignment=taken.merged.assignment_id, **taken.world.tables)
        )
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await transaction.commit()
        assert refused.value.constraint_name == "assignments_claims_whole"
    left = await taken.database.fetchval(
        "SELECT count(*) FROM table_claims WHERE assignment_id = $1", taken.merged.assignment_id
    )
    assert left == 2


STRANGERS = (
    "UPDATE table_claims SET table_id = '{table}' WHERE hold_id = '{own_hold}'",
    "UPDATE table_claims SET booking_id = '{booking}' WHERE hold_id = '{own_hold}'",
    "UPDATE table_claims SET hold_id = '{hold}' WHERE hold_id = '{own_hold}'",
    "UPDATE table_claims SET assignment_id = '{assignment}' WHERE assignment_id = '{own_assignment}'",
    "UPDATE holds SET booking_id = '{booking}' WHERE hold_id = '{own_hold}'",
    "UPDATE assignments SET booking_id = '{booking}' WHERE assignment_id = '{own_assignment}'",
    "UPDATE assignments SET hold_id = '{hold}' WHERE assignment_id = '{own_assignment}'",
    "UPDATE bookings SET assignment_id = '{assignment}' WHERE booking_id = '{own_booking}'",
    "UPDATE merge_groups SET assignment_id = '{assignment}' WHERE assignment_id = '{own_assignment}'",
    "UPDATE bookings SET zone_id = '{zone}' WHERE booking_id = '{own_booking}'",
    "UPDATE tables SET zone_id = '{zone}' WHERE table_id = '{own_table}'",
    (
        "INSERT INTO table_adjacency VALUES ('{restaurant}', least('{table}'::uuid, '{own_table}'::uuid), "
        "greatest('{table}'::uuid, '{own_table}'::uuid))"
    ),
)


MIXED_UP = (
    "UPDATE bookings SET status = 'confirmed', assignment_id = '{assignment}' WHERE booking_id = '{other}'",
    "UPDATE table_claims SET booking_id = '{other}' WHERE assignment_id = '{assignment}'",
    "UPDATE table_claims SET booking_id = '{seated}' WHERE hold_id = '{hold}'",
)


async def test_no_booking_can_use_what_is_anothers_in_the_same_restaurant(taken: Taken) -> None:
    names = {
        "assignment": taken.merged.assignment_id,
        "hold": taken.hold.hold_id,
        "seated": taken.seated.booking_id,
        "other": taken.hold.booking_id,
    }
    for statement in MIXED_UP:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await taken.database.execute(statement.format(**names))


async def test_nothing_of_another_restaurant_can_be_named(taken: Taken) -> None:
    other = await small_world(taken.world.client)
    hold = await other.hold(await other.booking(), "T1")
    merged = await other.assign(await other.booking(party=6), "T2", "T3")
    names = {
        "restaurant": taken.world.restaurant_id,
        "own_hold": taken.hold.hold_id,
        "own_assignment": taken.merged.assignment_id,
        "own_booking": taken.seated.booking_id,
        "own_table": taken.world.tables["T1"],
        "table": other.tables["T1"],
        "zone": other.zone_id,
        "hold": hold.hold_id,
        "booking": hold.booking_id,
        "assignment": merged.assignment_id,
    }
    for statement in STRANGERS:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await taken.database.execute(statement.format(**names))
