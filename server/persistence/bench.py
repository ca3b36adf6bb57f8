"""What measurements ask of PostgreSQL: made-up events, a plain queue over the same rows, and watched connections."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

from server.persistence.announcer import ANNOUNCEMENTS, CHANNEL, EVERYTHING
from server.persistence.inspection import connection_to
from server.persistence.known_types import KnowingConnection
from server.persistence.pool import DriverConnection
from server.persistence.queries import load_queries
from server.persistence.transactions import TRANSACTIONS

BENCH = load_queries("bench")
CHANGES = load_queries("changes")
EMBEDDED = load_queries("embedded")
# Where the events stand among the values of `write_changes`: the statement itself tells. And how none look.
(EVENTS,) = (
    int(number) - 1
    for number in re.findall(r"capacity_outbox .*?\$(\d+)", CHANGES["write_changes"], re.DOTALL)
)
NO_EVENTS = "[]"

Commits: TypeAlias = dict[tuple[UUID, int], float]
"""By restaurant and floor version, the time in seconds since 1970 at which the commit had returned."""


class BenchEvents:
    """The events of a database that belongs to a measurement."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def clear(self) -> None:
        await self._connection.execute(BENCH["clear"])

    async def add(self, restaurants: int, events_each: int) -> None:
        """So many events of so many new restaurants, with nothing left to do for PostgreSQL afterwards."""
        tenant_id = uuid4()
        # As everywhere, no floor version is seen without its events: a worker may be looking.
        async with self._connection.transaction():
            await self._connection.execute(BENCH["add_restaurants"], tenant_id, restaurants, events_each)
            await self._connection.execute(BENCH["add_events"], tenant_id, events_each)
        await self._connection.execute(BENCH["tidy"])
        await self._connection.execute(BENCH["settle_disk"])

    async def announce(self) -> None:
        """Wakes every worker."""
        await self._connection.execute(ANNOUNCEMENTS["notify"], CHANNEL, [EVERYTHING])

    async def left(self) -> int:
        return int(await self._connection.fetchval(BENCH["events_left"]))

    @asynccontextmanager
    async def plain_queue(self) -> AsyncIterator["PlainQueue"]:
        """The same rows as an ordinary queue, which has an index to find the next ones."""
        await self._connection.execute(BENCH["add_plain_index"])
        try:
            yield PlainQueue(self._connection)
        finally:
            await self._connection.execute(BENCH["drop_plain_index"])

    @asynccontextmanager
    async def old_snapshot(self) -> AsyncIterator[None]:
        """As long as the block lasts, PostgreSQL can clear no old version of a row away."""
        async with self._connection.transaction(isolation="repeatable_read"):
            await self._connection.fetchval(BENCH["take_snapshot"])
            yield


async def add_database(url: str, name: str) -> str:
    """A new, empty database beside the one at `url`; its own address."""
    async with connection_to(url) as connection:
        await connection.execute(await connection.fetchval(EMBEDDED["create_database_statement"], name))
    return urlsplit(url)._replace(path=f"/{quote(name)}").geturl()


class PlainQueue:
    """Leases rows and finishes them, in batches, on one connection: what the database can give at most."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def drain(self, batch: int) -> None:
        """Until nothing is left."""
        while rows := await self._connection.fetch(BENCH["take_rows"], batch):
            await self._connection.execute(
                BENCH["finish_rows"],
                [row["restaurant_id"] for row in rows],
                [row["id"] for row in rows],
                [row["attempt_count"] for row in rows],
            )


class WithoutOutbox(KnowingConnection):
    """A connection that writes no events and announces no changes, and does everything else."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        if query == ANNOUNCEMENTS["notify"]:
            return ""
        return str(await super().execute(query, *args, timeout=timeout))

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
        if query == CHANGES["write_changes"]:
            args = (*args[:EVENTS], NO_EVENTS, *args[EVENTS + 1 :])
        return list(await super().fetch(query, *args, **options))


def noting_commits(commits: Commits) -> type[DriverConnection]:
    """The driver's connection class, which notes when a transaction that wrote events had been committed."""

    class NotingCommits(KnowingConnection):
        _written: tuple[tuple[UUID, int], ...] = ()

        async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
            answer = list(await super().fetch(query, *args, **options))
            if query == CHANGES["write_changes"] and args[EVENTS] != NO_EVENTS:
                self._written = tuple((row["restaurant_id"], row["floor_version"]) for row in answer)
            return answer

        async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
            answer = str(await super().execute(query, *args, timeout=timeout))
            if self._written and query == TRANSACTIONS["commit"]:
                now = time.time()
                commits.update(dict.fromkeys(self._written, now))
                self._written = ()
            return answer

    return NotingCommits
