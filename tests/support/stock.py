"""Databases for tests, made and dropped beside them: one is always ready, and nobody waits until one is gone."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final, TypeVar

import asyncpg

ResultT = TypeVar("ResultT")

# Of a server that was killed, or of a connection to it.
_LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class DatabaseStock:
    """Copies of templates on one server, over one connection, in a thread of its own: each test has its own loop.

    `open` before it is used and `close` afterwards, which leaves the databases where they are.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="databases of tests", daemon=True)
        self._turn = asyncio.Lock()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._numbers = itertools.count(1)
        self._ready: dict[str, Future[str]] = {}

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends what is under way."""
        self._begin(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def take(self, template: str) -> str:
        """The name of a database that nobody else has. The next one is begun at once."""
        made = self._ready.pop(template, None) or self._begin(self._make(template))
        try:
            name = await asyncio.wrap_future(made)
        except _LOST:
            # It was made ahead, on a server that has been killed since.
            name = await asyncio.wrap_future(self._begin(self._make(template)))
        self._ready[template] = self._begin(self._make(template))
        return name

    def give_back(self, name: str) -> None:
        """Drops it some time soon, connections or not."""
        self._begin(self._execute(f"DROP DATABASE {name} WITH (FORCE)"))

    async def _make(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def _execute(self, statement: str) -> None:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url())
            await self._connection.execute(statement)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    def _begin(self, work: Coroutine[Any, Any, ResultT]) -> "Future[ResultT]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)
