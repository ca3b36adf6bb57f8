"""The database or the receiver away, silent or full: afterwards everything arrives, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from server.outbox import relay
from server.outbox.events import OutboxEvent, Run
from server.outbox.relay import Relay, RelaySettings
from server.outbox.sinks.signature import read_secret
from server.outbox.sinks.webhook import WebhookSettings, WebhookSink
from server.persistence import pool
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.session import WorkerSession
from server.receivers import event_handler
from tests.conformance.receivers import SECRET
from tests.support.database import connected, rows
from tests.support.gate import Change, Gate, gate_to_postgres
from tests.support.outbox import (
    Received,
    add_events,
    delivery,
    put_events,
    queue_on,
    relay_on,
    statuses,
    until_delivered,
)
from tests.support.webhook_receiver import Answer, Posted, WebhookReceiver, receiving_webhooks

TIMEOUT_S = 0.3
# A lease taken by a statement whose answer was swallowed runs out within the test's patience.
LEASE_S = 3.0
PATIENCE_S = 60.0


class CountedFailures(SqlEventQueue):
    """Knows how often nothing could be leased."""

    failures = 0

    async def failed(self, times: int) -> None:
        while self.failures < times:  # noqa: ASYNC110 - a few times a second, and nobody waits for a number
            await asyncio.sleep(0.01)

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        try:
            return await super().claim(runs_max, events_max)
        except BaseException:
            self.failures += 1
            raise


@asynccontextmanager
async def impatient_relay(url: str, received: Received) -> AsyncIterator[CountedFailures]:
    """A started relay that soon gives a silent database up."""
    settings = PoolSettings(url, size_min=1, size_max=2)
    session, connections = WorkerSession(settings, TIMEOUT_S), await open_pool(settings)
    queue = CountedFailures(connections, session, LEASE_S, TIMEOUT_S)
    relay = Relay(queue, delivery(received), RelaySettings(8, 10, 0.02, LEASE_S))
    await relay.start()
    try:
        yield queue
    finally:
        await relay.stop()
        await session.close()
        connections.terminate()


@pytest.mark.parametrize(
    ("take_away", "bring_back", "failures"),
    [(Gate.shut, Gate.open, 5), (Gate.stick, Gate.loosen, 3), (Gate.lose, Gate.loosen, 1)],
    ids=["connections are refused", "nothing answers", "connections are dead and nobody says so"],
)
async def test_a_relay_comes_back_by_itself_after_an_outage_of_the_database(
    database_url: str,
    take_away: Change,
    bring_back: Change,
    failures: int,
) -> None:
    (restaurant,) = await put_events(database_url, versions=2)
    received = Received()
    async with (
        gate_to_postgres(database_url) as (gate, through),
        impatient_relay(through, received) as queue,
        asyncio.timeout(PATIENCE_S),
    ):
        await until_delivered(database_url)
        await gate.make(take_away)
        await add_events(database_url, restaurant, 3)
        await queue.failed(failures)
        await gate.make(bring_back)
        while set(await statuses(database_url)) != {"done"}:
            # What was swallowed may lease in the name of a session that is gone: workers look for such leases.
            async with queue_on(database_url) as rescuer:
                await rescuer.free_orphans(10)
            await asyncio.sleep(0.2)
    assert list(dict.fromkeys(received.versions[restaurant])) == [1, 2, 3, 4, 5]


@asynccontextmanager
async def posting(receiver: WebhookReceiver) -> AsyncIterator[WebhookSink]:
    url = f"http://127.0.0.1:{receiver.port}/events"
    sink = WebhookSink(WebhookSettings(url, (read_secret(SECRET),), 20.0, 20.0, 8))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


async def skip_the_wait(url: str) -> None:
    """The time that the receiver asked for is over."""
    async with connected(url) as connection:
        await connection.execute("UPDATE outbox_streams SET next_attempt_at = now()")


@pytest.mark.parametrize("status", [429, 503, 507])
async def test_a_full_receiver_is_waited_for_as_long_as_it_asks_and_gets_all_in_order(
    database_url: str, status: int
) -> None:
    await put_events(database_url, versions=4)
    async with receiving_webhooks() as receiver, posting(receiver) as sink:
        receiver.answers = [Answer(status, {"retry-after": "60"})] * 12
        work = delivery(event_handler([sink]), attempts_max=3)
        async with relay_on(database_url, work) as relay:
            for _ in range(12):
                assert await relay.run_once() == 1
                assert await relay.run_once() == 0, "nobody asks again before the time"
                assert await statuses(database_url) == ["pending"] * 4
                await skip_the_wait(database_url)
            assert await relay.run_once() == 4
        async with connected(database_url) as connection:
            ids = await connection.fetch("SELECT id::text FROM capacity_outbox ORDER BY floor_version")
    assert [posted.headers["webhook-id"] for posted in receiver.posted] == [row["id"] for row in ids]
    assert await statuses(database_url) == ["done"] * 4


async def test_a_receiver_that_hangs_for_one_restaurant_keeps_no_other_waiting(database_url: str) -> None:
    hanging, healthy = await put_events(database_url, restaurants=2, versions=3)

    repaired = asyncio.Event()

    async def hang(posted: Posted) -> None:
        if str(hanging).encode() in posted.body:
            await repaired.wait()

    async with receiving_webhooks() as receiver, posting(receiver) as sink:
        receiver.on_post = hang
        async with relay_on(database_url, delivery(event_handler([sink]))) as relay:
            await relay.start()
            async with asyncio.timeout(PATIENCE_S):
                while (await statuses(database_url)).count("done") < 3:  # noqa: ASYNC110 - only the database knows
                    await asyncio.sleep(0.01)
                assert all(str(healthy).encode() in posted.body for posted in receiver.posted)
                repaired.set()
                await until_delivered(database_url)


async def test_what_was_delivered_and_could_not_be_settled_is_counted(database_url: str) -> None:
    await put_events(database_url, versions=2)
    delivered = asyncio.Semaphore(0)
    async with (
        queue_on(database_url, lease_s=LEASE_S, timeout_s=TIMEOUT_S) as queue,
        connected(database_url) as elsewhere,
    ):

        async def handler(_: OutboxEvent) -> None:
            await elsewhere.execute("SELECT FROM outbox_streams FOR UPDATE")
            delivered.release()

        relay = Relay(queue, delivery(handler), RelaySettings(8, 10, 0.02, LEASE_S))
        async with elsewhere.transaction(), asyncio.timeout(PATIENCE_S):
            await relay.start()
            await delivered.acquire()
            await delivered.acquire()
            await relay.stop()
    assert relay.deliveries == {"unsettled": 2}


async def cut_what_waits_for_a_lock(url: str) -> None:
    """Ends the session of the statement that waits for a lock, once there is one."""
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not await rows(url, cut):  # noqa: ASYNC110 - only the database knows
        await asyncio.sleep(0.01)


async def test_a_settlement_whose_connection_breaks_is_made_on_another_one(database_url: str) -> None:
    """The lease would last until long after the test."""
    await put_events(database_url, versions=2)
    delivered = asyncio.Semaphore(0)
    async with connected(database_url) as elsewhere:

        async def handler(_: OutboxEvent) -> None:
            await elsewhere.execute("SELECT FROM outbox_streams FOR UPDATE")
            delivered.release()

        async with relay_on(database_url, delivery(handler)) as relay, asyncio.timeout(PATIENCE_S):
            async with elsewhere.transaction():
                await relay.start()
                await delivered.acquire()
                await cut_what_waits_for_a_lock(database_url)
            await until_delivered(database_url)
    assert relay.deliveries == {"delivered": 2}


async def test_a_settlement_that_nobody_answers_is_made_on_another_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections that the worker has are dead, and nobody says so."""
    monkeypatch.setattr(pool, "END_TIMEOUT_S", TIMEOUT_S)
    await put_events(database_url, versions=2)
    received = Received()
    async with gate_to_postgres(database_url) as (gate, through), queue_on(through) as queue:

        async def handler(event: OutboxEvent) -> None:
            await received(event)
            if received.count == 2:
                gate.lose()

        relay = Relay(queue, delivery(handler), RelaySettings(8, 10, 60.0, LEASE_S))
        try:
            await relay.start()
            async with asyncio.timeout(PATIENCE_S):
                await until_delivered(database_url)
        finally:
            await relay.stop()
    assert (relay.deliveries, received.count) == ({"delivered": 2}, 2)


async def test_a_relay_is_stopped_while_the_database_says_nothing_and_the_lease_lasts_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SETTLE_S", TIMEOUT_S)
    await put_events(database_url, versions=2)
    async with gate_to_postgres(database_url) as (gate, through), queue_on(through) as queue:

        async def handler(_: OutboxEvent) -> None:
            gate.stick()

        busy = Relay(queue, delivery(handler), RelaySettings(8, 10, 60.0, 3_600.0))
        await busy.start()
        async with asyncio.timeout(PATIENCE_S):
            await gate.swallowed.wait()
            await busy.stop()
        gate.loosen()
    assert busy.deliveries == {}


class Away(Received):
    """Takes nothing from anybody while it is away, and from the poisoned ones never."""

    def __init__(self, *poisoned: UUID, away: bool = True) -> None:
        super().__init__()
        self.away, self._poisoned = away, poisoned

    async def __call__(self, event: OutboxEvent) -> None:
        if self.away or event.restaurant_id in self._poisoned:
            raise OSError("not there")
        await super().__call__(event)


async def test_nothing_is_given_up_while_the_receiver_takes_nothing_from_anybody(database_url: str) -> None:
    restaurants = await put_events(database_url, restaurants=5, versions=3)
    handler = Away()
    async with relay_on(database_url, delivery(handler, attempts_max=3)) as relay:
        for _ in range(20):
            assert await relay.run_once() == 5
        assert await statuses(database_url) == ["pending"] * 15
        handler.away = False
        while await relay.run_once():
            pass
    assert handler.versions == {restaurant: [1, 2, 3] for restaurant in restaurants}
    assert await statuses(database_url) == ["done"] * 15


async def test_an_event_that_fails_while_others_are_delivered_is_given_up(database_url: str) -> None:
    """Two restaurants have nothing but poison; each round delivers to the one between them."""
    first, healthy, last = await put_events(database_url, restaurants=3, versions=6)
    handler = Away(first, last, away=False)
    async with relay_on(database_url, delivery(handler, attempts_max=3), events_max=1) as relay:
        for _ in range(3):
            assert await relay.run_once() == 3
    assert handler.versions == {healthy: [1, 2, 3]}
    (dead,) = await rows(
        database_url, "SELECT restaurant_id, attempt_count FROM capacity_outbox WHERE status = 'dead'"
    )
    assert dead == {"restaurant_id": last, "attempt_count": 3}


async def test_an_outage_that_lasts_too_long_is_not_believed_any_more(database_url: str) -> None:
    await put_events(database_url, restaurants=2, versions=1)
    async with relay_on(database_url, delivery(Away(), attempts_max=3, outage_s_max=0.0)) as relay:
        while await relay.run_once():
            pass
    assert await statuses(database_url) == ["dead", "dead"]
