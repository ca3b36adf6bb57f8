"""What one worker does for all: it has the role for as long as its session lives, and then another one has it."""

import asyncio
from contextlib import AsyncExitStack

from server.persistence.pool import PoolSettings
from server.persistence.session import WorkerSession

UPKEEP, SWEEPING = 1, 2


async def test_one_session_leads_in_a_role_until_it_ends(database_url: str) -> None:
    first, second = (WorkerSession(PoolSettings(database_url), 30.0) for _ in range(2))
    async with AsyncExitStack() as closing:
        for session in (first, second):
            closing.push_async_callback(session.close)
        assert [await first.lead(UPKEEP), await first.lead(UPKEEP)] == [True, True]
        assert [await second.lead(UPKEEP), await second.lead(SWEEPING)] == [False, True]
        assert not await first.lead(SWEEPING)
        led = [(each.leads(UPKEEP), each.leads(SWEEPING)) for each in (first, second)]
        assert led == [(True, False), (False, True)]
        await first.close()
        assert not first.leads(UPKEEP)
        async with asyncio.timeout(30):
            while not await second.lead(UPKEEP):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.02)
        assert not await first.lead(UPKEEP)
