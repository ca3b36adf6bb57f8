"""What a database says about itself, for diagnosis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg

from server.domain.invariants import InvariantReport
from server.persistence.failures import CONNECT_ERRORS, DRIVER_ERRORS, unreachable
from server.persistence.hosts import connect_to
from server.persistence.invariants import look_at_everything
from server.persistence.known_types import KnowingConnection
from server.persistence.pool import DriverConnection as Connection
from server.persistence.pool import close_connection
from server.persistence.queries import load_queries

QUERIES = load_queries("inspection")
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """`clock_ahead_s` is how far the database's clock is ahead of this process's. `exclusion` is the definition of the
    constraint that keeps tables apart, empty when it is missing, deferrable or not validated; `not_durable` are the
    durability settings that are off.
    """

    version: str
    schema_present: bool
    exclusion: str
    clock_ahead_s: float
    not_durable: tuple[str, ...]

    @property
    def exclusion_form(self) -> str:
        if not self.exclusion:
            return "none"
        return "core" if "uuidrange" in self.exclusion else "btree_gist"


def ahead_s(database_now: datetime) -> float:
    """How far a clock that has just been read in the database is ahead of this process's."""
    return (database_now - datetime.now(UTC)).total_seconds()


async def database_facts(url: str) -> DatabaseFacts:
    """Asks one database. Raises `UnreachableError`."""
    async with errand_at(url) as connection:
        row = await connection.fetchrow(QUERIES["database_facts"])
    assert row is not None, "a select without FROM has one row"
    return DatabaseFacts(
        row["version"],
        row["schema_present"],
        row["exclusion"],
        ahead_s(row["now"]),
        tuple(row["not_durable"]),
    )


async def refuses_overlap(url: str) -> bool:
    """Whether the database refuses two overlapping claims on one table right now: tried, and rolled back.

    Raises `UnreachableError`.
    """
    probe = uuid4()
    async with errand_at(url) as connection:
        attempt = connection.transaction()
        await attempt.start()
        try:
            await connection.execute(QUERIES["add_probe"], probe)
            await connection.execute(QUERIES["claim_probe"], probe, 0)
            await connection.execute(QUERIES["claim_probe"], probe, 30)
        except asyncpg.ExclusionViolationError:
            return True
        finally:
            await attempt.rollback()
    return False


async def database_invariants(url: str) -> InvariantReport:
    """Checks everything in one database that has our schema, whoever it belongs to. Raises `UnreachableError`."""
    async with errand_at(url) as connection:
        return await look_at_everything(connection)


@asynccontextmanager
async def errand_at(url: str) -> AsyncIterator[Connection]:
    """A connection for one errand. Raises `UnreachableError`, whatever it is that keeps it from being done."""
    async with connection_to(url) as connection:
        try:
            yield connection
        except (OSError, *DRIVER_ERRORS) as error:
            raise unreachable(error) from None


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[Connection]:
    """A connection for as long as the block lasts. Raises `UnreachableError` when there is none to be had."""
    try:
        connection = await connect_to(
            url,
            timeout=CONNECT_TIMEOUT_S,
            # Whatever it prepared by name would be in the way of the next one behind a transaction pooler.
            statement_cache_size=0,
            connection_class=KnowingConnection,
        )
    except CONNECT_ERRORS as error:
        raise unreachable(error) from None
    try:
        yield connection
    finally:
        await close_connection(connection)
