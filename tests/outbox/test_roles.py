"""What one worker does for all: it has the role for as long as its session lives, and then another one has it."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from server.config import load_settings
from server.persistence import session
from server.persistence.pool import PoolSettings
from server.persistence.session import WorkerSession
from server.worker import UPKEEP_ROLE, Seen, _invariant_check
from tests.integration.test_clock_far_ahead import cleaners
from tests.support.database import connected
from tests.support.gate import gate_to_postgres
from tests.support.outbox import put_events, statuses

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


async def test_what_a_worker_commits_itself_does_not_wait_for_the_disk(database_url: str) -> None:
    asked = (
        "SELECT $1::text AS token, $2::integer AS worker_id, current_setting('synchronous_commit') AS waits"
    )
    session = WorkerSession(PoolSettings(database_url), 30.0)
    (row,) = await session.fetch_as_worker(asked, "a token")
    await session.close()
    assert row["waits"] == "off"


async def test_a_session_ends_without_an_error_while_the_database_says_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CLOSE_TIMEOUT_S", 0.1)
    async with gate_to_postgres(database_url) as (gate, through):
        leader = WorkerSession(PoolSettings(through), 30.0)
        assert await leader.lead(UPKEEP)
        gate.stick()
        await leader.close()
    assert not leader.leads(UPKEEP)


async def test_a_worker_clears_away_and_checks_nothing_while_another_one_leads(database_url: str) -> None:
    await put_events(database_url)
    async with connected(database_url) as connection:
        await connection.execute("UPDATE capacity_outbox SET status = 'done', created_at = '2001-01-01'")
    leader, follower = (WorkerSession(PoolSettings(database_url), 30.0) for _ in range(2))
    async with AsyncExitStack() as closing:
        for session in (leader, follower):
            closing.push_async_callback(session.close)
        assert await leader.lead(UPKEEP_ROLE)
        services = await closing.enter_async_context(cleaners(database_url))
        nowhere = "postgresql://127.0.0.1:1/nothing"
        for service in (*services, _invariant_check(load_settings(), nowhere, follower, Seen())):
            assert not await service.run_once(), "it comes again when it is its turn"
    assert await statuses(database_url) == ["done"]
