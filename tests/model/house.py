"""A real server on a real PostgreSQL whose clock is moved by hand."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest.mock import patch

import asyncpg

from server.bootstrap import serving
from server.config import load_settings
from server.orchestrator.telling import Pace
from tests.support.postgres import TestServer

ResultT = TypeVar("ResultT")

# 10 May 2031, noon in London: no clock change is near, and no window of a run is in anybody's past.
DAWN = 1_936_177_200

# The server asks `clock_timestamp()` by its bare name, so a schema that is searched before PostgreSQL's own answers.
_INSTALL = f"""
    CREATE SCHEMA moved;
    CREATE TABLE moved.clock (at timestamptz NOT NULL);
    INSERT INTO moved.clock VALUES (to_timestamp({DAWN}));
    CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT at FROM moved.clock';
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = moved, pg_catalog, public', current_database());
    END $$;
"""


@dataclass(slots=True)
class House:
    """Where the server listens, and the clock that it reads: whole seconds since 1970 that pass only when told to."""

    address: str
    _loop: asyncio.AbstractEventLoop
    _connection: "asyncpg.Connection[asyncpg.Record]"
    now: int = DAWN

    def pass_time(self, seconds: int) -> int:
        """What time it is after these seconds."""
        self.now += seconds
        self._wait(self._connection.execute("UPDATE moved.clock SET at = to_timestamp($1)", self.now))
        return self.now

    def _wait(self, work: Awaitable[ResultT]) -> ResultT:
        async def awaited() -> ResultT:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()


@contextmanager
def open_house(postgres: TestServer) -> Iterator[House]:
    """A database of its own and a server on it, which run in a thread of their own: a state machine is not async."""
    opened: Future[House] = Future()
    closing: Future[asyncio.Event] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_keep_open(postgres, opened, closing)))
    thread.start()
    try:
        house = opened.result()
        yield house
    finally:
        if not opened.exception():
            opened.result()._loop.call_soon_threadsafe(closing.result().set)
        thread.join()


@patch.object(Pace, "turn", lambda _pace, _topic: nullcontext(True))
async def _keep_open(postgres: TestServer, opened: "Future[House]", closing: "Future[asyncio.Event]") -> None:
    """Every refusal of a hold is told: how many come in a real second, for which only one would be, nobody knows."""
    try:
        closed = asyncio.Event()
        async with postgres.fresh_database() as url:
            connection = await asyncpg.connect(url)
            await connection.execute(_INSTALL)
            settings: Any = load_settings(port=0, log_level="error")
            async with serving(settings, url) as running:
                closing.set_result(closed)
                opened.set_result(House(running.address, asyncio.get_running_loop(), connection))
                await closed.wait()
            await connection.close()
    except BaseException as failure:
        if opened.done():
            raise
        opened.set_exception(failure)
