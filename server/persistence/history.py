"""Deletes what is over and was kept for its time, in bounded batches that keep nobody waiting."""

import asyncio
from datetime import timedelta

from server.domain.limits import HOLD_LIFE_S_MAX
from server.persistence.failures import translating
from server.persistence.pool import Pool
from server.persistence.queries import load_queries
from server.persistence.transactions import changing

HISTORY = load_queries("history")
HOLD_LIFE = timedelta(seconds=HOLD_LIFE_S_MAX)


class SqlHistory:
    """Each call is one short transaction, and says how many rows it looked at: fewer than `limit` when it is done.

    Raises `TimeoutError` when that takes longer than `timeout_s` seconds, and `ServiceError` when the database is away.
    """

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def clear_ended_holds(self, older_than_s: float, limit: int) -> int:
        return await self._cleared(HISTORY["clear_ended_holds"], older_than_s, HOLD_LIFE, limit)

    async def clear_past_bookings(self, older_than_s: float, limit: int) -> int:
        return await self._cleared(HISTORY["clear_past_bookings"], older_than_s, limit)

    async def clear_past_blocks(self, older_than_s: float, limit: int) -> int:
        return await self._cleared(HISTORY["clear_past_blocks"], older_than_s, limit)

    async def clear_past_entries(self, older_than_s: float, limit: int) -> int:
        return await self._cleared(HISTORY["clear_past_entries"], older_than_s, limit)

    async def _cleared(self, query: str, *values: object) -> int:
        async with translating(), asyncio.timeout(self._timeout_s), changing(self._pool) as connection:
            await connection.execute(HISTORY["plan_in_order"])
            return int(await connection.fetchval(query, *values))
