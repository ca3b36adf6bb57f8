"""Events published to a NATS JetStream stream."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import Header, StorageType, StreamConfig
from nats.js.errors import NoStreamResponseError, NotFoundError

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

    `timeout_s` bounds making a connection, of which each server has its part, and waiting for the stream's answer.
    """

    servers: tuple[str, ...]
    stream: str
    replicas: int
    max_age_s: float
    timeout_s: float


def subject(event: OutboxEvent) -> str:
    """What consumers filter by: `maitred.<event type>.<restaurant id>`."""
    return f"maitred.{event.event_type}.{event.restaurant_id}"


class ConnectionLostError(Exception):
    """The connection went away before the stream had answered."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """A client, and the news that its connection is gone: requests on it would wait for an answer in vain."""

    client: Client
    lost: asyncio.Event

    async def unless_lost(self, work: Coroutine[None, None, object]) -> None:
        working = asyncio.ensure_future(work)
        losing = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ConnectionLostError("the connection was lost before the stream had answered")
            await working
        finally:
            working.cancel()
            losing.cancel()


class NatsSink:
    """Publishes each event as a CloudEvent and waits until the stream has it.

    `Nats-Msg-Id` is the event id, by which the stream drops a repeat. A connection that is lost is made anew by the
    next event, so that nothing is buffered and nothing overtakes.
    """

    name = "nats"

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def open(self) -> None:
        """The first event connects: a server that is away keeps nobody from starting."""

    async def close(self) -> None:
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._let_go(connection.client)

    async def deliver(self, event: OutboxEvent) -> None:
        body = cloud_event(event)
        headers = {Header.MSG_ID: str(event.event_id), "Content-Type": CONTENT_TYPE}
        settings, connection = self._settings, await self._connected()
        publishing = self._stream(connection.client).publish(
            subject(event), body, settings.timeout_s, settings.stream, headers
        )
        try:
            await connection.unless_lost(publishing)
        except nats.errors.MaxPayloadError:
            raise Undeliverable(f"{len(body)} bytes are more than the server takes") from None
        except NoStreamResponseError:
            # Somebody took the stream away: the next connection makes it again.
            await self._let_go(connection.client)
            raise

    def _stream(self, client: Client) -> JetStreamContext:
        return client.jetstream(timeout=self._settings.timeout_s)

    async def _connected(self) -> _Connection:
        """A connection that was there a moment ago. All who need a new one wait for the same attempt and its end."""
        if self._connection is not None and self._connection.client.is_connected:
            return self._connection
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._replace_connection())
            self._connecting.add_done_callback(_note_end)
        return await asyncio.shield(self._connecting)

    async def _replace_connection(self) -> _Connection:
        if self._connection is not None:
            await self._let_go(self._connection.client)
        self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> _Connection:
        """A new connection to any of the servers, with the stream there."""
        client, lost = Client(), asyncio.Event()

        async def note_loss() -> None:
            lost.set()

        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.connect(
                    list(self._settings.servers),
                    name="maitred",
                    error_cb=_tell,
                    closed_cb=note_loss,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=self._settings.timeout_s / len(self._settings.servers),  # type: ignore[arg-type]
                    ping_interval=PING_INTERVAL_S,
                )
                await self._require_stream(self._stream(client))
        except BaseException:
            await self._let_go(client)
            raise
        return _Connection(client, lost)

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


def _note_end(connecting: asyncio.Task[_Connection]) -> None:
    """Everybody who waited may have been cut short meanwhile; then nobody is left to see why it failed."""
    if not connecting.cancelled() and connecting.exception() is not None:
        log.debug("nats_not_connected", problem=repr(connecting.exception()))


async def _tell(problem: Exception) -> None:
    """What the library notices between two events. The event that meets it fails with a reason of its own."""
    log.debug("nats_problem", problem=repr(problem))
