"""One member of a group, and what it can ask."""

import asyncio
from enum import IntEnum, auto
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from server.domain.booking import Booking
from server.domain.claims import Claim, Hold
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Refusal
from server.orchestrator.changes import Changes
from server.orchestrator.ports import RecordedRequest, Standing
from server.persistence.reader import Asking, SqlReader
from server.persistence.writing import Written

AnswerT = TypeVar("AnswerT")


class Kind(IntEnum):
    """What members ask, in the order in which it is answered."""

    RECALL = auto()
    LOCK = auto()
    BOOKING = auto()
    HOLD = auto()
    LIVE_HOLDS = auto()
    CLAIMS = auto()
    COMMIT = auto()


class Travelling(Asking, Protocol):
    """The group, as its members see it."""

    over: asyncio.Event

    async def ask(self, member: "Member", kind: Kind, about: object) -> Any:
        """The answer, when everybody has asked."""
        ...

    def parked(self, member: "Member") -> None:
        """The member waits, or has left."""
        ...


class Member(SqlReader):
    """The `Unit` of one member. What it writes is kept until the whole group is written."""

    def __init__(self, group: Travelling) -> None:
        super().__init__(group)
        self._group = group
        self._request: RecordedRequest | None = None
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

    async def group_over(self) -> None:
        """Returns when the group's transaction has ended."""
        await self._group.over.wait()

    async def recall(self, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal | None:
        self._request = request
        return cast(
            "AnswerT | Refusal | None", await self._group.ask(self, Kind.RECALL, (request, answer_type))
        )

    async def lock_restaurant(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        standing: Standing | None = await self._group.ask(self, Kind.LOCK, (tenant_id, restaurant_id))
        self.locked = standing.restaurant if standing else None
        return standing

    async def booking(self, restaurant_id: UUID, booking_id: UUID) -> Booking | None:
        return cast("Booking | None", await self._group.ask(self, Kind.BOOKING, (restaurant_id, booking_id)))

    async def hold(self, restaurant_id: UUID, hold_id: UUID) -> Hold | None:
        return cast("Hold | None", await self._group.ask(self, Kind.HOLD, (restaurant_id, hold_id)))

    async def live_holds_of(self, restaurant_id: UUID, booking_id: UUID) -> tuple[Hold, ...]:
        about = (restaurant_id, booking_id)
        return cast("tuple[Hold, ...]", await self._group.ask(self, Kind.LIVE_HOLDS, about))

    async def claims(
        self, restaurant_id: UUID, window: Window, table_ids: tuple[UUID, ...] | None = None
    ) -> tuple[Claim, ...]:
        if table_ids is None:
            return await super().claims(restaurant_id, window)
        about = (restaurant_id, window, table_ids)
        return cast("tuple[Claim, ...]", await self._group.ask(self, Kind.CLAIMS, about))

    async def write(self, tenant_id: UUID, restaurant_id: UUID, changes: Changes) -> None:
        assert self.locked is not None, "writes happen on a locked restaurant"
        self.written.append(Written(restaurant_id, changes, self._request))

    async def record(self, request: RecordedRequest, answer: object) -> None:
        """Returns when all that was written is committed."""
        await self._group.ask(self, Kind.COMMIT, (request, answer))
