"""What a JetStream stream keeps of events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError

from server.domain.events import Event
from server.outbox.events import OutboxEvent
from server.outbox.ports import Undeliverable
from server.outbox.sinks import nats as nats_sink
from server.outbox.sinks.nats import ConnectionLostError, NatsSettings, NatsSink, StreamMismatchError
from tests.builders.bookings import RESTAURANT
from tests.builders.events import every_event, on_its_way
from tests.conformance.receivers import OwnStream, Places, Receiver, nats_receiver, own_stream
from tests.support.nats_server import NatsServer, running_nats


@pytest.fixture
async def stream(nats_server: NatsServer) -> AsyncIterator[OwnStream]:
    async with own_stream(nats_server) as stream:
        yield stream


@pytest.fixture
async def sink(nats_server: NatsServer, stream: OwnStream) -> AsyncIterator[NatsSink]:
    async with publishing(nats_server, stream) as sink:
        yield sink


@asynccontextmanager
async def publishing(
    server: NatsServer, stream: OwnStream, max_age_s: float = 7_200.0
) -> AsyncIterator[NatsSink]:
    sink = NatsSink(NatsSettings((server.url,), stream.name, 1, max_age_s, 20.0))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


def _of_type(event_type: str) -> Event:
    return next(event for event in every_event() if event.event_type == event_type)


async def test_the_subject_is_type_and_restaurant_so_that_consumers_can_choose(
    sink: NatsSink, stream: OwnStream
) -> None:
    here, there = (
        on_its_way(every_event()[0]),
        on_its_way(_of_type("capacity.block.created"), restaurant_id=UUID(int=9)),
    )
    for event in (here, there):
        await sink.deliver(event)
    first, second = [await stream.context.get_msg(stream.name, number) for number in (1, 2)]
    assert first.subject == f"maitred.capacity.hold.created.{RESTAURANT}"
    assert second.subject == f"maitred.capacity.block.created.{UUID(int=9)}"
    assert (first.headers or {})["Content-Type"] == "application/cloudevents+json"
    assert json.loads(first.data or b"")["data"] == here.payload
    chosen = await stream.context.subscribe(f"maitred.capacity.*.*.{UUID(int=9)}", stream=stream.name)
    assert (await chosen.next_msg(20.0)).data == second.data


async def test_a_stream_is_made_on_disk_and_drops_repeats_for_an_hour(
    sink: NatsSink, stream: OwnStream
) -> None:
    await sink.deliver(on_its_way())
    config = (await stream.context.stream_info(stream.name)).config
    assert (config.subjects, config.storage, config.num_replicas) == (["maitred.>"], "file", 1)
    assert (config.max_age, config.duplicate_window) == (7_200.0, 3_600.0)


async def test_a_stream_that_keeps_events_for_less_than_an_hour_drops_repeats_for_as_long(
    nats_server: NatsServer, stream: OwnStream
) -> None:
    """NATS refuses to make one that looks out for repeats of what it does not have any more."""
    async with publishing(nats_server, stream, max_age_s=900.0) as sink:
        await sink.deliver(on_its_way())
    config = (await stream.context.stream_info(stream.name)).config
    assert (config.max_age, config.duplicate_window) == (900.0, 900.0)


async def test_what_another_stream_has_taken_is_not_delivered(sink: NatsSink, stream: OwnStream) -> None:
    await sink.deliver(on_its_way())
    await stream.delete()
    other = f"{stream.name}_OTHER"
    await stream.context.add_stream(StreamConfig(name=other, subjects=["maitred.>"]))
    try:
        with pytest.raises(APIError, match="expected stream does not match"):
            await sink.deliver(on_its_way())
    finally:
        await stream.context.delete_stream(other)


async def test_a_stream_that_is_there_is_left_as_it_is(sink: NatsSink, stream: OwnStream) -> None:
    made = StreamConfig(
        name=stream.name, subjects=["maitred.capacity.>"], max_age=900.0, duplicate_window=60.0
    )
    before = (await stream.context.add_stream(made)).config
    await sink.deliver(on_its_way())
    assert (await stream.context.stream_info(stream.name)).config == before


async def test_a_stream_for_something_else_is_a_problem_that_is_named(
    sink: NatsSink, stream: OwnStream
) -> None:
    await stream.context.add_stream(StreamConfig(name=stream.name, subjects=["weather.>"]))
    with pytest.raises(StreamMismatchError, match=f"stream {stream.name} exists and does not take maitred.>"):
        await sink.deliver(on_its_way())


async def test_a_sink_that_finds_a_stream_for_something_else_keeps_no_connection(places: Places) -> None:
    async with nats_receiver(places, 20.0) as receiver, own_stream(places.nats) as other:
        await other.context.add_stream(StreamConfig(name=other.name, subjects=["maitred.weather.>"]))
        with pytest.raises(BadRequestError, match="subjects overlap"):
            await receiver.sink.deliver(on_its_way())
        await until_left(receiver)


async def test_a_connection_over_which_nothing_comes_any_more_is_replaced(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although nobody says that it is dead."""
    monkeypatch.setattr(nats_sink, "PING_INTERVAL_S", 0.1)
    async with nats_receiver(places, 20.0) as receiver:
        await receiver.sink.deliver(on_its_way())
        receiver.way.lose()
        with pytest.raises(ConnectionLostError):
            await receiver.sink.deliver(on_its_way())
        await receiver.sink.deliver(on_its_way())
        await receiver.sink.close()


async def until_left(receiver: Receiver) -> None:
    async with asyncio.timeout(20):
        while receiver.way.connections:  # noqa: ASYNC110 - a gate tells nobody
            await asyncio.sleep(0.01)


async def test_a_stream_that_vanished_is_made_again_by_the_next_connection(
    sink: NatsSink, stream: OwnStream
) -> None:
    await sink.deliver(on_its_way())
    await stream.delete()
    event = on_its_way()
    with pytest.raises(NoStreamResponseError):
        await sink.deliver(event)
    await sink.deliver(event)
    # What was deleted may be back, which is the server's affair.
    received = await stream.received()
    assert [each.event_id for each in received][-1] == str(event.event_id)


async def test_an_event_that_the_server_finds_too_large_is_final(sink: NatsSink, stream: OwnStream) -> None:
    event = on_its_way()
    huge = on_its_way(payload={**event.payload, "sinceTomorrow": "x" * 2_000_000})
    with pytest.raises(Undeliverable, match="more than the server takes"):
        await sink.deliver(huge)
    await sink.deliver(event)
    assert len(await stream.received()) == 1


@pytest.mark.parametrize("servers", [1, 3])
async def test_making_a_connection_may_take_as_long_as_the_setting_says_by_all_servers_together(
    monkeypatch: pytest.MonkeyPatch, servers: int
) -> None:
    """The library alone would give each server two seconds."""
    given: list[object] = []
    connect = Client.connect

    async def note(client: Client, servers: list[str], **options: Any) -> None:
        given.append(options.get("connect_timeout"))
        await connect(client, servers, **options)

    monkeypatch.setattr(Client, "connect", note)
    sink = NatsSink(NatsSettings(("nats://127.0.0.1:1",) * servers, "S", 1, 3_600.0, 30.0))
    with pytest.raises(nats.errors.NoServersError):
        await sink.deliver(on_its_way())
    assert given == [30.0 / servers]


async def test_one_who_gives_up_takes_the_connection_that_is_made_from_nobody(
    sink: NatsSink, stream: OwnStream
) -> None:
    one, other = (asyncio.create_task(sink.deliver(on_its_way())) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await other
    assert one.cancelled()
    assert len(await stream.received()) == 1


async def test_what_the_stream_has_acknowledged_outlives_a_killed_server(tmp_path: Path) -> None:
    events = [on_its_way() for _ in range(5)]
    with running_nats(tmp_path) as server:
        async with own_stream(server) as before, publishing(server, before) as sink:
            for event in events[:4]:
                await sink.deliver(event)
            server.kill()
            server.start()
            # The sink has not seen the acknowledgement of the fourth, for all it knows.
            for event in events[3:]:
                await deliver_by_the_second_try(sink, event)
            async with own_stream(server) as after:
                received = await replace(after, name=before.name).received()
    assert [each.event_id for each in received] == [str(event.event_id) for event in events]


async def deliver_by_the_second_try(sink: NatsSink, event: OutboxEvent) -> None:
    """The first one may still meet the connection that was cut."""
    with contextlib.suppress(ConnectionLostError, nats.errors.Error, OSError):
        await sink.deliver(event)
    await sink.deliver(event)
