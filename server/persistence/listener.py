"""Hears what other processes announce, and knows whether it still would."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import structlog

from server.domain.announcement import ChangeHearer
from server.lifecycle import end_task
from server.persistence.announcer import CHANNEL, decode_announcements
from server.persistence.pool import DriverConnection, PoolSettings, connect
from server.persistence.queries import load_queries

log = structlog.get_logger(__name__)


ANNOUNCEMENTS = load_queries("announcements")
# By which an operator tells the connection that listens from those that work.
APPLICATION_NAME = "maitred listener"


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Seconds. A probe is a notification to oneself; it has to be back within `probe_timeout_s`.

    The wait before a new connection doubles from `backoff_s` up to `backoff_s_max`.
    """

    probe_s: float = 10.0
    probe_timeout_s: float = 5.0
    backoff_s: float = 0.1
    backoff_s_max: float = 5.0


class Listener:
    """One connection per process that listens, and is opened again whenever it is lost.

    A connection can look alive and hear nothing: half-open, or behind a pooler that gives the session to somebody else.
    So it is probed, and only a probe that came back makes the channel count as open. `start`, `stop`; stopping twice is
    harmless. `hearers` are told from then on.
    """

    def __init__(
        self, pool: PoolSettings, settings: ListenerSettings, hearers: Iterable[ChangeHearer]
    ) -> None:
        self._pool = replace(pool, application_name=APPLICATION_NAME)
        self._settings = settings
        self._hearers = list(hearers)
        self._probe_channel = f"maitred_probe_{token_hex(8)}"
        self._probe_heard = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._up = False
        self._said_lost = False

    @property
    def up(self) -> bool:
        return self._up

    def tell(self, hearer: ChangeHearer) -> None:
        """Somebody else wants to know, from the start on."""
        self._hearers.append(hearer)

    async def start(self) -> None:
        """Returns at once: nobody has to wait for the channel, because nothing rests on it."""
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        task, self._task = self._task, None
        await end_task(task)

    async def _run(self) -> None:
        wait_s = self._settings.backoff_s
        while True:
            try:
                await self._listen()
            except Exception as problem:  # noqa: BLE001  # however it was lost, it is opened again
                if self._up or not self._said_lost:
                    wait_s = self._settings.backoff_s
                    self._said_lost = True
                    log.warning("notifications_lost", problem=f"{type(problem).__name__}: {problem}")
            finally:
                self._set_channel(None)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2.0, self._settings.backoff_s_max)

    async def _listen(self) -> None:
        """Listens until the connection is lost, which is how it always ends."""
        connection = await connect(self._pool)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            await connection.add_listener(self._probe_channel, self._hear_probe)
            await self._probe(connection)
            self._set_channel(str(await connection.fetchval(ANNOUNCEMENTS["database_identity"])))
            self._tell(lambda hearer: hearer.on_gap())
            while not await _within(self._settings.probe_s, lost.wait()):
                await self._probe(connection)
            raise ConnectionError("the connection was closed")
        finally:
            connection.terminate()

    async def _probe(self, connection: DriverConnection) -> None:
        self._probe_heard.clear()
        async with asyncio.timeout(self._settings.probe_timeout_s):
            await connection.execute(ANNOUNCEMENTS["notify"], self._probe_channel, [""])
            await self._probe_heard.wait()

    def _hear_probe(self, *_: Any) -> None:
        self._probe_heard.set()

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        announcements = decode_announcements(str(payload))
        if announcements is None:
            self._tell(lambda hearer: hearer.on_gap())
            return
        for announcement in announcements:
            self._tell(lambda hearer, told=announcement: hearer.on_change(told))  # type: ignore[misc]

    def _set_channel(self, database: str | None) -> None:
        before, self._up = self._up, database is not None
        if before != self._up:
            log.info("notifications_up" if self._up else "notifications_down")
            self._tell(lambda hearer: hearer.on_channel(database))

    def _tell(self, what: Callable[[ChangeHearer], None]) -> None:
        for hearer in self._hearers:
            what(hearer)


async def _within(seconds: float, event: Any) -> bool:
    """Whether it came within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event
    except TimeoutError:
        return False
    return True
