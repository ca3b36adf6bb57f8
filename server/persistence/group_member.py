"""One member of a group, and what it can ask."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Claim, Hold, HoldState
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Refusal, ServiceError
from server.orchestrator.changes import Changes
from server.orchestrator.ports import Footprint, RecordedRequest, Standing
from server.persistence.reader import Asking, SqlReader
from server.persistence.writing import Written

AnswerT = TypeVar("AnswerT")


class RestaurantBusyError(Exception):
    """Somebody else has had the restaurant locked for longer than a group of several waits."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`recalled` is what the ledger says of the request, `standing` the restaurant if there is one; `busy` is set
    when somebody else has it locked.
    """

    recalled: Any
    standing: Standing | None
    busy: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is of what a member is about. `open_holds` counts those of the booking; `claims` are on its tables in
    its window.
    """

    booking: Booking | None
    hold: Hold | None
    open_holds: int
    claims: tuple[Claim, ...]


class Travelling(Asking, Protocol):
    """The group, as its members see it."""

    over: asyncio.Event

    async def opened(
        self, member: "Member", request: RecordedRequest, answer_type: type[Any]
    ) -> tuple[Opened, Looked]:
        """Returns when everybody has asked."""
        ...

    async def committed_with(self, member: "Member", request: RecordedRequest, answer: object) -> None:
        """Returns when all that was written is committed."""
        ...

    def parked(self, member: "Member") -> None:
        """The member waits, or has left."""
        ...


class Member(SqlReader):
    """The `Unit` of one member. What it writes is kept until the whole group is written."""

    def __init__(self, group: Travelling, footprint: Footprint) -> None:
        super().__init__(group)
        self._group = group
        self._request: RecordedRequest | None = None
        self._opened: Opened | None = None
        self._looked: Looked | None = None
        self.footprint = footprint
        self.running = True
        self.answer: asyncio.Future[Any] | None = None
        self.locked: Restaurant | None = None
        self.written: list[Written] = []

    @property
    def shared(self) -> bool:
        return True

    def leave(self) -> None:
        """The member's work is over. Twice is harmless."""
        self._group.parked(self)

    async def gone(self) -> None:
        """Leaves, and returns when the group's transaction has ended: only then nobody has the request any more, which
        may be sent again.
        """
        self.leave()
        await self._group.over.wait()

    async def recall(self, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal | None:
        self._request = request
        self._opened, self._looked = await self._group.opened(self, request, answer_type)
        if isinstance(self._opened.recalled, ServiceError):
            raise self._opened.recalled
        return cast("AnswerT | Refusal | None", self._opened.recalled)

    async def lock_restaurant(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        """The lock was taken when the request was opened."""
        assert self._opened is not None, "the request is recalled first"
        assert restaurant_id == self.footprint.restaurant_id, "a member is about one restaurant"
        if self._opened.busy:
            raise RestaurantBusyError
        standing = self._opened.standing
        self.locked = standing.restaurant if standing else None
        return standing

    async def booking(self, restaurant_id: UUID, booking_id: UUID) -> Booking | None:
        if self._looked is None or booking_id != self.footprint.booking_id:
            return await super().booking(restaurant_id, booking_id)
        return self._looked.booking

    async def hold(self, restaurant_id: UUID, hold_id: UUID) -> Hold | None:
        if self._looked is None or hold_id != self.footprint.hold_id:
            return await super().hold(restaurant_id, hold_id)
        return self._looked.hold

    async def open_holds_of(self, restaurant_id: UUID, booking_id: UUID) -> tuple[Hold, ...]:
        looked = self._looked
        if looked and looked.booking and looked.booking.booking_id == booking_id:
            known = (looked.hold,) if looked.hold and _is_live_one(looked.hold, booking_id) else ()
            if looked.open_holds == len(known):
                return known
        return await super().open_holds_of(restaurant_id, booking_id)

    async def claims(
        self, restaurant_id: UUID, window: Window, table_ids: tuple[UUID, ...] | None = None
    ) -> tuple[Claim, ...]:
        looked, about = self._looked, self.footprint
        if looked and table_ids is not None:
            source = looked.hold or looked.booking
            named = looked.hold.table_ids if looked.hold else about.table_ids
            if source and source.window == window and set(named) == set(table_ids):
                return looked.claims
        return await super().claims(restaurant_id, window, table_ids)

    async def write(self, restaurant_id: UUID, changes: Changes) -> None:
        assert self.locked is not None, "writes happen on a locked restaurant"
        alone = (changes.restaurant, changes.claims_cut, changes.blocks_added, changes.blocks_released)
        assert not any(alone), "this is written by a transaction of its own"
        self.written.append(Written(restaurant_id, changes, self._request))

    async def record(self, request: RecordedRequest, answer: object) -> None:
        """Returns when all that was written is committed."""
        await self._group.committed_with(self, request, answer)


def _is_live_one(hold: Hold, booking_id: UUID) -> bool:
    return hold.booking_id == booking_id and hold.state is HoldState.ACTIVE
