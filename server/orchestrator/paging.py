"""Lists come in pages, each continuing after the sort key of the last row before it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Assignment, Block, Hold
from server.domain.limits import PAGE_SIZE_MAX
from server.orchestrator.ports import OutboxRecord, Page

RowT = TypeVar("RowT")

Fetch: TypeAlias = Callable[[Page], Awaitable[tuple[RowT, ...]]]
SortKey: TypeAlias = Callable[[RowT], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Listed(Generic[RowT]):
    """One page; `next_after` is the sort key to continue after, empty on the last page."""

    rows: tuple[RowT, ...]
    next_after: tuple[str, ...] = ()


async def listed(page: Page, fetch: Fetch[RowT], sort_key: SortKey[RowT]) -> Listed[RowT]:
    """One page of what `fetch` returns; asks for one row more to know whether there is another page."""
    rows = await fetch(replace(page, size=page.size + 1))
    if len(rows) <= page.size:
        return Listed(rows)
    shown = rows[: page.size]
    return Listed(shown, sort_key(shown[-1]))


async def all_pages(fetch: Fetch[RowT], sort_key: SortKey[RowT]) -> AsyncIterator[tuple[RowT, ...]]:
    """What `fetch` returns, page by page, to the last one."""
    page = Page(PAGE_SIZE_MAX)
    while True:
        rows = await fetch(page)
        yield rows
        if len(rows) < page.size:
            return
        page = replace(page, after=sort_key(rows[-1]))


def sort_key(instant: datetime, row_id: UUID | int) -> tuple[str, ...]:
    """Of a row in a list that goes by an instant and an id or a number."""
    return instant.isoformat(), str(row_id)


def booking_sort_key(booking: Booking) -> tuple[str, ...]:
    return sort_key(booking.window.start, booking.booking_id)


def hold_sort_key(hold: Hold) -> tuple[str, ...]:
    return sort_key(hold.created_at, hold.hold_id)


def assignment_sort_key(assignment: Assignment) -> tuple[str, ...]:
    return sort_key(assignment.window.start, assignment.assignment_id)


def block_sort_key(block: Block) -> tuple[str, ...]:
    return sort_key(block.window.start, block.block_id)


def event_sort_key(event: OutboxRecord) -> tuple[str, ...]:
    """Of an event in a list of all restaurants' or of one's, which goes by the last two."""
    return (
        event.created_at.isoformat(),
        str(event.restaurant_id),
        str(event.floor_version),
        str(event.position),
    )
