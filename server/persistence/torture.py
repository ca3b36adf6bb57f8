"""What a torture does to PostgreSQL from outside the service, and what it asks of it afterwards."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from server.persistence.failures import DRIVER_ERRORS
from server.persistence.inspection import errand_at
from server.persistence.queries import load_queries

QUERIES = load_queries("torture")
CONNECT_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 2.0


@asynccontextmanager
async def taken_connections(url: str, most: int) -> AsyncIterator[int]:
    """Opens connections until there are none left, or so many, and keeps them while the block lasts; their number."""
    async with AsyncExitStack() as stack:
        taken = 0
        with suppress(OSError, *DRIVER_ERRORS):
            while taken < most:
                connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
                stack.callback(connection.terminate)
                taken += 1
        yield taken


@asynccontextmanager
async def locked_restaurants(url: str) -> AsyncIterator[int]:
    """Keeps the rows of all restaurants locked while the block lasts, as every change of one does; their number.

    It is 0 where PostgreSQL is away, or does not give the locks in time.
    """
    async with AsyncExitStack() as stack:
        locked = 0
        with suppress(OSError, *DRIVER_ERRORS):
            connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
            stack.callback(connection.terminate)
            # Ended with the connection.
            await connection.transaction().start()
            locked = len(await connection.fetch(QUERIES["lock_restaurants"], timeout=LOCK_TIMEOUT_S))
        yield locked


async def waiting_events(url: str) -> int:
    """How many events wait for delivery. Raises `UnreachableError`."""
    async with errand_at(url) as connection:
        return int(await connection.fetchval(QUERIES["waiting_events"]))


Place: TypeAlias = tuple[str, int, int]
"""Restaurant, floor version and position of an event."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the rows say. `made` are the ids of all holds and assignments, `repeated` the request_ids with more than one
    effect, `committed` all events.
    """

    made: frozenset[str]
    repeated: tuple[str, ...]
    committed: Mapping[str, Place]


async def rows_of(url: str) -> Rows:
    """Reads them. Raises `UnreachableError`."""
    async with errand_at(url) as connection:
        made = await connection.fetch(QUERIES["made_ids"])
        repeated = await connection.fetch(QUERIES["repeated_effects"])
        events = await connection.fetch(QUERIES["committed_events"])
    return Rows(
        frozenset(str(row["id"]) for row in made),
        tuple(row["request_id"] for row in repeated),
        {
            str(row["id"]): (str(row["restaurant_id"]), row["floor_version"], row["position"])
            for row in events
        },
    )
