"""Writes that wait at the same moment travel together, as members of one transaction with one commit.

Each member's work runs as if it were alone; what members ask at the same moment is asked together (`group.py`). A lone
member waits for nobody: a group starts as soon as there is one, and takes whoever waits by then.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.errors import Reason, Refusal, ServiceError
from server.orchestrator.ports import Footprint, Unit
from server.persistence.failures import DRIVER_ERRORS, RETRY_AFTER_S, deadline_exceeded, translated
from server.persistence.group import Group, GroupLimits, Member, RestaurantBusyError
from server.persistence.pool import Pool

ResultT = TypeVar("ResultT")

# So often a member goes on to the next group because somebody else has its restaurant locked, before it waits for the
# lock, in a group that holds up nobody else.
SKIPS_MAX = 3
# How many members are looked at, for each that a group has room for, to find some that don't get in each other's way.
LOOKS_PER_MEMBER = 4


@dataclass(slots=True)
class Waiting:
    """A member that waits for its group to start."""

    footprint: Footprint
    deadline: Deadline
    seat: "asyncio.Future[Member]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class CommitGroups:
    """Forms groups. Members of one group touch nothing in common, and a restaurant is in one group at a time.

    At most `groups_max` groups are under way, and as many again that wait for one restaurant that others have locked.
    """

    def __init__(
        self,
        pool: Pool,
        limits: GroupLimits,
        announce: Callable[[Announcement], None],
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._announce = announce
        self._lanes: dict[UUID, deque[Waiting]] = {}
        # Restaurants with members that could start, the one that has waited longest first.
        self._ready: dict[UUID, None] = {}
        self._under_way: set[UUID] = set()
        self._contended: dict[UUID, None] = {}
        self._queued = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._groups = {False: 0, True: 0}
        self._forming = False

    @property
    def queued(self) -> int:
        """How many members wait for a group."""
        return self._queued

    async def run(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        """What `work` returns, once all that it wrote is committed.

        Raises SERVER_OVERLOADED when too many wait already, and `GroupFailedError` when the group's transaction left
        nothing behind: then the member has to try by itself.
        """
        for _ in range(SKIPS_MAX):
            try:
                return await self._travel(work, deadline, footprint)
            except RestaurantBusyError:
                continue
        self._contended[footprint.restaurant_id] = None
        return await self._travel(work, deadline, footprint)

    async def _travel(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        member = await self._seated(footprint, deadline)
        try:
            return await work(member)
        except RestaurantBusyError:
            member.leave()
            # Only then nobody has the request any more.
            await member.group_over()
            raise
        finally:
            member.leave()

    async def _seated(self, footprint: Footprint, deadline: Deadline) -> Member:
        if self._queued >= self._limits.queue_max:
            raise _overloaded(self._limits.queue_max)
        waiting = Waiting(footprint, deadline)
        self._lanes.setdefault(footprint.restaurant_id, deque()).append(waiting)
        self._queued += 1
        if footprint.restaurant_id not in self._under_way:
            self._ready.setdefault(footprint.restaurant_id)
            self._form_soon()
        try:
            return await waiting.seat
        except asyncio.CancelledError:
            if waiting.seat.done() and not waiting.seat.cancelled() and waiting.seat.exception() is None:
                waiting.seat.result().leave()
            raise

    def _form_soon(self) -> None:
        """Once everybody who is about to join has joined."""
        if not self._forming:
            self._forming = True
            asyncio.get_running_loop().call_soon(self._form)

    def _form(self) -> None:
        self._forming = False
        for contended in (False, True):
            while self._groups[contended] < self._limits.groups_max and self._has_ready(contended=contended):
                self._groups[contended] += 1
                task = asyncio.get_running_loop().create_task(self._run_groups(contended=contended))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                if self._groups[contended] * self._limits.members_max >= self._queued:
                    break

    def _has_ready(self, *, contended: bool) -> bool:
        if not self._contended:
            return bool(self._ready) and not contended
        return any((restaurant_id in self._contended) is contended for restaurant_id in self._ready)

    async def _run_groups(self, *, contended: bool) -> None:
        """One group after the other, for as long as there are members that could start."""
        try:
            while self._has_ready(contended=contended):
                await self._run_on_a_connection(contended=contended)
        finally:
            self._groups[contended] -= 1

    async def _run_on_a_connection(self, *, contended: bool) -> None:
        try:
            async with self._pool.acquire() as connection:
                while members := self._next(contended=contended):
                    restaurants = {each.footprint.restaurant_id for each in members}
                    group = Group(connection, self._limits, len(restaurants) > 1)
                    try:
                        sound = await group.run(
                            [(each.seat, each.deadline) for each in members], self._announce
                        )
                    finally:
                        self._arrived(restaurants, contended=contended)
                    if not sound:
                        return
        except (OSError, TimeoutError, *DRIVER_ERRORS) as error:
            # No connection is to be had, so nobody who waits will get any further.
            for waiting in self._take_all(contended=contended):
                if not waiting.seat.done():
                    waiting.seat.set_exception(translated(error))

    def _next(self, *, contended: bool) -> list[Waiting]:
        """Who starts now: members that touch nothing in common, those of a restaurant in the order they came."""
        members: list[Waiting] = []
        for restaurant_id in tuple(self._ready):
            if (restaurant_id in self._contended) is not contended:
                continue
            chosen = self._choose(self._lanes[restaurant_id], self._limits.members_max - len(members))
            del self._ready[restaurant_id]
            if not self._lanes[restaurant_id]:
                del self._lanes[restaurant_id]
            elif not chosen:
                self._ready[restaurant_id] = None
            if chosen:
                self._under_way.add(restaurant_id)
                members += chosen
            if (contended and members) or len(members) >= self._limits.members_max:
                break
        return members

    def _choose(self, lane: deque[Waiting], room: int) -> list[Waiting]:
        chosen: list[Waiting] = []
        passed_over: list[Waiting] = []
        touched: set[UUID] = set()
        for _ in range(room * LOOKS_PER_MEMBER):
            if not lane or len(chosen) == room:
                break
            waiting = lane.popleft()
            if waiting.seat.done():
                self._queued -= 1
            elif waiting.deadline.passed:
                self._queued -= 1
                waiting.seat.set_exception(deadline_exceeded())
            elif touched.isdisjoint(waiting.footprint.touches):
                self._queued -= 1
                touched |= waiting.footprint.touches
                chosen.append(waiting)
            else:
                passed_over.append(waiting)
        lane.extendleft(reversed(passed_over))
        return chosen

    def _arrived(self, restaurants: set[UUID], *, contended: bool) -> None:
        self._under_way -= restaurants
        for restaurant_id in restaurants:
            if contended:
                self._contended.pop(restaurant_id, None)
            if restaurant_id in self._lanes:
                self._ready.setdefault(restaurant_id)
        if self._ready:
            self._form_soon()

    def _take_all(self, *, contended: bool) -> Sequence[Waiting]:
        taken: list[Waiting] = []
        for restaurant_id in tuple(self._ready):
            if (restaurant_id in self._contended) is contended:
                del self._ready[restaurant_id]
                taken += self._lanes.pop(restaurant_id)
        self._queued -= len(taken)
        return taken


def _overloaded(queue_max: int) -> ServiceError:
    return ServiceError(
        Refusal(
            Reason.SERVER_OVERLOADED,
            f"{queue_max} changes already wait to be written by this process; repeat the identical call.",
            {"limit": str(queue_max)},
            retry_after_s=RETRY_AFTER_S,
        )
    )
