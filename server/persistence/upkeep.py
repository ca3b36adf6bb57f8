"""Implements `Upkeep`, and deletes what is over; everything in bounded batches."""

from uuid import UUID

from server.persistence.inspection import ahead_s
from server.persistence.pool import InTime
from server.persistence.queries import load_queries

UPKEEP = load_queries("upkeep")


class SqlUpkeep(InTime):
    async def restaurants_with_expired_holds(self, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        found = await self._fetch(UPKEEP["restaurants_with_expired_holds"], limit)
        return tuple((row["tenant_id"], row["restaurant_id"]) for row in found)

    async def clock_ahead_s(self) -> float:
        """How far the database's clock is ahead of this process's."""
        (row,) = await self._fetch(UPKEEP["clock"])
        return ahead_s(row["now"])

    async def forget_answers(self, limit: int) -> int:
        """Deletes answers of the ledger whose time is over, and says how many."""
        (row,) = await self._fetch(UPKEEP["forget_answers"], limit)
        return int(row["forgotten"])

    async def clear_past_claims(self, older_than_s: float, restaurants: int) -> int:
        """Deletes a day's claims of restaurants where nobody can be kept out by them any more.

        Says for how many restaurants it looked. Assignments and blocks still tell which tables were whose.
        """
        (row,) = await self._fetch(UPKEEP["clear_past_claims"], older_than_s, restaurants)
        return int(row["restaurants"])
