"""What a test reads from the database itself, because no call tells it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg

from server.persistence.known_types import KnowingConnection
from tests.support.kept import forget_diaries

Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection of the test's own, outside the server's pool."""
    connection: Connection = await asyncpg.connect(url, connection_class=KnowingConnection)
    try:
        yield connection
    finally:
        await connection.close()


async def rows(url: str, query: str, *values: object) -> list[Row]:
    async with connected(url) as connection:
        return [dict(row) for row in await connection.fetch(query, *values)]


async def row(url: str, query: str, *values: object) -> Row:
    """The one row of a query that has to have exactly one."""
    found = await rows(url, query, *values)
    assert len(found) == 1, f"{len(found)} rows instead of one"
    return found[0]


async def belongings(url: str, restaurant_id: str, tenant_id: str) -> Mapping[str, list[str]]:
    """Every row of every table that belongs to a restaurant or its tenant, as text by table name."""
    # Asked of the catalogue itself: the views of information_schema take longer than everything else here.
    columns = (
        "SELECT c.relname::text AS name, min(a.attname::text) AS owner FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT a.attisdropped"
        " AND a.attname IN ('restaurant_id', 'tenant_id') GROUP BY c.relname ORDER BY c.relname"
    )
    ids = {"restaurant_id": restaurant_id, "tenant_id": tenant_id}
    async with connected(url) as connection:
        return {
            name: [
                text
                for (text,) in await connection.fetch(
                    f'SELECT t::text FROM public."{name}" AS t WHERE {owner} = $1::text::uuid ORDER BY 1',
                    ids[owner],
                )
            ]
            for name, owner in await connection.fetch(columns)
        }


@asynccontextmanager
async def nothing_written(url: str, restaurant_id: str, tenant_id: str) -> AsyncIterator[None]:
    """Requires that the block changes none of those rows."""
    before = await belongings(url, restaurant_id, tenant_id)
    yield
    assert await belongings(url, restaurant_id, tenant_id) == before


async def expire(url: str, hold_id: str) -> None:
    """Makes a hold's time be over, without waiting for it."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute(
            "UPDATE holds SET created_at = created_at - interval '1 day', expires_at = now() - interval '1 minute'"
            " WHERE hold_id = $1::text::uuid",
            hold_id,
        )
        await connection.execute(
            "UPDATE table_claims SET expires_at = now() - interval '1 minute' WHERE hold_id = $1::text::uuid",
            hold_id,
        )
    forget_diaries()


async def age(url: str, hold_id: str, seconds: int) -> None:
    """Makes a hold that still lives older than it is."""
    async with connected(url) as connection:
        await connection.execute(
            "UPDATE holds SET created_at = created_at - make_interval(secs => $2) WHERE hold_id = $1::text::uuid",
            hold_id,
            seconds,
        )


_ANSWERED_EARLIER = """
    UPDATE idempotency_ledger SET answer = jsonb_set(answer, '{{{made},window}}', (
        SELECT jsonb_object_agg(
            w.key, to_jsonb((w.value::timestamptz - $1::interval) AT TIME ZONE 'UTC') #>> '{{}}' || 'Z'
        )
        FROM jsonb_each_text(answer #> '{{{made},window}}') AS w
    ))
    WHERE answer #> '{{{made},window}}' IS NOT NULL
"""


async def turn_back(url: str, by: timedelta) -> None:
    """Makes everything that was booked, held, assigned and blocked lie so much earlier. A hold expires when it did."""
    spans = {
        "bookings": ("dining_start", "dining_end", "window_start", "window_end"),
        "holds": ("window_start", "window_end"),
        "assignments": ("window_start", "window_end"),
        "blocks": ("window_start", "window_end"),
    }
    async with connected(url) as connection, connection.transaction():
        for table, columns in spans.items():
            earlier = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
            await connection.execute(f"UPDATE {table} SET {earlier}", by)
        await connection.execute(
            "UPDATE table_claims SET during = tstzrange(lower(during) - $1::interval, upper(during) - $1::interval)",
            by,
        )
        for made in ("hold", "assignment"):
            await connection.execute(_ANSWERED_EARLIER.format(made=made), by)
    forget_diaries()


@asynccontextmanager
async def restaurant_locked(url: str, restaurant_id: str) -> AsyncIterator[Connection]:
    """Keeps every writer of the restaurant waiting until the block is left."""
    async with connected(url) as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM restaurants WHERE restaurant_id = $1::text::uuid FOR UPDATE", restaurant_id
        )
        yield connection


async def somebody_waits(locking: Connection) -> None:
    """Until a transaction waits for what this connection has locked."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = any(pg_blocking_pids(pid))"
    while not await locking.fetchval(query):  # noqa: ASYNC110 - the database has no signal for it
        await asyncio.sleep(0.005)
