"""The same bookings assigned by calls and by a worker at the same moment: each gets tables once.

`python -m tests.races.inline_and_background [--bookings N]` starts a PostgreSQL, a server and a worker of its own and
prints who was faster how often.
"""

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from maitred_client import AsyncMaitredClient, MaitredError, RetryPolicy, new_request_id
from maitred_client.messages import DispatchAutoAssignRequest
from server.bootstrap import serving
from server.config import load_settings
from tests.builders.world import World, evening, small_world, stamp
from tests.races.evidence import broken_invariants
from tests.support.database import connected, rows
from tests.support.postgres import TestServer, postgres_forms, running_postgres
from tests.support.working import until, worker_on

AT_ONCE = 25
START_IN_S = 0.2
TIMEOUT_S = 120.0
ONCE = RetryPolicy(attempts_max=1)
# One event of the outcome and one assignment for every booking, and nothing else.
WRONG = """
    SELECT b.booking_id::text AS booking,
        (SELECT count(*) FROM assignments AS a
            WHERE (a.restaurant_id, a.booking_id) = (b.restaurant_id, b.booking_id)) AS assignments,
        (SELECT count(*) FROM capacity_outbox AS e WHERE e.restaurant_id = b.restaurant_id
            AND e.booking_id = b.booking_id AND e.event_type = 'capacity.auto_assign.outcome') AS told
    FROM bookings AS b
"""
WINNERS = (
    "SELECT payload->>'trigger' AS trigger, count(*) FROM capacity_outbox"
    " WHERE event_type = 'capacity.auto_assign.outcome' GROUP BY 1"
)


@dataclass(slots=True)
class Raced:
    """Who assigned how many bookings, what the calls were told, and everything that must not be."""

    winners: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


async def race(client: AsyncMaitredClient, database_url: str, bookings: int) -> Raced:
    """Needs a worker on the database."""
    raced = Raced()
    for first in range(0, bookings, AT_ONCE):
        world = await small_world(client)
        await _round(world, min(AT_ONCE, bookings - first), raced)
        await until(database_url, "SELECT FROM auto_assign_jobs WHERE state <> 'ended' LIMIT 1", [])
        async with connected(database_url) as database:
            raced.broken += [*await broken_invariants(database, world.restaurant_id)]
    for found in await rows(database_url, WRONG):
        if (found["assignments"], found["told"]) != (1, 1):
            raced.broken.append(str(dict(found)))
    for found in await rows(database_url, WINNERS):
        raced.winners[found["trigger"]] = found["count"]
    return raced


async def _round(world: World, number: int, raced: Raced) -> None:
    """Every job is due at one instant, and that is when the calls go out."""
    bookings = [await world.booking(start=evening() + timedelta(days=day)) for day in range(number)]
    at = datetime.now(UTC) + timedelta(seconds=START_IN_S)
    for booking in bookings:
        await world.client.dispatch_auto_assign(
            DispatchAutoAssignRequest(
                request_id=new_request_id(),
                restaurant_id=world.restaurant_id,
                booking_id=booking.booking_id,
                not_before=stamp(at),
            )
        )
    await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
    raced.told.update(await asyncio.gather(*(_call(world, booking.booking_id) for booking in bookings)))


async def _call(world: World, booking_id: str) -> str:
    try:
        answer = await world.client.auto_assign(world.auto_assign_request(booking_id), timeout_s=TIMEOUT_S)
    except MaitredError as error:
        return error.reason or type(error).__name__
    return str(answer.outcome)


async def _run(url: str, bookings: int) -> Raced:
    async with (
        serving(load_settings(port=0, log_level="warning"), url) as server,
        worker_on(url, auto_assign_poll_s=0.01),
        AsyncMaitredClient(server.address, tenant_id=uuid4(), actor="race", retry=ONCE) as client,
    ):
        return await race(client, url, bookings)


async def _with_database(postgres: TestServer, bookings: int) -> Raced:
    async with postgres.fresh_database() as url:
        return await _run(url, bookings)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bookings", type=int, default=1_000, help="how many bookings are raced for")
    bookings = parser.parse_args().bookings
    with running_postgres(postgres_forms()[0]) as postgres:
        raced = asyncio.run(_with_database(postgres, bookings))
    print("assigned by:", dict(raced.winners))
    print("the calls were told:", dict(raced.told))
    for problem in raced.broken:
        print("broken:", problem)
    return 1 if raced.broken else 0


if __name__ == "__main__":
    sys.exit(main())
