"""The orchestrator's questions, asked on one connection or on any of the pool."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
import structlog

from server.domain.booking import ASSIGNABLE, Booking, BookingChange, BookingStatus
from server.domain.claims import Assignment, Block, Claim, Hold, HoldState
from server.domain.limits import WINDOW_MAX_S
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Refusal
from server.orchestrator.diary import Diary
from server.orchestrator.ports import (
    AuditRecord,
    Inventory,
    OutboxRecord,
    OutboxStats,
    OutboxStatus,
    Page,
    Recorded,
    Standing,
    WantedEvents,
)
from server.persistence import rows
from server.persistence.documents import decode
from server.persistence.failures import not_understood
from server.persistence.queries import load_queries

log = structlog.get_logger(__name__)

RESTAURANTS = load_queries("restaurants")
INVENTORY = load_queries("inventory")
BOOKINGS = load_queries("bookings")
HOLDS = load_queries("holds")
ASSIGNMENTS = load_queries("assignments")
CLAIMS = load_queries("claims")
BLOCKS = load_queries("blocks")
JOURNAL = load_queries("journal")
LEDGER = load_queries("ledger")
OUTBOX = load_queries("outbox")
UNDELIVERED = (OutboxStatus.PENDING, OutboxStatus.DEAD)

AnswerT = TypeVar("AnswerT")
IdT = TypeVar("IdT")

WINDOW_LONGEST = timedelta(seconds=WINDOW_MAX_S)


class Asking(Protocol):
    """How a statement is run: on the transaction's connection, or on a connection of the pool."""

    async def fetch(self, query: str, *values: object) -> list[Any]: ...

    async def fetchrow(self, query: str, *values: object) -> Any: ...


class SqlReader:
    """Implements `Reader` on anything that can run a statement."""

    has_connection = True

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def standing(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        row = await self._asking.fetchrow(RESTAURANTS["standings"], [tenant_id], [restaurant_id])
        return None if row is None else rows.standing(row)

    async def inventory(self, restaurant_id: UUID) -> Inventory:
        return rows.inventory(await self._asking.fetchrow(INVENTORY["inventory"], restaurant_id))

    async def booking(self, restaurant_id: UUID, booking_id: UUID) -> Booking | None:
        row = await self._asking.fetchrow(BOOKINGS["booking"], restaurant_id, booking_id)
        return None if row is None else rows.booking(row)

    async def hold(self, restaurant_id: UUID, hold_id: UUID) -> Hold | None:
        row = await self._asking.fetchrow(HOLDS["hold"], restaurant_id, hold_id)
        return None if row is None else rows.hold(row)

    async def open_holds_of(self, restaurant_id: UUID, booking_id: UUID) -> tuple[Hold, ...]:
        found = await self._asking.fetch(HOLDS["open_holds_of"], restaurant_id, booking_id)
        return tuple(rows.hold(row) for row in found)

    async def expired_holds(self, restaurant_id: UUID, limit: int) -> tuple[Hold, ...]:
        found = await self._asking.fetch(HOLDS["expired_holds"], restaurant_id, limit)
        return tuple(rows.hold(row) for row in found)

    async def assignment(self, restaurant_id: UUID, assignment_id: UUID) -> Assignment | None:
        row = await self._asking.fetchrow(ASSIGNMENTS["assignment"], restaurant_id, assignment_id)
        return None if row is None else rows.assignment(row)

    async def last_assignment_of(self, restaurant_id: UUID, booking_id: UUID) -> Assignment | None:
        row = await self._asking.fetchrow(ASSIGNMENTS["last_assignment_of"], restaurant_id, booking_id)
        return None if row is None else rows.assignment(row)

    async def block(self, restaurant_id: UUID, block_id: UUID) -> Block | None:
        row = await self._asking.fetchrow(BLOCKS["block"], restaurant_id, block_id)
        return None if row is None else rows.block(row)

    async def claims(
        self, restaurant_id: UUID, window: Window, table_ids: tuple[UUID, ...] | None = None
    ) -> tuple[Claim, ...]:
        named = None if table_ids is None else list(table_ids)
        found = await self._asking.fetch(
            CLAIMS["claims"], restaurant_id, window.start, window.end, named, window.end + WINDOW_LONGEST
        )
        return tuple(rows.claim(row) for row in found)

    async def diary(self, restaurant_id: UUID, span: Window) -> Diary:
        found = await self._asking.fetch(
            CLAIMS["diary"], restaurant_id, span.start, span.end, WINDOW_LONGEST, sorted(ASSIGNABLE)
        )
        return rows.diary(span, found)


class SqlCatalogue(SqlReader):
    """Implements `Catalogue`: the questions outside a transaction, with the lists."""

    has_connection = False

    async def restaurants(self, tenant_id: UUID, page: Page) -> tuple[Restaurant, ...]:
        name, restaurant_id = page.after or (None, None)
        found = await self._asking.fetch(
            RESTAURANTS["restaurants_page"], tenant_id, name, restaurant_id, page.size
        )
        return tuple(rows.restaurant(row) for row in found)

    async def history(self, restaurant_id: UUID, booking_id: UUID, limit: int) -> tuple[BookingChange, ...]:
        found = await self._asking.fetch(BOOKINGS["history"], restaurant_id, booking_id, limit)
        return tuple(rows.booking_change(row) for row in found)

    async def bookings(
        self, restaurant_id: UUID, window: Window, statuses: tuple[BookingStatus, ...], page: Page
    ) -> tuple[Booking, ...]:
        found = await self._asking.fetch(
            BOOKINGS["bookings_page"],
            restaurant_id,
            window.start,
            window.end,
            [status.value for status in statuses],
            *_after(page),
            page.size,
            WINDOW_LONGEST,
        )
        return tuple(rows.booking(row) for row in found)

    async def holds(
        self,
        restaurant_id: UUID,
        window: Window | None,
        booking_id: UUID | None,
        states: tuple[HoldState, ...],
        page: Page,
    ) -> tuple[Hold, ...]:
        bounds = (window.start, window.end) if window else (None, None)
        named = [state.value for state in states]
        if states == (HoldState.ACTIVE,):
            # Of all the holds that there ever were, hardly any is live.
            found = await self._asking.fetch(
                HOLDS["live_holds_page"], restaurant_id, *bounds, booking_id, *_after(page), page.size
            )
        elif booking_id is not None:
            found = await self._asking.fetch(
                HOLDS["holds_of_page"], restaurant_id, *bounds, booking_id, named, *_after(page), page.size
            )
        else:
            found = await self._asking.fetch(
                HOLDS["holds_page"], restaurant_id, *bounds, named, *_after(page), page.size
            )
        return tuple(rows.hold(row) for row in found)

    async def assignments(self, restaurant_id: UUID, window: Window, page: Page) -> tuple[Assignment, ...]:
        query = ASSIGNMENTS["assignments_page"]
        found = await self._asking.fetch(
            query, restaurant_id, window.start, window.end, *_after(page), page.size, WINDOW_LONGEST
        )
        return tuple(rows.assignment(row) for row in found)

    async def blocks(self, restaurant_id: UUID, window: Window, page: Page) -> tuple[Block, ...]:
        query = BLOCKS["blocks_page"]
        found = await self._asking.fetch(
            query, restaurant_id, window.start, window.end, *_after(page), page.size
        )
        return tuple(rows.block(row) for row in found)

    async def recorded(
        self, tenant_id: UUID, method: str, request_id: UUID, answer_type: type
    ) -> Recorded | None:
        row = await self._asking.fetchrow(LEDGER["recall"], tenant_id, method, request_id)
        return None if row is None else Recorded(answer_of(row, answer_type), row["created_at"])

    async def in_progress(self, tenant_id: UUID, method: str, request_id: UUID) -> bool:
        name = request_lock(tenant_id, method, request_id)
        return bool((await self._asking.fetchrow(LEDGER["in_progress"], name))["in_progress"])

    async def audit_entries(
        self, restaurant_id: UUID, resource_id: UUID | None, window: Window | None, page: Page
    ) -> tuple[AuditRecord, ...]:
        # Numbers begin at 1, so whatever is before the window's end is before its end and 0.
        ends: list[tuple[datetime, int]] = [(window.end, 0)] if window else []
        if page.after:
            ends.append(_sort_key(page.after, int))
        since = window.start if window else None
        before = min(ends, default=(None, None))
        found = await self._asking.fetch(
            JOURNAL["audit_page"], restaurant_id, resource_id, since, *before, page.size
        )
        return tuple(rows.audit_record(row) for row in found)

    async def outbox_stats(self, tenant_id: UUID, restaurant_id: UUID | None) -> OutboxStats:
        row = await self._asking.fetchrow(OUTBOX["outbox_stats"], tenant_id, restaurant_id)
        return OutboxStats(**dict(row))

    async def outbox_events(
        self, tenant_id: UUID, wanted: WantedEvents, page: Page
    ) -> tuple[OutboxRecord, ...]:
        which = (wanted.status.value if wanted.status else None, wanted.event_type or None)
        *at, version, position = _event_key(page)
        of = (tenant_id, wanted.restaurant_id)
        if wanted.event_id is not None:
            found = await self._asking.fetch(OUTBOX["event_by_id"], *of, wanted.event_id, *which)
        elif wanted.status in UNDELIVERED:
            found = await self._asking.fetch(
                OUTBOX["undelivered_events_page"], *of, *which, *at, version, position, page.size
            )
        else:
            found = await self._asking.fetch(OUTBOX["events_page"], *of, *which, version, position, page.size)
        return tuple(rows.outbox_record(row) for row in found)


def request_lock(tenant_id: UUID, method: str, request_id: UUID) -> str:
    """The name under which a transaction claims a request."""
    return f"{tenant_id}/{method}/{request_id}"


def answer_of(row: Any, answer_type: type[AnswerT]) -> AnswerT | Refusal:
    """The answer or refusal of a ledger row. Raises STORE_UNAVAILABLE for one that only a newer version understands:
    the same call can still come to a server of that.
    """
    kind: type[AnswerT | Refusal] = Refusal if row["refused"] else answer_type
    try:
        return decode(row["answer"], kind)
    except msgspec.ValidationError as problem:
        log.warning("answer_not_understood", answer=kind.__name__, problem=str(problem))
        raise not_understood() from None


def _after(page: Page) -> tuple[datetime | None, UUID | None]:
    """A page's sort key where lists go by an instant and an id."""
    return _sort_key(page.after, UUID) if page.after else (None, None)


def _event_key(page: Page) -> tuple[datetime | None, UUID | None, int, int]:
    """What `paging.event_sort_key` wrote."""
    if not page.after:
        return None, None, -1, -1
    instant, restaurant_id, floor_version, position = page.after
    return datetime.fromisoformat(instant), UUID(restaurant_id), int(floor_version), int(position)


def _sort_key(after: tuple[str, ...], read_id: Callable[[str], IdT]) -> tuple[datetime, IdT]:
    """What `paging.sort_key` wrote."""
    instant, row_id = after
    return datetime.fromisoformat(instant), read_id(row_id)
