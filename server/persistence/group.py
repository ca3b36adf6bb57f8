"""A transaction with several members. What all of them need to know is asked in one statement, and all that they want
to write is written in one or two.

Every member's work runs in the task of its own caller. When all of them wait to be let in, the group asks for them and
lets them go on; whoever has written all that it wants waits for the commit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from uuid import UUID

import asyncpg

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.errors import Refusal, ServiceError
from server.orchestrator.ports import Footprint, RecordedRequest, Standing
from server.persistence import rows
from server.persistence.failures import said_by, translating
from server.persistence.group_member import Looked, Member, Opened
from server.persistence.pool import Connection, cut
from server.persistence.queries import load_queries
from server.persistence.reader import request_lock
from server.persistence.transactions import begin, commit, limits_ms, rollback
from server.persistence.unit import in_progress, recorded
from server.persistence.writing import Answers, record_all, write_all

AnswerT = TypeVar("AnswerT")

GROUPS = load_queries("groups")
# How long a group of several restaurants waits for somebody who has one of them locked. Other processes' groups
# are done by then; who takes longer does not hold up the others.
PATIENCE_S = 0.5
# What the client side waits beyond the statement timeout before it gives up on a server that does not answer.
SILENCE_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """`members_max` of 1 means that everybody travels alone. Seconds and counts as the names say."""

    members_max: int = 128
    groups_max: int = 2
    queue_max: int = 4_096
    statement_timeout_s: float = 30.0
    lock_timeout_s: float = 2.0
    ledger_ttl_s: float = 7 * 86_400.0


class GroupFailedError(Exception):
    """What a member has written is not known to be committed. It may try by itself: its request_id finds out."""


class OvertakenError(GroupFailedError):
    """Another member of the group ends what this one ends too, or is about the same booking. It may decide again once
    the group is over.
    """


class Seat(Protocol):
    """Waits for the group to start; then `seat` is a member."""

    @property
    def footprint(self) -> Footprint: ...

    @property
    def deadline(self) -> Deadline: ...

    @property
    def seat(self) -> "asyncio.Future[Member]": ...


class Question(NamedTuple):
    """What a member waits for."""

    about: Any
    member: Member
    answer: "asyncio.Future[Any]"


class Group:
    """One transaction from its first statement to its commit. `patient` says whether it may wait for a lock as long as
    anybody: then its members are all of one restaurant.
    """

    def __init__(self, connection: Connection, limits: GroupLimits, patient: bool) -> None:
        self._connection = connection
        self._limits = limits
        self._patient = patient
        self._turn = asyncio.Lock()
        self._running = 0
        self._everybody_waits = asyncio.Event()
        self._timeout_s = 0.0
        self._members: list[Member] = []
        self._entering: list[Question] = []
        self._leaving: list[Question] = []
        self._failure: GroupFailedError | None = None
        self._usable = False
        self.committed = False
        self.over = asyncio.Event()

    async def run(self, seats: Sequence[Seat], announce: Callable[[Announcement], None]) -> bool:
        """Seats the members and returns when all of it is committed or gone; whether the connection can be used on.

        Never raises what is a member's to hear.
        """
        remaining_s = max(waiting.deadline.remaining_s() for waiting in seats)
        self._timeout_s = min(remaining_s, self._limits.statement_timeout_s)
        written: tuple[Announcement, ...] = ()
        try:
            async with (
                asyncio.timeout(self._timeout_s + SILENCE_GRACE_S),
                translating(),
                self._transaction(),
            ):
                self._seat(seats)
                await self._answer_reads()
                writers = self._not_overtaken(self._open(self._leaving))
                written = await self._write(writers)
            self.committed = True
            self._tell(writers)
            return True
        except BaseException as error:
            self._fail(seats, error)
            if not isinstance(error, Exception):
                raise
            return self._usable
        finally:
            # Also of a commit that was not heard of any more.
            for announcement in written:
                announce(announcement)
            # They know the group: whatever they have read and written would wait for the collector with it.
            self._members, self._entering, self._leaving = [], [], []
            self.over.set()

    async def opened(
        self, member: Member, request: RecordedRequest, answer_type: type[AnswerT]
    ) -> tuple[Opened, Looked]:
        about = (request, answer_type)
        return cast("tuple[Opened, Looked]", await self._wait(self._entering, member, about))

    async def committed_with(self, member: Member, request: RecordedRequest, answer: object) -> None:
        await self._wait(self._leaving, member, (request, answer))

    async def _wait(self, questions: list[Question], member: Member, about: object) -> Any:
        self._require_going_on()
        answer = member.answer = asyncio.get_running_loop().create_future()
        questions.append(Question(about, member, answer))
        self.parked(member)
        return await answer

    def parked(self, member: Member) -> None:
        """The member waits, or has left."""
        if member.running:
            member.running = False
            self._running -= 1
            if not self._running:
                self._everybody_waits.set()

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """A question that one member asks on the spot."""
        async with self._asking_on_the_spot():
            return list(await self._connection.fetch(query, *values))

    async def fetchrow(self, query: str, *values: object) -> Any:
        async with self._asking_on_the_spot():
            return await self._connection.fetchrow(query, *values)

    @asynccontextmanager
    async def _asking_on_the_spot(self) -> AsyncIterator[None]:
        """Whatever goes wrong, the transaction is lost: for all, and not by the doing of whoever asks next."""
        async with self._turn:
            self._require_going_on()
            try:
                yield
            except BaseException as error:
                self._failure = GroupFailedError(said_by(error))
                if isinstance(error, Exception):
                    raise self._failure from error
                raise

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """What was cancelled or ran out of time is not undone here: a statement of it may still be running."""
        await begin(self._connection)
        try:
            yield
            await commit(self._connection)
        except Exception as error:
            self._failure = self._failure or GroupFailedError(said_by(error))
            # Whoever asks on the spot is done with it then, and nobody asks any more.
            async with self._turn:
                self._usable = await rollback(self._connection)
            raise

    def _require_going_on(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _seat(self, seats: Iterable[Seat]) -> None:
        for waiting in seats:
            if not waiting.seat.done():
                self._running += 1
                member = Member(self, waiting.footprint)
                self._members.append(member)
                waiting.seat.set_result(member)

    async def _answer_reads(self) -> None:
        """Round by round, until everybody who is still here waits for the commit."""
        while True:
            while self._running:
                self._everybody_waits.clear()
                await self._everybody_waits.wait()
            self._require_going_on()
            entering, self._entering = self._open(self._entering), []
            if not entering:
                return
            for question, answer in zip(entering, await self._opened(entering), strict=True):
                self._resume(question, answer)

    async def _all(self, query: str, *values: object) -> list[Any]:
        """A question of several members."""
        async with self._turn:
            return list(await self._connection.fetch(query, *values))

    @staticmethod
    def _open(questions: Iterable[Question]) -> list[Question]:
        """Those whose member still waits for the answer."""
        return [question for question in questions if not question.answer.done()]

    def _resume(self, question: Question, answer: object) -> None:
        if not question.answer.done():
            self._running += 1
            question.member.running = True
            question.answer.set_result(answer)

    async def _opened(self, questions: Sequence[Question]) -> list[tuple[Opened, Looked]]:
        """What is recorded of each request, and what is there once its restaurant is locked."""
        requests: list[RecordedRequest] = [question.about[0] for question in questions]
        names = [request_lock(each.tenant_id, each.method, each.request_id) for each in requests]
        about = [question.member.footprint for question in questions]
        restaurants = [each.restaurant_id for each in about]
        busy: set[tuple[UUID, UUID]] = set()
        try:
            found = await self._asked(requests, names, about, restaurants)
        except asyncpg.LockNotAvailableError:
            if self._patient:
                raise
            busy = await self._begin_without_waiting(requests, restaurants)
            left_out = {restaurant_id for _, restaurant_id in busy}
            kept = [None if each in left_out else each for each in restaurants]
            found = await self._asked(requests, names, about, kept)
        opened = []
        for question, of_one, first in zip(questions, found, _first_ones(names), strict=True):
            row = of_one[0]
            key = (question.about[0].tenant_id, question.member.footprint.restaurant_id)
            recalled = _recalled(row, row["claimed"] and first, *question.about)
            opened.append((Opened(recalled, _standing(row), key in busy), _looked(of_one)))
        return opened

    async def _asked(
        self,
        requests: Sequence[RecordedRequest],
        names: list[str],
        about: Sequence[Footprint],
        restaurants: Sequence[UUID | None],
    ) -> list[list[Any]]:
        """The rows of each member. Restaurants are locked, and what is said of them is what is there since then."""
        lock_s = self._limits.lock_timeout_s
        values = (
            *limits_ms(self._timeout_s, lock_s if self._patient else min(PATIENCE_S, lock_s)),
            names,
            [each.tenant_id for each in requests],
            [each.method for each in requests],
            [each.request_id for each in requests],
            restaurants,
            [each.booking_id for each in about],
            [each.hold_id for each in about],
            [f"{{{','.join(str(table_id) for table_id in set(each.table_ids))}}}" for each in about],
        )
        found = await self._all(GROUPS["open_members"], *values)
        if any(row["seen_version"] != row["restaurant_floor_version"] for row in found):
            # What was read is older than the lock. Nobody else changes it from now on.
            found = await self._all(GROUPS["open_members"], *values)
        by_position: dict[int, list[Any]] = {}
        for row in found:
            by_position.setdefault(row["position"], []).append(row)
        return [by_position[position] for position in range(1, len(requests) + 1)]

    async def _begin_without_waiting(
        self, requests: Sequence[RecordedRequest], restaurants: Sequence[UUID]
    ) -> set[tuple[UUID, UUID]]:
        """Begins again and locks those restaurants that nobody else has locked. Says which are left out, with their
        tenants.
        """
        async with self._turn:
            await rollback(self._connection)
            await begin(self._connection)
        named = {
            (each.tenant_id, restaurant_id) for each, restaurant_id in zip(requests, restaurants, strict=True)
        }
        among = [list(each) for each in zip(*named, strict=True)]
        free = {row["restaurant_id"] for row in await self._all(GROUPS["lock_free"], *among)}
        there = await self._all(GROUPS["restaurants_there"], *among)
        return {(row["tenant_id"], row["restaurant_id"]) for row in there if row["restaurant_id"] not in free}

    @staticmethod
    def _not_overtaken(writers: Iterable[Question]) -> list[Question]:
        """All but those who end a hold or an assignment that an earlier one ends too, since it has to be ended once,
        or whose booking an earlier one is about: who replaces a hold has not named it.
        """
        met: set[UUID] = set()
        kept = []
        for question in writers:
            meets = {
                each for one in question.member.written for each in one.changes.ended | one.changes.bookings
            }
            if met.isdisjoint(meets):
                kept.append(question)
                met |= meets
            else:
                question.answer.set_exception(OvertakenError("an earlier member comes first"))
        return kept

    async def _write(self, writers: Sequence[Question]) -> tuple[Announcement, ...]:
        members = [question.member for question in writers]
        if not members:
            return ()
        written = [change for member in members for change in member.written]
        answers = Answers([question.about for question in writers], self._limits.ledger_ttl_s)
        if not written:
            await record_all(self._connection, answers)
            return ()
        versions = await write_all(self._connection, written, answers)
        standings = {member.locked.restaurant_id: member.locked for member in members if member.locked}
        return tuple(
            Announcement(
                restaurant_id,
                version,
                standings[restaurant_id].inventory_version,
                standings[restaurant_id].policy_version,
            )
            for restaurant_id, version in versions.items()
        )

    @staticmethod
    def _tell(writers: Iterable[Question]) -> None:
        for question in writers:
            if not question.answer.done():
                question.answer.set_result(None)

    def _fail(self, seats: Iterable[Seat], error: BaseException) -> None:
        """What everybody hears who still waits: to try by itself, since it may all be one member's doing."""
        if isinstance(error, TimeoutError | asyncio.CancelledError):
            # A statement may still be running on it.
            cut(self._connection)
        self._failure = self._failure or GroupFailedError(said_by(error))
        for future in (*(waiting.seat for waiting in seats), *(member.answer for member in self._members)):
            if future is not None and not future.done():
                future.set_exception(self._failure)


def _first_ones(names: Iterable[str]) -> Iterator[bool]:
    """A transaction gets a lock as often as it likes, but only one of its members can have the request."""
    seen: set[str] = set()
    for name in names:
        yield name not in seen
        seen.add(name)


def _recalled(
    row: Any, claimed: bool, request: RecordedRequest, answer_type: type[AnswerT]
) -> AnswerT | Refusal | ServiceError | None:
    """What the ledger says of a request, or why the request can't go on, which is its member's to hear."""
    if not claimed:
        return in_progress(request)
    try:
        return None if row["request_hash"] is None else recorded(row, request, answer_type)
    except ServiceError as error:
        return error


def _standing(row: Any) -> Standing | None:
    place = rows.Prefixed(row, "restaurant_")
    return rows.standing(place) if place["restaurant_id"] else None


def _looked(found: Sequence[Any]) -> Looked:
    first = found[0]
    return Looked(
        rows.booking(first) if first["booking_id"] else None,
        rows.hold(rows.Prefixed(first, "hold_")) if first["hold_hold_id"] else None,
        first["open_holds"],
        tuple(rows.claim(rows.Prefixed(row, "claim_")) for row in found if row["claim_table_id"]),
    )
