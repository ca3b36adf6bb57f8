"""Restaurants for all who ask at the same moment, in one statement.

Nearly every read begins with this question, and many need no other: by itself it costs more than what is done with its
answer.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from server.orchestrator.ports import Standing
from server.persistence import rows
from server.persistence.failures import deadline_exceeded, translating
from server.persistence.pool import Connection, Pool, borrowed
from server.persistence.queries import load_queries

RESTAURANTS = load_queries("restaurants")

# Calls come out of gRPC one by one, some turns of the event loop after one another. So a statement waits until so
# many turns have brought nobody else: some microseconds while there is nothing else to do.
QUIET_TURNS = 5
ASKED_MAX = 128

Key: TypeAlias = tuple[UUID, UUID]
"""Tenant and restaurant."""


class _Question(NamedTuple):
    key: Key
    answer: "asyncio.Future[Standing | None]"


class Standings:
    """Whoever asks while a statement is under way waits for the next: no answer is older than its question."""

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        """`timeout_s` is how long a connection is waited for, and a statement."""
        self._pool = pool
        self._timeout_s = timeout_s
        self._asked: list[_Question] = []
        self._answering: asyncio.Task[None] | None = None

    async def of(self, tenant_id: UUID, restaurant_id: UUID) -> Standing | None:
        """The tenant's restaurant if there is one, and the clock after this was asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Standing | None] = loop.create_future()
        self._asked.append(_Question((tenant_id, restaurant_id), answer))
        if self._answering is None:
            self._answering = loop.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        """Statement by statement on one connection, until nobody asks any more."""
        try:
            while self._asked:
                await self._answer_some()
        finally:
            self._answering = None

    async def _answer_some(self) -> None:
        """What goes wrong is for those to hear who have asked, and the next get another connection."""
        asked: list[_Question] = []
        try:
            async with translating(), borrowed(self._pool, self._timeout_s) as connection:
                while self._asked:
                    await self._gather()
                    asked, self._asked = self._asked[:ASKED_MAX], self._asked[ASKED_MAX:]
                    await self._answer(asked, connection)
        except Exception as error:  # noqa: BLE001  # it is raised where the answers are awaited
            late = isinstance(error, TimeoutError)
            if late or not asked:
                # Nobody waits twice for a database that does not answer.
                asked, self._asked = [*asked, *self._asked], []
            for question in _open(asked):
                question.answer.set_exception(deadline_exceeded() if late else error)

    async def _gather(self) -> None:
        known = quiet = 0
        while quiet < QUIET_TURNS and known < ASKED_MAX:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._asked) == known else 0
            known = len(self._asked)

    async def _answer(self, asked: Iterable[_Question], connection: Connection) -> None:
        tenants, restaurants = zip(*{question.key for question in asked}, strict=True)
        query = RESTAURANTS["standings"]
        found: list[Any] = await connection.fetch(query, tenants, restaurants, timeout=self._timeout_s)
        standings = {(row["tenant_id"], row["restaurant_id"]): rows.standing(row) for row in found}
        for question in _open(asked):
            question.answer.set_result(standings.get(question.key))


def _open(questions: Iterable[_Question]) -> Iterator[_Question]:
    """Those that somebody still waits for."""
    return (question for question in questions if not question.answer.done())
