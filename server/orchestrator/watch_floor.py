"""Follow a restaurant's floor: a snapshot, then every change, from where the caller left off."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from server.domain.restaurant import Caller
from server.errors import Reason, ServiceError, refuse
from server.orchestrator.floor_feed import EndCause, FloorFeed, Subscription
from server.orchestrator.floor_log import FloorChange, FloorChanges, FloorLog, FloorPlace, FloorView
from server.orchestrator.situation import restaurant_not_found


@dataclass(frozen=True, slots=True)
class WatchFloorQuestion:
    """`after` is the place up to which the caller knows everything; None asks for a snapshot first.

    The window bounds the snapshot alone. `heartbeat_s` is the longest silence.
    """

    restaurant_id: UUID
    after: FloorPlace | None
    heartbeat_s: float
    window_start: datetime | None = None
    window_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has changed up to here for a while."""

    place: FloorPlace


@dataclass(frozen=True, slots=True)
class ResumeRequired:
    """The watch ends; everything up to the place was told."""

    place: FloorPlace
    cause: EndCause


Sight: TypeAlias = FloorView | FloorChange | Quiet | ResumeRequired


@dataclass(frozen=True, slots=True)
class WatchFloor:
    """What is seen has no gap and no repeat: a snapshot is of one floor version, and each change is the next one."""

    floor_log: FloorLog
    feed: FloorFeed

    async def __call__(self, caller: Caller, question: WatchFloorQuestion) -> AsyncGenerator[Sight]:
        """Never ends by itself, except with a `ResumeRequired`.

        Raises RESTAURANT_NOT_FOUND, WATCH_TOKEN_COMPACTED, STORE_CONTENTION, STORE_UNAVAILABLE.
        """
        if question.after is None:
            view = await self._view(caller, question)
            yield view
            known = newest = view.place
        else:
            known = question.after
            newest = await self._newest(caller, question.restaurant_id, known)
        with self.feed.subscribe(caller.tenant_id, question.restaurant_id, newest) as subscription:
            while known.floor_version < subscription.from_version and subscription.ended is None:
                missed = await self._changes(caller, question.restaurant_id, known, self.feed.batch_max)
                if not missed.changes:
                    raise _compacted(question.restaurant_id, known, missed)
                for change in missed.changes:
                    yield change
                    known = change.place
            async for sight in _following(subscription, known, question.heartbeat_s):
                yield sight

    async def _view(self, caller: Caller, question: WatchFloorQuestion) -> FloorView:
        view = await self.floor_log.view(
            caller.tenant_id, question.restaurant_id, question.window_start, question.window_end
        )
        if view is None:
            raise restaurant_not_found(question.restaurant_id)
        return view

    async def _newest(self, caller: Caller, restaurant_id: UUID, after: FloorPlace) -> FloorPlace:
        """The newest place, or WATCH_TOKEN_COMPACTED when what follows this one is not kept."""
        return (await self._changes(caller, restaurant_id, after, 0)).newest

    async def _changes(
        self, caller: Caller, restaurant_id: UUID, after: FloorPlace, versions_max: int
    ) -> FloorChanges:
        """The next changes, or WATCH_TOKEN_COMPACTED when they are not there in full."""
        version = after.floor_version
        found = await self.floor_log.changes(caller.tenant_id, restaurant_id, version, versions_max)
        if found is None:
            raise restaurant_not_found(restaurant_id)
        expected = range(version + 1, min(version + versions_max, found.floor_version) + 1)
        present = [change.floor_version for change in found.changes]
        if not found.follow(after) or present != list(expected):
            raise _compacted(restaurant_id, after, found)
        return found


async def _following(
    subscription: Subscription, known: FloorPlace, heartbeat_s: float
) -> AsyncIterator[Sight]:
    while True:
        found = await subscription.next(heartbeat_s)
        if found is None:
            yield Quiet(known)
        elif isinstance(found, EndCause):
            yield ResumeRequired(known, found)
            return
        elif found.floor_version > known.floor_version:
            known = found.place
            yield found


def _compacted(restaurant_id: UUID, after: FloorPlace, found: FloorChanges) -> ServiceError:
    return refuse(
        Reason.WATCH_TOKEN_COMPACTED,
        f"What followed floor version {after.floor_version} is not kept any more; it is {found.floor_version} now.",
        restaurant_id=restaurant_id,
        floor_version=after.floor_version,
        compacted_floor_version=found.compacted_version,
        newest_floor_version=found.floor_version,
    )
