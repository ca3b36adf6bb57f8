"""The consumers that the documentation shows, fed by real sinks with the events of a real evening."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from server.outbox.events import OutboxEvent
from server.outbox.ports import Undeliverable
from server.outbox.sinks.nats import NatsSettings, NatsSink
from server.outbox.sinks.signature import read_secret
from server.outbox.sinks.webhook import NotAcceptedError, WebhookSettings, WebhookSink
from tests.builders.evenings import eventful_evening
from tests.builders.events import on_its_way
from tests.conformance.receivers import SECRET, own_stream
from tests.conftest import Served
from tests.support.committed_events import committed_events
from tests.support.database import rows
from tests.support.nats_server import NatsServer
from tests.support.programs import ROOT

EXAMPLES = ROOT / "docs" / "examples"
PRINT_TABLES = """
import json, pathlib, sys
from inbox import Inbox
print(json.dumps(Inbox(pathlib.Path(sys.argv[1])).tables()))
"""


class Consumer:
    """An example in a process of its own, and the lines that it writes."""

    def __init__(self, process: Process, state: Path) -> None:
        self._process = process
        self._state = state

    async def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        assert text, "the example has ended"
        told: dict[str, Any] = json.loads(text)
        return told

    async def verdicts(self, count: int) -> list[str]:
        return [(await self.line())["verdict"] for _ in range(count)]

    async def tables(self) -> dict[str, list[str]]:
        """What the example believes, read by its own code."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PRINT_TABLES, self._state, stdout=PIPE, cwd=EXAMPLES
        )
        out, _ = await process.communicate()
        told: dict[str, list[str]] = json.loads(out)
        return told


@asynccontextmanager
async def consuming(program: str, *arguments: str, state: Path) -> AsyncIterator[Consumer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLES / program,
        *arguments,
        state,
        stdout=PIPE,
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET},
    )
    try:
        yield Consumer(process, state)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def posting_to(consumer: Consumer, secret: str = SECRET) -> AsyncIterator[WebhookSink]:
    url = f"http://127.0.0.1:{(await consumer.line())['port']}/events"
    sink = WebhookSink(WebhookSettings(url, (read_secret(secret),), 20.0, 20.0, 4))
    await sink.open()
    yield sink
    await sink.close()


@pytest.fixture
async def events(server: Served) -> Sequence[OutboxEvent]:
    async with server.client() as client:
        await eventful_evening(client, server.database_url)
    return await committed_events(server.database_url)


@pytest.fixture
async def truth(events: Sequence[OutboxEvent], server: Served) -> Mapping[str, list[str]]:
    """The tables that each booking has."""
    found = await rows(server.database_url, "SELECT * FROM assignments WHERE state = 'active'")
    assert len(found) == 3
    return {str(row["booking_id"]): [str(table_id) for table_id in row["table_ids"]] for row in found}


async def test_in_order_every_event_is_the_next(
    events: Sequence[OutboxEvent], truth: Mapping[str, list[str]], tmp_path: Path
) -> None:
    async with (
        consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer,
        posting_to(consumer) as sink,
    ):
        for event in events:
            await sink.deliver(event)
        assert set(await consumer.verdicts(len(events))) == {"next"}
        assert await consumer.tables() == truth


async def test_backwards_and_repeated_the_consumer_ends_up_with_the_same(
    events: Sequence[OutboxEvent], truth: Mapping[str, list[str]], tmp_path: Path
) -> None:
    backwards = [*reversed(events), *events]
    async with (
        consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer,
        posting_to(consumer) as sink,
    ):
        for event in backwards:
            await sink.deliver(event)
        verdicts = await consumer.verdicts(len(backwards))
        assert verdicts.count("repeat") == len(events)
        assert {"late", "gap"} <= set(verdicts)
        assert await consumer.tables() == truth


async def test_what_was_taken_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    event = on_its_way(floor_version=1)
    for verdict in ("next", "repeat"):
        async with (
            consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer,
            posting_to(consumer) as sink,
        ):
            await sink.deliver(event)
            assert await consumer.verdicts(1) == [verdict]


async def test_a_missing_version_is_noticed_once_and_what_comes_late_is_known_for_it(tmp_path: Path) -> None:
    first, second, third, fourth = (on_its_way(floor_version=n) for n in (1, 2, 3, 4))
    async with (
        consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer,
        posting_to(consumer) as sink,
    ):
        elsewhere = replace(on_its_way(floor_version=1), restaurant_id=uuid4())
        for event in (first, third, elsewhere, fourth, second):
            await sink.deliver(event)
        assert await consumer.verdicts(5) == ["next", "gap", "next", "next", "late"]


async def test_an_event_from_somebody_else_is_refused(tmp_path: Path) -> None:
    stranger = "whsec_" + "A" * 32
    async with consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer:
        async with posting_to(consumer, stranger) as sink:
            with pytest.raises(Undeliverable, match="401"):
                await sink.deliver(on_its_way())
        assert await consumer.tables() == {}


async def test_an_event_that_was_recorded_and_sent_again_much_later_is_refused(tmp_path: Path) -> None:
    async with consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer:
        url = f"http://127.0.0.1:{(await consumer.line())['port']}/events"
        settings = WebhookSettings(url, (read_secret(SECRET),), 20.0, 20.0, 4)
        sink = WebhookSink(settings, lambda: 1_600_000_000.0)
        await sink.open()
        with pytest.raises(NotAcceptedError, match="401, and its clock is"):
            await sink.deliver(on_its_way())
        await sink.close()
        async with aiohttp.request("POST", url, data=b"{}") as answer:
            assert answer.status == 401


async def test_what_follows_a_body_of_no_known_length_is_no_request(tmp_path: Path) -> None:
    hidden = "POST /events HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
    lengths = (
        "content-length: -1",
        "content-length: 1000001",
        "content-length: \u00b2",
        "transfer-encoding: chunked",
    )
    async with consuming("webhook_consumer.py", "0", state=tmp_path / "state") as consumer:
        port = (await consumer.line())["port"]
        for length in lengths:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"POST /events HTTP/1.1\r\n{length}\r\n\r\n{hidden}".encode("latin-1"))
            answers = await reader.read()
            writer.close()
            assert answers.startswith(b"HTTP/1.1 400 "), length
            assert answers.count(b"HTTP/1.1 ") == 1, length


async def test_a_consumer_of_the_stream_goes_on_where_it_stopped(
    events: Sequence[OutboxEvent], truth: Mapping[str, list[str]], nats_server: NatsServer, tmp_path: Path
) -> None:
    half = len(events) // 2
    async with own_stream(nats_server) as stream:
        arguments = (nats_server.url, stream.name)
        sink = NatsSink(NatsSettings((nats_server.url,), stream.name, 1, 3_600.0, 20.0))
        for event in (*events[:half], *events[:half]):
            await sink.deliver(event)
        async with consuming("nats_consumer.py", *arguments, state=tmp_path / "state") as consumer:
            assert set(await consumer.verdicts(half)) == {"next"}
        for event in events[half:]:
            await sink.deliver(event)
        async with consuming("nats_consumer.py", *arguments, state=tmp_path / "state") as consumer:
            # The acknowledgement of an event may have been cut off with the process.
            fresh = 0
            while fresh < len(events) - half:
                (verdict,) = await consumer.verdicts(1)
                assert verdict in ("next", "repeat")
                fresh += verdict == "next"
            assert await consumer.tables() == truth
        await sink.close()
