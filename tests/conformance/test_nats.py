"""What a JetStream stream keeps of events."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import nats.errors
import pytest
from nats.js.api import StreamConfig

from server.outbox.events import OutboxEvent
from server.outbox.ports import Undeliverable
from server.outbox.sinks.nats import ConnectionLostError, NatsSettings, NatsSink, StreamMismatchError
from tests.builders.bookings import RESTAURANT
from tests.builders.events import every_event, on_its_way
from tests.conformance.receivers import STREAM, delete_stream, in_stream, jetstream
from tests.support.nats_server import NatsServer, running_nats


@asynccontextmanager
async def publishing(server: NatsServer) -> AsyncIterator[NatsSink]:
    sink = NatsSink(NatsSettings((server.url,), STREAM, 1, 3_600.0, 20.0))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


@pytest.fixture
async def server(nats_server: NatsServer) -> AsyncIterator[NatsServer]:
    """The server, without a stream before and after."""
    yield nats_server
    async with jetstream(nats_server) as stream:
        await delete_stream(stream)


async def test_the_subject_is_type_and_restaurant_so_that_consumers_can_choose(server: NatsServer) -> None:
    here, there = on_its_way(every_event()[0]), on_its_way(every_event()[9], restaurant_id=UUID(int=9))
    async with publishing(server) as sink, jetstream(server) as stream:
        for event in (here, there):
            await sink.deliver(event)
        first, second = [await stream.get_msg(STREAM, number) for number in (1, 2)]
        assert first.subject == f"maitred.capacity.hold.created.{RESTAURANT}"
        assert second.subject == f"maitred.capacity.block.created.{UUID(int=9)}"
        assert (first.headers or {})["Content-Type"] == "application/cloudevents+json"
        assert json.loads(first.data or b"")["data"] == here.payload
        chosen = await stream.subscribe(f"maitred.capacity.*.*.{UUID(int=9)}", stream=STREAM)
        assert (await chosen.next_msg(20.0)).data == second.data


async def test_a_stream_is_made_on_disk_and_drops_repeats_for_an_hour(server: NatsServer) -> None:
    async with publishing(server) as sink, jetstream(server) as stream:
        await sink.probe()
        config = (await stream.stream_info(STREAM)).config
    assert (config.subjects, config.storage, config.num_replicas) == (["maitred.>"], "file", 1)
    assert (config.max_age, config.duplicate_window) == (3_600.0, 3_600.0)


async def test_a_stream_that_is_there_is_left_as_it_is(server: NatsServer) -> None:
    async with jetstream(server) as stream:
        made = StreamConfig(
            name=STREAM, subjects=["maitred.capacity.>"], max_age=900.0, duplicate_window=60.0
        )
        before = (await stream.add_stream(made)).config
        async with publishing(server) as sink:
            await sink.deliver(on_its_way())
        assert (await stream.stream_info(STREAM)).config == before


async def test_a_stream_for_something_else_is_a_problem_that_is_named(server: NatsServer) -> None:
    async with jetstream(server) as stream, publishing(server) as sink:
        await stream.add_stream(StreamConfig(name=STREAM, subjects=["weather.>"]))
        with pytest.raises(StreamMismatchError, match=f"stream {STREAM} exists and does not take maitred.>"):
            await sink.deliver(on_its_way())


async def test_a_stream_that_vanished_is_made_again_by_the_next_connection(server: NatsServer) -> None:
    async with jetstream(server) as stream, publishing(server) as sink:
        await sink.deliver(on_its_way())
        await delete_stream(stream)
        event = on_its_way()
        with pytest.raises(Exception, match="stream"):
            await sink.deliver(event)
        await sink.deliver(event)
        assert [received.event_id for received in await in_stream(stream)] == [str(event.event_id)]


async def test_an_event_that_the_server_finds_too_large_is_final(server: NatsServer) -> None:
    event = on_its_way()
    huge = on_its_way(payload={**event.payload, "sinceTomorrow": "x" * 2_000_000})
    async with publishing(server) as sink:
        with pytest.raises(Undeliverable, match="more than the server takes"):
            await sink.deliver(huge)
        await sink.deliver(event)


async def test_what_the_stream_has_acknowledged_outlives_a_killed_server(tmp_path: Path) -> None:
    events = [on_its_way() for _ in range(5)]
    with running_nats(tmp_path) as server:
        async with publishing(server) as sink:
            for event in events[:4]:
                await sink.deliver(event)
            server.kill()
            server.start()
            # The sink has not seen the acknowledgement, for all it knows.
            for event in events[3:]:
                await deliver_by_the_second_try(sink, event)
        async with jetstream(server) as stream:
            kept = [received.event_id for received in await in_stream(stream)]
    assert kept == [str(event.event_id) for event in events]


async def deliver_by_the_second_try(sink: NatsSink, event: OutboxEvent) -> None:
    """The first one may still meet the connection that was cut."""
    with contextlib.suppress(ConnectionLostError, nats.errors.Error, OSError):
        await sink.deliver(event)
    await sink.deliver(event)
