"""Lists come in pages, each continuing after the sort key of the last row before it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from server.orchestrator.ports import Page

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Listed(Generic[RowT]):
    """One page; `next_after` is the sort key to continue after, empty on the last page."""

    rows: tuple[RowT, ...]
    next_after: tuple[str, ...] = ()


async def listed(
    page: Page,
    fetch: Callable[[Page], Awaitable[tuple[RowT, ...]]],
    sort_key: Callable[[RowT], tuple[str, ...]],
) -> Listed[RowT]:
    """One page of what `fetch` returns; asks for one row more to know whether there is another page."""
    rows = await fetch(replace(page, size=page.size + 1))
    if len(rows) <= page.size:
        return Listed(rows)
    shown = rows[: page.size]
    return Listed(shown, sort_key(shown[-1]))
