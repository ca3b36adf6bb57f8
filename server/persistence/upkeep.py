"""Implements `Upkeep`."""

from typing import Any
from uuid import UUID

from server.persistence.failures import translating
from server.persistence.pool import Pool
from server.persistence.queries import load_queries

UPKEEP = load_queries("upkeep")


class SqlUpkeep:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def restaurants_with_expired_holds(self, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        found = await self._fetch(UPKEEP["restaurants_with_expired_holds"], limit)
        return tuple((row["tenant_id"], row["restaurant_id"]) for row in found)

    async def forget_answers(self, limit: int) -> int:
        (row,) = await self._fetch(UPKEEP["forget_answers"], limit)
        return int(row["forgotten"])

    async def clear_past_claims(self, older_than_s: float, restaurants: int) -> int:
        (row,) = await self._fetch(UPKEEP["clear_past_claims"], older_than_s, restaurants)
        return int(row["restaurants"])

    async def _fetch(self, query: str, *values: object) -> list[Any]:
        async with translating(), self._pool.acquire() as connection:
            return await connection.fetch(query, *values)
