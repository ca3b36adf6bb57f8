"""Transactions: opened, bounded by the caller's deadline, tried again after lost races, committed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.domain.invariants import InvariantReport
from server.errors import Reason, ServiceError
from server.lanes import Lanes
from server.orchestrator.ports import Footprint, Named, OwnUnit, Standing, Unit
from server.persistence.commit_groups import CommitGroups
from server.persistence.failures import (
    DRIVER_ERRORS,
    ContentionError,
    deadline_exceeded,
    lacks_room,
    translating,
    unreachable,
)
from server.persistence.group import SILENCE_GRACE_S, GroupFailedError, GroupLimits
from server.persistence.invariants import look_at_tenant
from server.persistence.pool import Pool, borrowed, connection_in_time
from server.persistence.reader import RESTAURANTS, SqlCatalogue
from server.persistence.standings import Standings
from server.persistence.transactions import changing, require_room
from server.persistence.unit import SqlUnit

log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")

# A synchronous standby that takes longer than this to have a commit is not there.
STANDBY_S_MAX = 5.0


class NotMigratedError(Exception):
    """The database is there, the schema is not."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`attempts_max` counts tries of one transaction, the first included; seconds otherwise."""

    attempts_max: int = 5
    backoff_s: float = 0.01
    lock_timeout_s: float = 2.0
    ledger_ttl_s: float = 7 * 86_400.0
    read_timeout_s: float = 5.0
    writers_per_restaurant: int = 2
    groups: GroupLimits = field(default_factory=GroupLimits)


def _nobody(_: Announcement) -> None:
    """Nobody wants to know."""


class SqlStore:
    """Implements `Store` on a connection pool. `announce` is told of each change whose commit was asked for: nobody may
    hear any more that it was committed. It must not fail.
    """

    def __init__(
        self, pool: Pool, settings: StoreSettings, announce: Callable[[Announcement], None] = _nobody
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._announce = announce
        # One busy restaurant must not take every connection: who writes to it queues here, before that.
        self._lanes = Lanes(settings.writers_per_restaurant)
        # Each may take as long as its caller waits.
        self._checks = Lanes(1)
        self._groups = CommitGroups(pool, settings.groups, announce)
        self._catalogue = _PooledCatalogue(pool, settings.read_timeout_s)
        self._lacked_room = False

    @property
    def catalogue(self) -> SqlCatalogue:
        return self._catalogue

    async def run(
        self, work: Callable[[OwnUnit], Awaitable[ResultT]], deadline: Deadline, named: Named | None
    ) -> ResultT:
        """See the port. At most `writers_per_restaurant` transactions of one restaurant are open per process."""
        settings = self._settings
        try:
            async with (
                asyncio.timeout(deadline.remaining_s() + SILENCE_GRACE_S),
                self._lane(named),
            ):
                for attempt in range(settings.attempts_max):
                    if deadline.passed:
                        raise deadline_exceeded()
                    try:
                        return await self._attempt(work, deadline)
                    except ContentionError:
                        await asyncio.sleep(settings.backoff_s * 2**attempt)
                raise ContentionError(settings.attempts_max)
        except TimeoutError:
            raise deadline_exceeded() from None
        except ServiceError as error:
            self._lacked_room = self._lacked_room or lacks_room(error)
            raise

    async def run_together(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        """See the port. A member of a group that fails as a whole goes on by itself."""
        if self._settings.groups.members_max > 1:
            try:
                async with asyncio.timeout(deadline.remaining_s() + SILENCE_GRACE_S):
                    return await self._groups.run(work, deadline, footprint)
            except TimeoutError:
                raise deadline_exceeded() from None
            except GroupFailedError:
                log.info("group_failed", exc_info=True)
                return await self._run_after_all(work, deadline, footprint)
        return await self.run(work, deadline, footprint.named)

    async def _run_after_all(
        self, work: Callable[[Unit], Awaitable[ResultT]], deadline: Deadline, footprint: Footprint
    ) -> ResultT:
        """By itself. A group whose connection was cut has the request until the database notices."""
        for attempt in range(self._settings.attempts_max):
            try:
                return await self.run(work, deadline, footprint.named)
            except ServiceError as error:
                if error.reason is not Reason.REQUEST_IN_PROGRESS:
                    raise
                await asyncio.sleep(self._settings.backoff_s * 2**attempt)
        return await self.run(work, deadline, footprint.named)

    @property
    def members_queued(self) -> int:
        """How many changes wait for a transaction that they can share."""
        return self._groups.queued

    async def check_invariants(
        self, tenant_id: UUID, restaurant_id: UUID | None, deadline: Deadline
    ) -> InvariantReport:
        try:
            async with (
                asyncio.timeout(deadline.remaining_s() + SILENCE_GRACE_S),
                self._checks.enter(tenant_id),
                translating(),
                borrowed(self._pool) as connection,
            ):
                remaining_ms = max(1, int(deadline.remaining_s() * 1000))
                return await look_at_tenant(connection, tenant_id, restaurant_id, remaining_ms)
        except TimeoutError:
            raise deadline_exceeded() from None

    def _lane(self, named: Named | None) -> AbstractAsyncContextManager[None]:
        return nullcontext() if named is None else self._lanes.enter(named)

    async def _attempt(self, work: Callable[[OwnUnit], Awaitable[ResultT]], deadline: Deadline) -> ResultT:
        settings = self._settings
        written: tuple[Announcement, ...] = ()
        try:
            async with translating(), changing(self._pool) as connection:
                unit = SqlUnit(
                    connection, deadline.remaining_s(), settings.lock_timeout_s, settings.ledger_ttl_s
                )
                result = await work(unit)
                written = unit.written
            return result
        finally:
            for announcement in written:
                self._announce(announcement)

    async def why_away(self) -> str | None:
        """Why nothing can be changed on the database right now; None when it can."""
        try:
            async with asyncio.timeout(self._settings.read_timeout_s), borrowed(self._pool) as connection:
                pinged: Any = await connection.fetchrow(RESTAURANTS["ping"], STANDBY_S_MAX)
            if self._lacked_room:
                await self._look_for_room()
        except (OSError, TimeoutError, *DRIVER_ERRORS) as problem:
            return str(unreachable(problem))
        if not pinged["takes_changes"]:
            return "it can only be read, as a replica"
        return (
            "its synchronous standby does not answer, and commits wait for it"
            if pinged["lacks_standby"]
            else None
        )

    async def _look_for_room(self) -> None:
        """Raises for as long as there is none for changes."""
        async with asyncio.timeout(self._settings.read_timeout_s):
            await require_room(self._pool)
        self._lacked_room = False


async def require_schema(pool: Pool) -> None:
    """Raises `NotMigratedError` when the database has none of our tables, `UnreachableError` when they are closed, or
    the database went away.
    """
    try:
        async with borrowed(pool) as connection:
            await connection.fetchval(RESTAURANTS["ping"], STANDBY_S_MAX)
    except asyncpg.UndefinedTableError:
        raise NotMigratedError("the database has no maitred schema; run: maitred migrate up") from None
    except (OSError, *DRIVER_ERRORS) as error:
        raise unreachable(error) from None


class _PooledCatalogue(SqlCatalogue):
    """Asks each question on a connection of its own, but that for restaurants for all who have it at the moment."""

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        super().__init__(_PooledAsking(pool, timeout_s))
        self._standings = Standings(pool, timeout_s)

    async def standing(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        return await self._standings.of(tenant_id, restaurant_id)


class _PooledAsking:
    """Runs each statement on a connection of its own."""

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def fetch(self, query: str, *values: object) -> list[Any]:
        async with connection_in_time(self._pool, self._timeout_s) as connection:
            return list(await connection.fetch(query, *values))

    async def fetchrow(self, query: str, *values: object) -> Any:
        async with connection_in_time(self._pool, self._timeout_s) as connection:
            return await connection.fetchrow(query, *values)
