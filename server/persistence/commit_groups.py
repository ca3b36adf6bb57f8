"""Writes that wait at the same moment travel together, as members of one transaction with one commit.

Each member's work runs as if it were alone; what members ask at the same moment is asked together (`group.py`). A lone
member waits for nobody: a group starts as soon as there is one, and takes its share of those who wait by then
(`group_queue.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TypeVar

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.errors import Reason, Refusal, ServiceError
from server.orchestrator.ports import Footprint, Unit
from server.persistence.failures import DRIVER_ERRORS, RETRY_AFTER_S, deadline_exceeded, translated
from server.persistence.group import Group, GroupLimits, OvertakenError
from server.persistence.group_member import Member, RestaurantBusyError
from server.persistence.group_queue import GroupQueue
from server.persistence.pool import Connection, Pool
from server.telemetry.metrics import GroupMetrics

ResultT = TypeVar("ResultT")

# Where many come, a group waits for more of them: as long as each of these moments brings another, but no longer than
# that in all. Many is so many at once, not longer ago than that.
GATHER_S = 0.002
GATHER_S_MAX = 0.03
CROWD_MIN = 8
CROWD_S = 0.05
# Who is here is shared out among the groups that can be under way, so that members of one decide while another waits
# for the database; but a transaction of fewer than this saves little.
SHARE_MIN = 16


@dataclass(slots=True, eq=False)
class Waiting:
    """A member that waits for its group to start."""

    footprint: Footprint
    deadline: Deadline
    contended: bool = False
    seat: "asyncio.Future[Member]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def still_wanted(self) -> bool:
        """Not when the caller has gone or the deadline has passed, which the caller is told."""
        if not self.seat.done() and self.deadline.passed:
            self.seat.set_exception(deadline_exceeded())
        return not self.seat.done()


class CommitGroups:
    """Starts groups. At most `groups_max` are under way, and as many again that may wait for a restaurant's lock."""

    def __init__(
        self,
        pool: Pool,
        limits: GroupLimits,
        announce: Callable[[Announcement], None],
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._announce = announce
        self._queue: GroupQueue[Waiting] = GroupQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._groups = {False: 0, True: 0}
        # By whether they are contended: how many members each group has.
        self._under_way: dict[bool, list[int]] = {False: [], True: []}
        self._forming = False
        self._crowded_until_s = 0.0
        self._metrics = GroupMetrics(lambda: len(self._queue))

    @property
    def queued(self) -> int:
        """How many members wait for a group."""
        return len(self._queue)

    async def run(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        """What `work` returns, once all that it wrote is committed.

        Raises SERVER_OVERLOADED when too many wait already, and `GroupFailedError` when nothing of it was written:
        then the member has to try by itself.
        """
        try:
            return await self._travel(work, Waiting(footprint, deadline))
        except RestaurantBusyError:
            # In a group that holds up nobody else.
            return await self._travel(work, Waiting(footprint, deadline, contended=True))

    async def _travel(self, work: Callable[[Unit], Awaitable[ResultT]], waiting: Waiting) -> ResultT:
        member = await self._seated(waiting)
        try:
            result = await work(member)
            await member.gone()
            return result
        except (RestaurantBusyError, OvertakenError, ServiceError):
            await member.gone()
            raise
        finally:
            member.leave()

    async def _seated(self, waiting: Waiting) -> Member:
        if len(self._queue) >= self._limits.queue_max:
            raise _overloaded(self._limits.queue_max)
        if self._queue.add(waiting):
            self._form_soon()
        try:
            return await waiting.seat
        except asyncio.CancelledError:
            if self._queue.drop(waiting):
                self._form_soon()
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
            free = self._limits.groups_max - self._groups[contended]
            for _ in range(min(free, self._ready(contended=contended))):
                self._groups[contended] += 1
                task = asyncio.get_running_loop().create_task(self._run_groups(contended=contended))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _ready(self, *, contended: bool) -> int:
        return self._queue.groups_ready(self._share(contended=contended), contended=contended)

    def _share(self, *, contended: bool) -> int:
        """How many members the next group has at most."""
        if contended:
            return self._limits.members_max
        # No more than there are restaurants, because each is in one group at a time.
        could_start = self._queue.groups_ready(1, contended=contended)
        under_way = self._under_way[contended]
        groups = max(1, min(self._limits.groups_max, len(under_way) + could_start))
        everybody = len(self._queue) + sum(under_way)
        return min(self._limits.members_max, max(SHARE_MIN, ceil(everybody / groups)))

    async def _run_groups(self, *, contended: bool) -> None:
        """One group after the other, for as long as there are members that could start."""
        try:
            while self._ready(contended=contended):
                await self._run_on_a_connection(contended=contended)
        finally:
            self._groups[contended] -= 1

    async def _next(self, *, contended: bool) -> list[Waiting]:
        """Who starts now.

        Calls come out of gRPC one by one, and a transaction of few costs nearly as much as one of many. So where there
        is a crowd, the next of it are awaited; who comes alone, or with a few, waits for nobody.
        """
        now_s = asyncio.get_running_loop().time
        if not contended and now_s() < self._crowded_until_s:
            known, ends_s = 0, now_s() + GATHER_S_MAX
            while known < len(self._queue) < self._limits.members_max and now_s() < ends_s:
                known = len(self._queue)
                await asyncio.sleep(GATHER_S)
        members = self._queue.start(self._share(contended=contended), contended=contended)
        if not contended and len(members) >= CROWD_MIN:
            self._crowded_until_s = now_s() + CROWD_S
        return members

    async def _run_on_a_connection(self, *, contended: bool) -> None:
        try:
            async with self._pool.acquire() as connection:
                while members := await self._next(contended=contended):
                    if not await self._run_group(connection, members, contended=contended):
                        return
        except (OSError, TimeoutError, *DRIVER_ERRORS) as error:
            # No connection is to be had, so nobody who waits will get any further.
            for waiting in self._queue.take_ready(contended=contended):
                if not waiting.seat.done():
                    waiting.seat.set_exception(translated(error))

    async def _run_group(
        self, connection: Connection, members: Sequence[Waiting], *, contended: bool
    ) -> bool:
        """Whether the connection can be used on."""
        group = Group(connection, self._limits, contended)
        self._under_way[contended].append(len(members))
        try:
            return await group.run(members, self._announce)
        finally:
            self._under_way[contended].remove(len(members))
            if self._queue.arrived({each.footprint.named for each in members}):
                self._form_soon()
            self._metrics.ended(len(members), committed=group.committed)


def _overloaded(queue_max: int) -> ServiceError:
    return ServiceError(
        Refusal(
            Reason.SERVER_OVERLOADED,
            f"{queue_max} changes already wait to be written by this process; repeat the identical call.",
            {"limit": str(queue_max)},
            retry_after_s=RETRY_AFTER_S,
        )
    )
