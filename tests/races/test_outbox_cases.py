"""Worker processes that an event kills, or that are paused for longer than their lease."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.bootstrap import working
from server.config import load_settings
from server.torture.programs import Program
from tests.races.outbox_world import QUICK, delivery_settings
from tests.support.database import rows
from tests.support.outbox import put_events, statuses, until_delivered
from tests.support.programs import PROGRAM
from tests.support.webhook_receiver import Posted, WebhookReceiver, receiving_webhooks

PATIENCE_S = 100.0
SHORT_LEASE = {
    "MAITRED_LEASE_S": "1",
    "MAITRED_EVENT_TIMEOUT_S": "0.9",
    "MAITRED_WEBHOOK_TIMEOUT_S": "0.8",
    "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "0.8",
}
LEASED = "SELECT FROM outbox_streams WHERE lease_token IS NOT NULL"
# Of a receiver that answers everything, however busy the machine is.
PATIENT = {
    "MAITRED_LEASE_S": "90",
    "MAITRED_EVENT_TIMEOUT_S": "80",
    "MAITRED_WEBHOOK_TIMEOUT_S": "60",
    "MAITRED_WEBHOOK_CONNECT_TIMEOUT_S": "60",
}


@asynccontextmanager
async def doomed_worker(
    url: str, receiver: WebhookReceiver, log: Path, **settings: str
) -> AsyncIterator[Program]:
    worker = Program(
        (*PROGRAM, "worker", "--database-url", url), QUICK | delivery_settings(receiver.port) | settings, log
    )
    await worker.start()
    try:
        yield worker
    finally:
        await worker.kill()


async def events(url: str) -> list[str]:
    """Ids, in order."""
    return [
        row["id"] for row in await rows(url, "SELECT id::text FROM capacity_outbox ORDER BY floor_version")
    ]


async def test_an_event_that_kills_its_worker_is_given_up_and_the_later_ones_go_on(
    database_url: str, tmp_path: Path
) -> None:
    await put_events(database_url, versions=3)
    poison, *later = await events(database_url)
    deaths = 0
    async with (
        receiving_webhooks() as receiver,
        doomed_worker(
            database_url, receiver, tmp_path / "log", **PATIENT | {"MAITRED_EVENT_ATTEMPTS_MAX": "2"}
        ) as worker,
        asyncio.timeout(PATIENCE_S),
    ):

        async def kill(posted: Posted) -> None:
            nonlocal deaths
            if posted.headers["webhook-id"] == poison:
                deaths += 1
                await worker.kill()

        receiver.on_post = kill
        while await statuses(database_url) != ["dead", "done", "done"]:
            # As whatever supervises it does.
            await worker.start()
            await asyncio.sleep(0.02)
    assert deaths == 2
    assert [
        posted.headers["webhook-id"] for posted in receiver.posted if posted.headers["webhook-id"] != poison
    ] == later
    (dead,) = await rows(database_url, "SELECT last_error FROM capacity_outbox WHERE status = 'dead'")
    assert dead["last_error"] == "2 workers in a row ended while they delivered it"


async def test_a_worker_that_was_paused_past_its_lease_changes_nothing_any_more(
    database_url: str, tmp_path: Path
) -> None:
    await put_events(database_url, versions=4)
    ids = await events(database_url)
    paused = asyncio.Event()
    async with (
        receiving_webhooks() as receiver,
        doomed_worker(database_url, receiver, tmp_path / "log", **SHORT_LEASE) as worker,
        asyncio.timeout(PATIENCE_S),
    ):

        async def pause(_: Posted) -> None:
            """While it delivers: on a busy machine it may have given up what comes in here."""
            if not paused.is_set():
                worker.signal(signal.SIGSTOP)
                if await rows(database_url, LEASED):
                    paused.set()
                else:
                    worker.signal(signal.SIGCONT)

        receiver.on_post = pause
        await paused.wait()
        settings = load_settings(
            sinks="webhook",
            webhook_url=f"http://127.0.0.1:{receiver.port}/events",
            webhook_secret=delivery_settings(receiver.port)["MAITRED_WEBHOOK_SECRET"],
            log_level="error",
            relay_poll_s=0.1,
        )
        async with working(settings, database_url):
            await until_delivered(database_url)
        after = await _everything(database_url)
        worker.signal(signal.SIGCONT)
        while "lease_lost" not in worker.log():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
        assert await _everything(database_url) == after
    first = list(dict.fromkeys(posted.headers["webhook-id"] for posted in receiver.posted))
    assert first == ids
    assert len({(posted.headers["webhook-id"], posted.body) for posted in receiver.posted}) == 4


async def _everything(url: str) -> list[list[dict[str, object]]]:
    """What a late answer could change."""
    return [
        await rows(url, "SELECT * FROM capacity_outbox ORDER BY floor_version"),
        await rows(url, "SELECT * FROM outbox_streams"),
    ]
