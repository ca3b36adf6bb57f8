"""A way to PostgreSQL that can be cut: for all connections, or for the one that listens for notifications."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from server.persistence.listener import APPLICATION_NAME
from tests.support.postgres import scratch_directory

STARTUP_BYTES_MAX = 10_000


class Passage:
    """Forwards connections to a PostgreSQL on a UNIX socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._listening: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.listening_refused = False
        self.swallowed = False
        self.url = ""

    def cut_listening(self) -> None:
        """Closes the connections that listen, and lets none be opened again."""
        self.listening_refused = True
        for writer in tuple(self._listening):
            writer.close()

    def mend(self) -> None:
        self.listening_refused = self.swallowed = False

    async def pass_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        first = await reader.read(STARTUP_BYTES_MAX)
        listens = APPLICATION_NAME.encode() in first
        try:
            if listens and self.listening_refused:
                return
            if listens:
                self._listening.add(writer)
            there, onward = await asyncio.open_unix_connection(str(self._socket))
            onward.write(first)
            back = asyncio.create_task(self._pump(there, writer, listens))
            await self._pump(reader, onward, listens)
            back.cancel()
        finally:
            self._listening.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listens: bool) -> None:
        """A connection that is swallowed stays open, and nothing comes through it any more."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not (listens and self.swallowed):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def passage(url: str) -> AsyncIterator[Passage]:
    """Another URL of the same database."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    name = f".s.PGSQL.{query['port'][0]}"
    with scratch_directory() as folder:
        through = Passage(Path(query["host"][0]) / name)
        through.url = urlunsplit(parts._replace(query=urlencode(query | {"host": [str(folder)]}, doseq=True)))
        server = await asyncio.start_unix_server(through.pass_through, str(folder / name))
        try:
            yield through
        finally:
            server.close()
            await through.close()
