"""Implements `Upkeep`."""

from typing import Any
from uuid import UUID

from server.persistence.inspection import ahead_s
from server.persistence.pool import Pool, fetch_in_time
from server.persistence.queries import load_queries

UPKEEP = load_queries("upkeep")


class SqlUpkeep:
    """Each call waits `timeout_s` seconds for a connection, and as long for its statement, then raises
    `TimeoutError`."""

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def restaurants_with_expired_holds(self, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        found = await self._fetch(UPKEEP["restaurants_with_expired_holds"], limit)
        return tuple((row["tenant_id"], row["restaurant_id"]) for row in found)

    async def clock_ahead_s(self) -> float:
        """How far the database's clock is ahead of this process's."""
        (row,) = await self._fetch(UPKEEP["clock"])
        return ahead_s(row["now"])

    async def forget_answers(self, limit: int) -> int:
        (row,) = await self._fetch(UPKEEP["forget_answers"], limit)
        return int(row["forgotten"])

    async def clear_past_claims(self, older_than_s: float, restaurants: int) -> int:
        (row,) = await self._fetch(UPKEEP["clear_past_claims"], older_than_s, restaurants)
        return int(row["restaurants"])

    async def _fetch(self, query: str, *values: object) -> list[Any]:
        return await fetch_in_time(self._pool, self._timeout_s, query, *values)
