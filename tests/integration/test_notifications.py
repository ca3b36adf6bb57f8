"""Announcements reach every process, and a process knows when they would not reach it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from server.domain.announcement import Announcement
from server.persistence import announcer as sending
from server.persistence.announcer import (
    ANNOUNCEMENTS,
    BURST,
    ENTRIES_MAX,
    PAYLOAD_ENTRIES_MAX,
    Announcer,
    Pace,
    decode_announcements,
    encode_announcements,
)
from server.persistence.listener import Listener, ListenerSettings
from server.persistence.pool import Pool, PoolSettings, connect, open_pool
from tests.support.database import connected
from tests.support.postgres import TestServer
from tests.support.severing import passage

PATIENCE_S = 30.0
INTERVAL_S = 0.05
LONGEST = 2**63 - 1


@dataclass(slots=True)
class Ear:
    """Remembers what it was told."""

    changes: list[Announcement] = field(default_factory=list)
    gaps: int = 0
    channels: list[str | None] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def on_change(self, announcement: Announcement) -> None:
        self.changes.append(announcement)
        self.told.set()

    def on_gap(self) -> None:
        self.gaps += 1
        self.told.set()

    def on_channel(self, database: str | None) -> None:
        self.channels.append(database)
        self.told.set()

    async def until(self, condition: Callable[["Ear"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self.told.clear()
                await self.told.wait()


def change(number: int, version: int = 1) -> Announcement:
    return Announcement(UUID(int=number), version, 1, 1)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(PoolSettings(database_url, size_min=1, size_max=2)) as pool:
        yield pool


@asynccontextmanager
async def listening(url: str, ear: Ear, **settings: float) -> AsyncIterator[Listener]:
    listener = Listener(PoolSettings(url), ListenerSettings(**settings), [ear])
    await listener.start()
    try:
        await ear.until(lambda ear: ear.gaps > 0)
        yield listener
    finally:
        await listener.stop()


@asynccontextmanager
async def announcing(
    pool: Pool, interval_s: float = INTERVAL_S, burst: int = BURST
) -> AsyncIterator[Announcer]:
    announcer = Announcer(pool, interval_s, burst)
    await announcer.start()
    try:
        yield announcer
    finally:
        await announcer.stop()


async def test_every_process_hears_what_one_announces(pool: Pool, database_url: str) -> None:
    here, there = Ear(), Ear()
    async with listening(database_url, here), listening(database_url, there), announcing(pool) as announcer:
        announcer.announce(change(1))
        for ear in (here, there):
            await ear.until(lambda ear: ear.changes == [change(1)])
        assert here.channels == there.channels
        assert len(here.channels) == 1


async def test_the_first_is_told_at_once_and_the_rest_together(pool: Pool, database_url: str) -> None:
    """A pause as long as a test would wait in vain for it is only waited for by what comes second."""
    ear = Ear()
    async with listening(database_url, ear):
        async with announcing(pool, interval_s=10 * PATIENCE_S, burst=1) as announcer:
            announcer.announce(change(1))
            await ear.until(lambda ear: ear.changes == [change(1)])
            announcer.announce(change(2, 5))
            announcer.announce(change(2, 4))
            announcer.announce(change(3))
        await ear.until(lambda ear: ear.changes == [change(1), change(2, 5), change(3)])


def test_a_quiet_process_tells_at_once_and_a_busy_one_once_per_interval() -> None:
    pace = Pace(interval_s=2.0, burst=3)
    now_s, waits = 100.0, []
    for _ in range(6):
        waits.append(pace.wait_s(now_s))
        now_s += waits[-1]
        pace.sent(now_s, changes=5)
    assert waits == [0, 0, 0, 2, 2, 2]


def test_changes_that_come_one_by_one_may_come_twice_as_often_without_waiting() -> None:
    lone, together = Pace(interval_s=2.0, burst=3), Pace(interval_s=2.0, burst=3)
    for second in range(100):
        assert lone.wait_s(second) == 0
        lone.sent(second, changes=1)
        together.sent(second, changes=2)
    assert together.wait_s(100) > 0


async def test_more_than_fits_is_told_as_a_change_of_everything(pool: Pool, database_url: str) -> None:
    ear = Ear()
    async with listening(database_url, ear), announcing(pool) as announcer:
        for number in range(ENTRIES_MAX + 1):
            announcer.announce(change(number))
        await ear.until(lambda ear: ear.gaps == 2)
    assert ear.changes == []


async def test_changes_of_hundreds_of_restaurants_are_told_one_by_one(pool: Pool, database_url: str) -> None:
    """What is kept of all others would be dropped otherwise, again and again while many are busy."""
    changes = [change(number) for number in range(3 * PAYLOAD_ENTRIES_MAX)]
    ear = Ear()
    async with listening(database_url, ear), announcing(pool) as announcer:
        for each in changes:
            announcer.announce(each)
        await ear.until(lambda ear: len(ear.changes) == len(changes))
    assert ear.gaps == 1
    assert sorted(ear.changes, key=lambda each: each.restaurant_id) == changes


def test_the_longest_announcement_fits_a_notification() -> None:
    longest = tuple(
        Announcement(UUID(int=2**128 - 1 - number), LONGEST, LONGEST, LONGEST)
        for number in range(PAYLOAD_ENTRIES_MAX)
    )
    payload = encode_announcements(longest)
    assert len(payload.encode()) < 8_000
    assert decode_announcements(payload) == longest


@pytest.mark.parametrize("payload", ["*", "", "[1]", "{}", '[["x",1,1,1]]', "null"])
async def test_what_is_not_understood_may_mean_anything(payload: str, pool: Pool, database_url: str) -> None:
    ear = Ear()
    async with listening(database_url, ear):
        await pool.execute("SELECT pg_notify('maitred_changes', $1)", payload)
        await ear.until(lambda ear: ear.gaps == 2)


async def test_what_could_not_be_sent_is_made_up_for(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(dict[str, str]):
        """The statement can be sent from the second time on."""

        def __getitem__(self, name: str) -> str:
            monkeypatch.setattr(sending, "ANNOUNCEMENTS", ANNOUNCEMENTS)
            raise ConnectionError("away")

    monkeypatch.setattr(sending, "PAUSE_AFTER_FAILURE_S", 0.0)
    monkeypatch.setattr(sending, "ANNOUNCEMENTS", Away())
    ear = Ear()
    async with listening(database_url, ear), announcing(pool) as announcer:
        announcer.announce(change(1))
        await ear.until(lambda ear: ear.gaps == 2)
    assert ear.changes == []


async def test_a_lost_channel_is_told_and_opened_again(database_url: str) -> None:
    ear = Ear()
    async with listening(database_url, ear) as listener:
        async with connected(database_url) as other:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'maitred listener'"
            await other.execute(query)
        await ear.until(lambda ear: ear.gaps == 2)
        assert listener.up
    first, lost, again, closed = ear.channels
    assert first == again is not None
    assert lost is closed is None


async def test_a_channel_whose_probes_come_back_stays_open(database_url: str) -> None:
    probes = asyncio.Semaphore(0)

    class Probed(Listener):
        def _hear_probe(self, *told: Any) -> None:
            super()._hear_probe(*told)
            probes.release()

    ear = Ear()
    listener = Probed(PoolSettings(database_url), ListenerSettings(probe_s=0.001), [ear])
    await listener.start()
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(5):
            await probes.acquire()
    await listener.stop()
    assert (ear.gaps, len(ear.channels)) == (1, 2)


async def test_a_channel_that_looks_open_and_hears_nothing_counts_as_lost(database_url: str) -> None:
    ear = Ear()
    async with (
        passage(database_url) as way,
        listening(way.url, ear, probe_s=0.02, probe_timeout_s=0.1) as listener,
    ):
        way.swallowed = True
        await ear.until(lambda ear: ear.channels[-1] is None)
        assert not listener.up
        # On a busy machine it may have counted as lost before.
        gaps = ear.gaps
        way.mend()
        await ear.until(lambda ear: ear.gaps > gaps and listener.up)


async def test_an_identity_names_one_database(database_url: str, postgres: TestServer) -> None:
    here, there = Ear(), Ear()
    async with (
        postgres.fresh_database() as other_url,
        listening(database_url, here),
        listening(other_url, there),
    ):
        assert here.channels != there.channels


async def test_a_listener_starts_and_stops_without_a_database() -> None:
    ear = Ear()
    listener = Listener(PoolSettings("postgresql://nobody@127.0.0.1:1/none"), ListenerSettings(), [ear])
    await listener.start()
    await listener.stop()
    await listener.stop()
    assert ear.channels == []


async def test_who_listens_may_be_idle_for_longer_than_others(database_url: str) -> None:
    async with connected(database_url) as operator:
        name = await operator.fetchval("SELECT current_database()")
        await operator.execute(f"ALTER DATABASE \"{name}\" SET idle_session_timeout = '1s'")
    connection = await connect(PoolSettings(database_url))
    assert await connection.fetchval("SHOW idle_session_timeout") == "0"
    await connection.close()
