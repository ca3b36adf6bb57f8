"""A real worker process while the database or its receiver is away, hangs, is full, or will not take an event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.torture.programs import Program
from tests.races.test_outbox_cases import PATIENCE_S, PATIENT, SHORT_LEASE, doomed_worker, events
from tests.support.database import rows
from tests.support.gate import Gate, gate_to, gate_to_postgres
from tests.support.outbox import add_events, put_events, statuses, until_delivered
from tests.support.webhook_receiver import Answer, Posted, WebhookReceiver, receiving_webhooks

# What is tried is given up soon, and tried again soon.
IMPATIENT = SHORT_LEASE | {
    "MAITRED_WEBHOOK_TIMEOUT_S": "0.3",
    "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "0.3",
    "MAITRED_EVENT_RETRY_S_MAX": "0.1",
    "MAITRED_EVENT_ATTEMPTS_MAX": "3",
}
# More than the attempts allowed of every restaurant together.
FAILURES = 12


async def until_logged(worker: Program, event: str, times: int) -> None:
    while worker.log().count(event) < times:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)


@asynccontextmanager
async def ending() -> AsyncIterator[asyncio.Event]:
    """What hangs waits for the end: the receiver would not stop before it."""
    end = asyncio.Event()
    try:
        yield end
    finally:
        end.set()


@asynccontextmanager
async def way_to(receiver: WebhookReceiver) -> AsyncIterator[Gate]:
    """A gate before the receiver, at which it is reached from now on."""
    port = receiver.port
    async with gate_to(lambda: asyncio.open_connection("127.0.0.1", port)) as gate:
        receiver.port = gate.port
        yield gate


def in_order(receiver: WebhookReceiver) -> list[str]:
    """Ids as they came for the first time."""
    return list(dict.fromkeys(posted.headers["webhook-id"] for posted in receiver.posted))


DEAD = "SELECT attempt_count, last_error FROM capacity_outbox WHERE status = 'dead' ORDER BY floor_version"


async def until_given_up(url: str, number: int) -> None:
    """Until so many of the first events are dead, and the two after them have arrived."""
    while await statuses(url) != ["dead"] * number + ["done"] * 2:  # noqa: ASYNC110 - only the database knows
        await asyncio.sleep(0.02)


async def test_after_a_long_outage_of_the_database_a_worker_goes_on_by_itself(
    database_url: str, tmp_path: Path
) -> None:
    (restaurant,) = await put_events(database_url, versions=2)
    async with (
        receiving_webhooks() as receiver,
        gate_to_postgres(database_url) as (gate, through),
        doomed_worker(
            through, receiver, tmp_path / "log", **IMPATIENT | {"MAITRED_EVENT_ATTEMPTS_MAX": "100"}
        ) as worker,
        asyncio.timeout(PATIENCE_S),
    ):
        await until_delivered(database_url)
        await gate.shut()
        await add_events(database_url, restaurant, 3)
        # Longer than the lease and every timeout.
        await until_logged(worker, "outbox_not_readable", 10)
        assert (
            '"cause": "Connection'
            in worker.log().rpartition('"event": "outbox_not_readable"')[0].splitlines()[-1]
        )
        await gate.open()
        await until_delivered(database_url)
        assert worker.running
    assert in_order(receiver) == await events(database_url)


async def test_a_full_receiver_costs_no_attempt(database_url: str, tmp_path: Path) -> None:
    await put_events(database_url, versions=3)
    async with receiving_webhooks() as receiver:
        receiver.answers = [Answer(429, {"retry-after": "1"}), Answer(503, {"retry-after": "1"})]
        async with (
            doomed_worker(
                database_url, receiver, tmp_path / "log", **PATIENT | {"MAITRED_EVENT_ATTEMPTS_MAX": "1"}
            ) as worker,
            asyncio.timeout(PATIENCE_S),
        ):
            await until_delivered(database_url)
            assert worker.log().count("receiver_busy") == 2
    assert in_order(receiver) == await events(database_url)


async def test_a_receiver_that_hangs_fails_or_is_not_there_for_anybody_costs_no_attempt(
    database_url: str, tmp_path: Path
) -> None:
    restaurants = await put_events(database_url, restaurants=3, versions=2)
    async with receiving_webhooks() as receiver, way_to(receiver) as gate, ending() as end:

        async def hang(_: Posted) -> Answer | None:
            await end.wait()
            return Answer(500)

        async def fail(_: Posted) -> Answer | None:
            return Answer(500)

        receiver.on_post = hang
        async with (
            doomed_worker(database_url, receiver, tmp_path / "log", **IMPATIENT) as worker,
            asyncio.timeout(PATIENCE_S),
        ):
            await until_logged(worker, "receiver_away", FAILURES)
            receiver.on_post = fail
            await until_logged(worker, "receiver answered 500", FAILURES)
            await gate.shut()
            await until_logged(worker, "Cannot connect", FAILURES)
            assert set(await statuses(database_url)) == {"pending"}
            receiver.on_post = None
            await gate.open()
            await until_delivered(database_url)
    committed = await rows(
        database_url,
        "SELECT id::text, restaurant_id FROM capacity_outbox ORDER BY restaurant_id, floor_version",
    )
    for restaurant in restaurants:
        own = [row["id"] for row in committed if row["restaurant_id"] == restaurant]
        assert [each for each in in_order(receiver) if each in own] == own


async def test_poison_is_given_up_and_the_later_events_go_on(database_url: str, tmp_path: Path) -> None:
    await put_events(database_url, versions=4)
    refused, failed, *later = await events(database_url)
    tried: list[str] = []

    async def answer(posted: Posted) -> Answer | None:
        event_id = posted.headers["webhook-id"]
        tried.append(event_id)
        return {refused: Answer(400), failed: Answer(500)}.get(event_id)

    async with receiving_webhooks() as receiver:
        receiver.on_post = answer
        async with (
            doomed_worker(
                database_url, receiver, tmp_path / "log", **PATIENT | {"MAITRED_EVENT_ATTEMPTS_MAX": "3"}
            ),
            asyncio.timeout(PATIENCE_S),
        ):
            await until_given_up(database_url, 2)
    assert tried == [refused, *[failed] * 3, *later]
    assert await rows(database_url, DEAD) == [
        {"attempt_count": 1, "last_error": "webhook: the receiver answered 400"},
        {"attempt_count": 3, "last_error": "webhook: NotAcceptedError: the receiver answered 500"},
    ]


async def test_an_event_at_which_the_receiver_hangs_is_given_up_and_the_later_ones_go_on(
    database_url: str, tmp_path: Path
) -> None:
    """On a busy machine the receiver may seem to hang at any of them, though never for long."""
    await put_events(database_url, versions=3)
    hung, *later = await events(database_url)
    tried: list[str] = []
    soon = PATIENT | {
        "MAITRED_WEBHOOK_TIMEOUT_S": "0.3",
        "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "0.3",
        "MAITRED_EVENT_RETRY_S_MAX": "0.1",
        "MAITRED_EVENT_ATTEMPTS_MAX": "5",
    }
    async with receiving_webhooks() as receiver, ending() as end:

        async def answer(posted: Posted) -> Answer | None:
            tried.append(posted.headers["webhook-id"])
            if tried[-1] == hung:
                await end.wait()
                return Answer(500)
            return None

        receiver.on_post = answer
        async with (
            doomed_worker(database_url, receiver, tmp_path / "log", **soon),
            asyncio.timeout(PATIENCE_S),
        ):
            await until_given_up(database_url, 1)
    first = tried.index(later[0])
    assert set(tried[:first]) == {hung}
    assert hung not in tried[first:]
    assert in_order(receiver) == later
    assert await rows(database_url, DEAD) == [{"attempt_count": 5, "last_error": "webhook: TimeoutError"}]
