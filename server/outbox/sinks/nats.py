"""Events published to a NATS JetStream stream."""

import asyncio
from dataclasses import dataclass
from typing import Final

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import Header, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from server.outbox.encoding import CONTENT_TYPE, cloud_event
from server.outbox.events import OutboxEvent
from server.outbox.ports import Undeliverable

log = structlog.get_logger(__name__)

SUBJECTS: Final = "maitred.>"
# Any of these takes everything that is published here.
COVERING: Final = frozenset({SUBJECTS, "maitred.capacity.>", ">"})
# Longer than an event is tried again for, so that the stream itself drops what is repeated.
DUPLICATE_WINDOW_S: Final = 3_600.0
# A connection on which nothing comes back any more is noticed after two of these.
PING_INTERVAL_S: Final = 10


class StreamMismatchError(Exception):
    """The stream is there and takes other subjects."""


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """`servers` are URLs of one cluster. `replicas` and `max_age_s` are those of a stream that has to be made.

    `timeout_s` bounds making a connection, and waiting for the stream's answer.
    """

    servers: tuple[str, ...]
    stream: str
    replicas: int
    max_age_s: float
    timeout_s: float


def subject(event: OutboxEvent) -> str:
    """What consumers filter by: `maitred.<event type>.<restaurant id>`."""
    return f"maitred.{event.event_type}.{event.restaurant_id}"


class NatsSink:
    """Publishes each event as a CloudEvent and waits until the stream has it.

    `Nats-Msg-Id` is the event id, by which the stream drops a repeat. A connection that is lost is made anew by the
    next event, so that nothing is buffered and nothing overtakes.
    """

    name = "nats"

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def open(self) -> None:
        """The first event connects: a server that is away keeps nobody from starting."""

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await self._let_go(client)

    async def deliver(self, event: OutboxEvent) -> None:
        body = cloud_event(event)
        stream = await self._stream()
        headers = {Header.MSG_ID: str(event.event_id), "Content-Type": CONTENT_TYPE}
        try:
            await stream.publish(
                subject(event), body, self._settings.timeout_s, self._settings.stream, headers
            )
        except nats.errors.MaxPayloadError:
            raise Undeliverable(f"{len(body)} bytes are more than the server takes") from None

    async def probe(self) -> None:
        """Asks for the stream."""
        stream = await self._stream()
        await stream.stream_info(self._settings.stream)

    async def _stream(self) -> JetStreamContext:
        """The stream's context, on a connection that was there a moment ago."""
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                self._client = await self._connected(self._client)
            return self._client.jetstream(timeout=self._settings.timeout_s)

    async def _connected(self, before: Client | None) -> Client:
        if before is not None:
            await self._let_go(before)
        client = Client()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.connect(
                    list(self._settings.servers),
                    name="maitred",
                    error_cb=_tell,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=max(1, int(self._settings.timeout_s)),
                    ping_interval=PING_INTERVAL_S,
                )
                await self._require_stream(client.jetstream(timeout=self._settings.timeout_s))
        except BaseException:
            await self._let_go(client)
            raise
        return client

    async def _require_stream(self, manager: JetStreamContext) -> None:
        """Makes the stream, or checks the one that is there. How somebody else set it up is left as it is."""
        settings = self._settings
        try:
            found = await manager.stream_info(settings.stream)
        except NotFoundError:
            await manager.add_stream(
                StreamConfig(
                    name=settings.stream,
                    subjects=[SUBJECTS],
                    storage=StorageType.FILE,
                    num_replicas=settings.replicas,
                    max_age=settings.max_age_s,
                    duplicate_window=min(DUPLICATE_WINDOW_S, settings.max_age_s),
                )
            )
            log.info("nats_stream_made", stream=settings.stream, subjects=SUBJECTS)
            return
        if COVERING.isdisjoint(found.config.subjects or ()):
            raise StreamMismatchError(f"stream {settings.stream} exists and does not take {SUBJECTS}")

    async def _let_go(self, client: Client) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.close()
        except (TimeoutError, OSError, nats.errors.Error) as problem:
            log.debug("nats_connection_not_closed", problem=repr(problem))


async def _tell(problem: Exception) -> None:
    """What the library notices between two events. The event that meets it fails with a reason of its own."""
    log.debug("nats_problem", problem=repr(problem))
