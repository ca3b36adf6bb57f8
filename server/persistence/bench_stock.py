"""Restaurants, bookings and claims for measurements, written set by set."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from server.domain.window import Window
from server.persistence.bench import BENCH
from server.persistence.pool import DriverConnection
from server.persistence.queries import load_queries

STOCK = load_queries("bench_stock")
STAY = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Seat:
    """A booking, and a table and a time that nobody else wants."""

    restaurant_id: UUID
    table_id: UUID
    booking_id: UUID
    window: Window


class BenchStock:
    """Fills a database that belongs to a measurement."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def copies(self, restaurant_id: UUID, count: int) -> tuple[UUID, ...]:
        """So many new restaurants that are like this one."""
        made = [uuid4() for _ in range(count)]
        await self._connection.execute(STOCK["copy_restaurants"], restaurant_id, made)
        return tuple(made)

    async def seats(
        self, restaurants: Sequence[UUID], first: int, last: int, opening: datetime
    ) -> tuple[Seat, ...]:
        """Numbers `first` to `last` of each restaurant, one restaurant after the other.

        They are on every second table, six a day and table from `opening` on. The same number twice would be the same
        table at the same time.
        """
        rows = await self._connection.fetch(STOCK["add_seats"], list(restaurants), first, last, opening)
        return tuple(
            Seat(
                row["restaurant_id"],
                row["table_id"],
                row["booking_id"],
                Window(row["window_start"], row["window_start"] + STAY),
            )
            for row in rows
        )

    async def fill(self, restaurants: Sequence[UUID], each: int, opening: datetime) -> None:
        """Confirmed bookings, `each` per restaurant, on the tables that seats are never on."""
        async with self._connection.transaction():
            await self._connection.execute(STOCK["begin_filling"])
            await self._connection.execute(STOCK["fill_tables"], list(restaurants), each, opening)

    async def claims(self) -> int:
        """How many claims there are, of holds and of bookings."""
        return int(await self._connection.fetchval(STOCK["claims_live"]))

    async def settle(self) -> None:
        """Leaves nothing to do for PostgreSQL in the middle of a measurement."""
        await self._connection.execute(STOCK["settle"])
        await self._connection.execute(BENCH["settle_disk"])
