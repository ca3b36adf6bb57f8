"""A way to a receiver that can be shut, or stuck, while the receiver itself stays as it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# A method of a gate, that takes a while or not.
Change: TypeAlias = Callable[["Gate"], Awaitable[None] | None]


class Gate:
    """An address on loopback behind which a receiver is.

    `entered` counts the connections that were made. `swallowed` is set once something has come and is stuck.
    """

    def __init__(self, reach: Callable[[], Awaitable[Streams]]) -> None:
        self._reach = reach
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.entered = 0
        self.swallowed = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many there are right now."""
        return len(self._ways)

    async def open(self) -> None:
        """Leads to the receiver; after it was shut, at the same address as before."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cuts every connection and takes no new one."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Cuts every connection, and takes new ones."""
        ways = tuple(self._ways)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def stick(self) -> None:
        """Takes what comes and passes nothing on, as a receiver does that hangs."""
        self.swallowed.clear()
        self._flowing.clear()

    def lose(self) -> None:
        """Passes nothing on any more over the connections there are, as after a cut that nobody is told of."""
        self.stick()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def loosen(self) -> None:
        """Passes on what was stuck, and what comes."""
        self._flowing.set()

    async def make(self, change: Change) -> None:
        made = change(self)
        if made is not None:
            await made

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.current_task()
        assert way is not None
        self._ways.add(way)
        self.entered += 1
        flowing = self._flowing
        try:
            inner_reader, inner_writer = await self._reach()
            try:
                there = asyncio.create_task(self._pass_on(reader, inner_writer, flowing))
                back = asyncio.create_task(self._pass_on(inner_reader, writer, flowing))
                try:
                    await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
            finally:
                inner_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._ways.discard(way)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not flowing.is_set():
                    self.swallowed.set()
                await flowing.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def gate_to(reach: Callable[[], Awaitable[Streams]]) -> AsyncIterator[Gate]:
    gate = Gate(reach)
    await gate.open()
    try:
        yield gate
    finally:
        gate.loosen()
        await gate.shut()


@asynccontextmanager
async def gate_to_postgres(url: str) -> AsyncIterator[tuple[Gate, str]]:
    """A gate to the PostgreSQL at this URL, which has a socket, and the URL that leads through it."""
    parts = urlsplit(url)
    where = parse_qs(parts.query)
    socket = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
    async with gate_to(lambda: asyncio.open_unix_connection(socket)) as gate:
        yield gate, f"postgresql://{parts.username}@127.0.0.1:{gate.port}{parts.path}?sslmode=disable"
