"""What the measurements of one run share: a database with restaurants in it, callers, and who sits where next."""

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from maitred_client import AsyncMaitredClient
from server.bench import programs
from server.bench.clients import Clients, clients_of
from server.bench.floors import DAYS_AHEAD, FIRST_SEATING, floor_in_rows, open_house
from server.bench.ground import Ground
from server.persistence.bench_stock import BenchStock, Seat
from server.persistence.inspection import connection_to

# Connections of each client process; the kernel deals them out, so a few would leave a process of the server idle.
LINES = 8
TENANT = UUID("0be0c4a5-0000-4000-8000-000000000001")


@dataclass(frozen=True, slots=True)
class Place:
    """A database, a server on it that has no other work, and how restaurants are put into it."""

    url: str
    address: str
    stock: BenchStock
    _taken: Counter[UUID] = field(default_factory=Counter)

    async def restaurants(self, count: int, tables: int) -> tuple[UUID, ...]:
        """So many new restaurants of so many tables each."""
        async with AsyncMaitredClient(self.address, tenant_id=TENANT) as client:
            house = await open_house(client, floor_in_rows(tables))
        return await self.stock.copies(UUID(house.restaurant_id), count)

    async def seats(self, restaurants: Sequence[UUID], count: int) -> tuple[Seat, ...]:
        """So many seats that nobody has had yet, spread evenly over the restaurants; neighbours are strangers."""
        each = -(-count // len(restaurants))
        first = max(self._taken[restaurant_id] for restaurant_id in restaurants)
        for restaurant_id in restaurants:
            self._taken[restaurant_id] = first + each
        seats = await self.stock.seats(restaurants, first, first + each - 1, opening())
        return seats[:count]


@dataclass(frozen=True, slots=True)
class Stage:
    """`place` is where most is measured."""

    ground: Ground
    clients: Clients
    place: Place

    async def repeats(self, what: str, count: int) -> AsyncIterator[int]:
        """0, which warms up and does not count, then 1 to `count`."""
        for repeat in range(count + 1):
            self.ground.report(f"{what}, repeat {repeat} of {count}")
            yield repeat
            if not repeat:
                # Tables that were empty have rows now, which plans made before don't know.
                await self.place.stock.settle()


def opening() -> dt.datetime:
    """The first seating of the first day that seats are on."""
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=DAYS_AHEAD)
    return dt.datetime.combine(day, FIRST_SEATING, dt.UTC)


@asynccontextmanager
async def place_at(url: str, address: str) -> AsyncIterator[Place]:
    """A database with a server that runs on it."""
    async with connection_to(url) as connection:
        yield Place(url, address, BenchStock(connection))


@asynccontextmanager
async def stage_on(
    ground: Ground, client_processes: int, server_processes: int = 1, profile: Path | None = None
) -> AsyncIterator[Stage]:
    """A server and callers, each in processes of their own, gone when the block is left."""
    lines = LINES if server_processes > 1 else 1
    async with (
        programs.server(ground.url, processes=server_processes, profile=profile) as address,
        place_at(ground.url, address) as place,
        clients_of(TENANT, client_processes, lines) as clients,
    ):
        yield Stage(ground, clients, place)
