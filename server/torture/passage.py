"""Connections that lead through here can be cut, stalled, slowed, and lose what is answered on them."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

CONNECT_TIMEOUT_S = 2.0
BACKLOG = 2_048


class Tampering(Protocol):
    """Sees the bytes of one connection on their way."""

    def sent(self, data: bytes) -> None:
        """These bytes go from the client to the server."""

    def answered(self, data: bytes) -> bytes:
        """These bytes came from the server; what the client gets instead."""


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """A port of this machine."""

    port: int

    async def connect(self, protocol: Callable[[], "_End"]) -> None:
        await asyncio.get_running_loop().create_connection(protocol, "127.0.0.1", self.port)


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """A UNIX socket."""

    path: Path

    async def connect(self, protocol: Callable[[], "_End"]) -> None:
        await asyncio.get_running_loop().create_unix_connection(protocol, str(self.path))


class _End(asyncio.Protocol):
    """One end of a connection. Reading stops for as long as anybody has a reason against it."""

    def __init__(self, link: "Link", passed: Callable[[bytes], None]) -> None:
        self._link = link
        self._passed = passed
        self._transport: asyncio.Transport | None = None
        self._reasons: set[str] = set()
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Both ways, though not every event loop says so by its type.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._passed(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold("the other end is full")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.let("the other end is full")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._link.close()

    def write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def hold(self, reason: str) -> None:
        if self._transport is not None and not self._reasons:
            self._transport.pause_reading()
        self._reasons.add(reason)

    def let(self, reason: str) -> None:
        self._reasons.discard(reason)
        if self._transport is not None and not self._reasons:
            self._transport.resume_reading()

    def close(self) -> None:
        """What was written still arrives."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Link:
    """One connection that leads through, with what is done to it."""

    def __init__(self, passage: "Passage", tampering: Tampering | None) -> None:
        self._passage = passage
        self._tampering = tampering
        self._delay_s = 0.0
        self._swallows = self._cuts_next = self._closed = False
        # What a client says before the server's end is there.
        self._early: list[bytes] | None = []
        self.client = _End(self, self._from_client)
        self.server = _End(self, self._from_server)
        self.client.other, self.server.other = self.server, self.client

    def opened(self) -> None:
        """The server's end is there, and of no use where the client's has gone meanwhile."""
        if self._closed:
            self.server.abort()
            return
        early, self._early = self._early or (), None
        for data in early:
            self._from_client(data)

    def cut(self) -> None:
        """Both ends at once, whatever is on its way."""
        self.client.abort()
        self.server.abort()

    def cut_in_mid_answer(self) -> None:
        """With the next answer: the client gets the first half of its bytes."""
        self._cuts_next = True

    def swallow(self) -> None:
        """Requests go through, and no answer comes any more. Only a cut ends it: bytes are missing."""
        self._swallows = True

    def stall(self) -> None:
        """Nothing moves in either direction, and nothing is lost."""
        self.client.hold("stalled")
        self.server.hold("stalled")

    def resume(self) -> None:
        self.client.let("stalled")
        self.server.let("stalled")

    def slow(self, delay_s: float) -> None:
        """Every piece waits so long on its way; 0 ends it."""
        self._delay_s = delay_s

    def close(self) -> None:
        """One end is gone, so the other has no use. What is on its way to a client still arrives."""
        if not self._closed:
            self._closed = True
            self._passage.forget(self)
            self.client.close()
            self.server.abort()

    def _from_client(self, data: bytes) -> None:
        if self._early is not None:
            self._early.append(data)
            return
        if self._tampering is not None:
            self._tampering.sent(data)
        self._pass_on(self.client, self.server, data)

    def _from_server(self, data: bytes) -> None:
        if self._swallows:
            return
        if self._cuts_next:
            self.client.write(data[: len(data) // 2])
            self.close()
            return
        if self._tampering is not None:
            data = self._tampering.answered(data)
        self._pass_on(self.server, self.client, data)

    def _pass_on(self, source: _End, target: _End, data: bytes) -> None:
        if not self._delay_s:
            target.write(data)
            return
        # Nothing more is read until this has gone on, so nothing overtakes.
        source.hold("slowed")

        def arrive() -> None:
            target.write(data)
            source.let("slowed")

        asyncio.get_running_loop().call_later(self._delay_s, arrive)


@dataclass(slots=True)
class Passage:
    """Passes connections on to its target, and cuts those that it does not take."""

    target: TcpTarget | UnixTarget
    tampering: Callable[[], Tampering] | None = None
    links: set[Link] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def listen_tcp(self) -> int:
        """On a free port of loopback, which is returned."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._arrived, "127.0.0.1", 0, backlog=BACKLOG, family=socket.AF_INET
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def listen_unix(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._arrived, str(path), backlog=BACKLOG)

    def forget(self, link: Link) -> None:
        self.links.discard(link)

    async def close(self) -> None:
        """Takes nobody any more, and cuts what is open."""
        if self._server is not None:
            self._server.close()
        for link in tuple(self.links):
            link.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _arrived(self) -> _End:
        link = Link(self, self.tampering() if self.tampering is not None else None)
        self.links.add(link)
        task = asyncio.get_running_loop().create_task(self._connect(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link.client

    async def _connect(self, link: Link) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self.target.connect(lambda: link.server)
        except (OSError, TimeoutError):
            link.cut()
        else:
            link.opened()
