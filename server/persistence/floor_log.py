"""The `FloorLog` of watchers on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol, TypeVar
from uuid import UUID

from server.domain.claims import AssignmentState, HoldState
from server.domain.limits import LIST_WINDOW_MAX_S, SNAPSHOT_ROWS_MAX
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import bad_field
from server.orchestrator.floor_log import FloorChange, FloorChanges, FloorPlace, FloorView
from server.orchestrator.paging import (
    Fetch,
    SortKey,
    all_pages,
    assignment_sort_key,
    block_sort_key,
    hold_sort_key,
)
from server.orchestrator.ports import Inventory
from server.persistence.failures import deadline_exceeded
from server.persistence.pool import Connection, Pool, connection_in_time
from server.persistence.queries import load_queries
from server.persistence.reader import SqlCatalogue
from server.persistence.rows import committed_event
from server.persistence.transactions import one_view

RowT = TypeVar("RowT")

WATCHING = load_queries("watching")
VIEWS_AT_ONCE_MAX = 2


class KnownInventories(Protocol):
    """Inventories that need not be read any more."""

    async def known(self, restaurant: Restaurant) -> Inventory | None:
        """The inventory at the restaurant's versions, if it is there."""
        ...


class SqlFloorLog:
    """`timeout_s` bounds each question. Floors are viewed a few at a time, so that a crowd of watchers who come back at
    once leaves connections, and time between their rows, to other calls.
    """

    def __init__(self, pool: Pool, timeout_s: float, inventories: KnownInventories) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._inventories = inventories
        self._views = asyncio.Semaphore(VIEWS_AT_ONCE_MAX)

    async def view(
        self, tenant_id: UUID, restaurant_id: UUID, starts_at: datetime | None, ends_at: datetime | None
    ) -> FloorView | None:
        async with (
            self._turn(),
            self._connection() as connection,
            one_view(connection),
        ):
            await connection.fetchrow(WATCHING["begin_viewing"], str(int(self._timeout_s * 1000)))
            catalogue = SqlCatalogue(connection)
            standing = await catalogue.standing(tenant_id, restaurant_id)
            if standing is None:
                return None
            version = standing.restaurant.floor_version
            last = await connection.fetchrow(WATCHING["changes"], tenant_id, restaurant_id, version, 1)
            assert last is not None, "the restaurant is there"
            start = starts_at or standing.now
            window = Window(start, ends_at or start + timedelta(seconds=LIST_WINDOW_MAX_S))
            if window.end <= start:
                raise bad_field("window_end", "is over; without window_start the window begins now")
            holds = await _all(
                lambda page: catalogue.holds(restaurant_id, window, None, (HoldState.ACTIVE,), page),
                hold_sort_key,
            )
            assignments = await _all(
                lambda page: catalogue.assignments(restaurant_id, window, page), assignment_sort_key
            )
            blocks = await _all(lambda page: catalogue.blocks(restaurant_id, window, page), block_sort_key)
            inventory = await self._inventories.known(standing.restaurant)
            inventory = inventory or await catalogue.inventory(restaurant_id)
        active = tuple(each for each in assignments if each.state is AssignmentState.ACTIVE)
        place = FloorPlace(version, last["newest_event"])
        return FloorView(standing.restaurant, place, standing.now, window, inventory, holds, active, blocks)

    async def changes(
        self, tenant_id: UUID, restaurant_id: UUID, after: int, versions_max: int
    ) -> FloorChanges | None:
        async with self._connection() as connection:
            rows: list[Any] = await connection.fetch(
                WATCHING["changes"], tenant_id, restaurant_id, after, versions_max
            )
        if not rows:
            return None
        grouped = groupby(
            (row for row in rows if row["id"] is not None), key=lambda row: int(row["floor_version"])
        )
        return FloorChanges(
            FloorPlace(rows[0]["newest_version"], rows[0]["newest_event"]),
            rows[0]["compacted_version"],
            tuple(
                FloorChange(restaurant_id, version, tuple(committed_event(row) for row in events))
                for version, events in grouped
            ),
            rows[0]["event_before"],
        )

    async def floor_versions(self, restaurant_ids: Collection[UUID]) -> Mapping[UUID, int]:
        async with self._connection() as connection:
            rows = await connection.fetch(WATCHING["floor_versions"], list(restaurant_ids))
        return {row["restaurant_id"]: row["floor_version"] for row in rows}

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the views that may be under way."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._views.acquire()
        except TimeoutError:
            raise deadline_exceeded() from None
        try:
            yield
        finally:
            self._views.release()

    def _connection(self) -> AbstractAsyncContextManager[Connection]:
        return connection_in_time(self._pool, self._timeout_s)


async def _all(fetch: Fetch[RowT], sort_key: SortKey[RowT]) -> tuple[RowT, ...]:
    """Every row, page by page: other calls go on in between."""
    found: list[RowT] = []
    async for rows in all_pages(fetch, sort_key):
        found += rows
        if len(found) > SNAPSHOT_ROWS_MAX:
            raise bad_field(
                "window_end",
                f"the window has more than {SNAPSHOT_ROWS_MAX} holds, assignments or blocks; choose a shorter one",
                limit=SNAPSHOT_ROWS_MAX,
            )
    return tuple(found)
