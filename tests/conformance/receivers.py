"""A real receiver behind each kind of sink, reached through a gate, and what it has received."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from server.config import Settings, load_settings
from server.outbox.sinks.ports import Sink
from server.persistence.pool import PoolSettings, open_pool
from server.receivers import build_sinks
from tests.support.database import rows
from tests.support.gate import Gate, Streams, gate_to, gate_to_postgres
from tests.support.logs import everything_logged
from tests.support.nats_server import NatsServer
from tests.support.postgres import TestServer
from tests.support.webhook_receiver import receiving_webhooks

SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHM="


@dataclass(frozen=True, slots=True)
class Places:
    """Where the servers are that receivers stand on."""

    postgres: TestServer
    nats: NatsServer


@dataclass(frozen=True, slots=True)
class Received:
    """One thing that came in: the event's id, and all that came with it, in one form."""

    event_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a sink delivers to. `gate` is None where nothing can come between; `drops_repeats` says that it does so
    itself, `connections_max` how many connections the sink may make while nothing goes wrong."""

    sink: Sink
    received: Callable[[], Awaitable[list[Received]]]
    gate: Gate | None = None
    drops_repeats: bool = False
    connections_max: int = 0

    @property
    def way(self) -> Gate:
        assert self.gate is not None, "nothing can come between"
        return self.gate


Making = Callable[[Places, float], AbstractAsyncContextManager[Receiver]]


@asynccontextmanager
async def log_receiver(_places: Places, _timeout_s: float) -> AsyncIterator[Receiver]:
    with everything_logged() as lines:

        async def received() -> list[Received]:
            told = [line for line in lines if line["event"] == "capacity_event"]
            return [Received(line["event_id"], _one_form(line)) for line in told]

        yield Receiver(_sink(load_settings(sinks="log")), received)


@asynccontextmanager
async def telemetry_receiver(places: Places, timeout_s: float) -> AsyncIterator[Receiver]:
    async with places.postgres.fresh_database() as url, gate_to_postgres(url) as (gate, through):

        async def received() -> list[Received]:
            found = await rows(url, "SELECT * FROM telemetry_events ORDER BY recorded_at")
            return [Received(str(row.pop("event_id")), _one_form(row)) for row in found]

        pool = await open_pool(PoolSettings(through, size_min=1, size_max=4, connect_timeout_s=timeout_s))
        try:
            settings = load_settings(
                sinks="telemetry", telemetry_timeout_s=timeout_s, lease_s=600, event_timeout_s=500
            )
            yield Receiver(
                build_sinks(settings, pool)[0], received, gate, drops_repeats=True, connections_max=4
            )
        finally:
            pool.terminate()


@asynccontextmanager
async def webhook_receiver(_places: Places, timeout_s: float) -> AsyncIterator[Receiver]:
    async with receiving_webhooks() as server, gate_to(_reach("127.0.0.1", server.port)) as gate:

        async def received() -> list[Received]:
            return [Received(post.headers["webhook-id"], post.body.decode()) for post in server.posted]

        settings = load_settings(
            sinks="webhook",
            webhook_url=f"http://127.0.0.1:{gate.port}/events",
            webhook_secret=SECRET,
            webhook_timeout_s=timeout_s,
            webhook_connect_timeout_s=timeout_s,
            webhook_connections_max=8,
        )
        yield Receiver(_sink(settings), received, gate, connections_max=8)


@asynccontextmanager
async def nats_receiver(places: Places, timeout_s: float) -> AsyncIterator[Receiver]:
    async with (
        gate_to(_reach("127.0.0.1", places.nats.port)) as gate,
        own_stream(places.nats) as stream,
    ):
        settings = load_settings(
            sinks="nats",
            nats_url=f"nats://127.0.0.1:{gate.port}",
            nats_stream=stream.name,
            nats_timeout_s=timeout_s,
            lease_s=600,
            event_timeout_s=500,
        )
        yield Receiver(_sink(settings), stream.received, gate, drops_repeats=True, connections_max=1)


RECEIVERS: Mapping[str, Making] = {
    "log": log_receiver,
    "telemetry": telemetry_receiver,
    "webhook": webhook_receiver,
    "nats": nats_receiver,
}


@dataclass(frozen=True, slots=True)
class OwnStream:
    """A stream of the test's own, which the sink makes, and a connection to it past the gate.

    Its name was never used before: what a server has been told to delete may be back when the same name comes again at
    once.
    """

    name: str
    context: JetStreamContext

    async def received(self) -> list[Received]:
        """What the stream holds, in its order."""
        try:
            last = (await self.context.stream_info(self.name)).state.last_seq
        except NotFoundError:
            return []
        messages = [await self.context.get_msg(self.name, number) for number in range(1, last + 1)]
        return [
            Received((message.headers or {})["Nats-Msg-Id"], (message.data or b"").decode())
            for message in messages
        ]

    async def delete(self) -> None:
        with suppress(NotFoundError):
            await self.context.delete_stream(self.name)


@asynccontextmanager
async def own_stream(server: NatsServer) -> AsyncIterator[OwnStream]:
    """Deleted in the end: two streams cannot have the same subjects."""
    client = await nats.connect(server.url)
    try:
        stream = OwnStream(f"TEST_{uuid4().hex}", client.jetstream())
        yield stream
        await stream.delete()
    finally:
        await client.close()


def _sink(settings: Settings) -> Sink:
    """The one sink of these settings, which needs no database."""
    (sink,) = build_sinks(settings, None)  # type: ignore[arg-type]
    return sink


def _reach(host: str, port: int) -> Callable[[], Awaitable[Streams]]:
    async def reach() -> Streams:
        return await asyncio.open_connection(host, port)

    return reach


def _one_form(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=str)
