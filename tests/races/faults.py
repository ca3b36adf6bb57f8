"""Faults between two statements of a transaction: a driver connection that fails where it is told to."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from server.persistence.pool import DriverConnection

Run: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
Strike: TypeAlias = Callable[[DriverConnection, Run], Awaitable[Any]]

STALL_S = 5.0
RECORDING = "INSERT INTO idempotency_ledger"

if TYPE_CHECKING:
    _Driver = DriverConnection
else:
    # Generic only in its stubs.
    _Driver = asyncpg.Connection


@dataclass(slots=True)
class FaultPlan:
    """Strikes once, at statement number `at` of the transactions that begin after it was armed; BEGIN is number 1.

    Or at the first of their statements with certain words, for those who care about what the statement does: its number
    depends on what the server has in memory by then.
    """

    at: int = 0
    words: str = ""
    strike: Strike | None = None
    statements: list[str] = field(default_factory=list)

    def arm(self, at: int, strike: Strike) -> None:
        self.at, self.words, self.strike, self.statements = at, "", strike, []

    def arm_for(self, words: str, strike: Strike) -> None:
        self.at, self.words, self.strike, self.statements = 0, words, strike, []

    def disarm(self) -> None:
        self.at, self.words, self.strike = 0, "", None

    @property
    def struck(self) -> bool:
        """Whether there was a statement of that number."""
        return 0 < self.at <= len(self.statements)

    @property
    def struck_at(self) -> str:
        return self.statements[self.at - 1]

    async def passing(self, connection: DriverConnection, query: str, run: Run) -> Any:
        if self.strike is None:
            return await run()
        self.statements.append(query)
        if not self.at and self.words and self.words in query:
            self.at = len(self.statements)
        return await (self.strike(connection, run) if len(self.statements) == self.at else run())


def faulty_connection(plan: FaultPlan) -> type[DriverConnection]:
    """The driver's connection class, with every statement of a transaction going by the plan."""

    class FaultyConnection(_Driver):
        _open = False

        async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
            run = partial(super().execute, query, *args, timeout=timeout)
            self._open = self._open or query.startswith("BEGIN")
            try:
                return str(await self._passing(query, run))
            finally:
                self._open = self._open and not query.startswith(("COMMIT", "ROLLBACK"))

        async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
            return await self._passing(query, partial(super().fetch, query, *args, **options))

        async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
            return await self._passing(query, partial(super().fetchrow, query, *args, **options))

        async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
            return await self._passing(query, partial(super().fetchval, query, *args, **options))

        async def _passing(self, query: str, run: Run) -> Any:
            return await (plan.passing(self, query, run) if self._open else run())

    return FaultyConnection


async def cut_before(connection: DriverConnection, run: Run) -> Any:
    """The socket is closed before the statement is sent."""
    connection.terminate()
    return await run()


async def cut_after(connection: DriverConnection, run: Run) -> Any:
    """The statement is done, but the socket is closed before the answer comes."""
    await run()
    connection.terminate()
    raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def refused_with(sqlstate: str) -> Strike:
    """The server itself fails the transaction with this SQLSTATE instead of doing the statement."""

    async def strike(connection: DriverConnection, run: Run) -> Any:
        committing = getattr(run, "args", ("",))[0].startswith("COMMIT")
        broken = f"DO $$ BEGIN RAISE 'injected' USING ERRCODE = '{sqlstate}'; END $$"
        try:
            return await asyncpg.Connection.execute(connection, broken)
        finally:
            if committing:
                # A COMMIT that fails ends its transaction as well.
                await asyncpg.Connection.execute(connection, "ROLLBACK")

    return strike


async def stall(connection: DriverConnection, run: Run) -> Any:
    """The server does nothing for longer than any caller waits."""
    await asyncpg.Connection.execute(connection, f"SELECT pg_sleep({STALL_S})")
    return await run()


class Moment(StrEnum):
    """When the killing happens: before the statement is sent, right after, or when its answer is there.

    RECORDED belongs to no statement of its own: the transaction that records the call's answer is committed.
    """

    BEFORE = "before"
    SENT = "sent"
    DONE = "done"
    RECORDED = "recorded"


def killing(kill: Callable[[], None], moment: Moment) -> Strike:
    """Calls `kill` at the given moment of the statement."""

    async def strike(_: DriverConnection, run: Run) -> Any:
        if moment is Moment.BEFORE:
            kill()
            return await run()
        sending = asyncio.create_task(run())
        if moment is Moment.SENT:
            # One turn of the loop: the task gets as far as its first wait, by when the socket has the statement.
            await asyncio.sleep(0)
        else:
            await asyncio.wait([sending])
        kill()
        return await sending

    return strike


@dataclass(slots=True)
class OnceRecorded(FaultPlan):
    """Calls `kill` when the first transaction is committed that has recorded an answer, whatever number that is."""

    kill: Callable[[], None] = field(kw_only=True)

    async def passing(self, connection: DriverConnection, query: str, run: Run) -> Any:
        self.statements = [query] if query.startswith("BEGIN") else [*self.statements, query]
        answer = await run()
        if query.startswith("COMMIT") and any(RECORDING in each for each in self.statements):
            self.kill()
        return answer


def moments_of(statements: list[str]) -> list[tuple[int, Moment]]:
    """Every moment that differs from the others: an answer that nobody acted upon only matters for the last one."""
    numbers = range(1, len(statements) + 1)
    assert statements[-1].startswith("COMMIT")
    return [
        *((number, moment) for number in numbers for moment in (Moment.BEFORE, Moment.SENT)),
        (len(statements), Moment.DONE),
    ]


def kill_own_process() -> None:
    """As `kill -9` does."""
    signal.raise_signal(signal.SIGKILL)
