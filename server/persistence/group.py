"""A transaction with several members. What they ask at the same moment is asked in one statement.

Every member's work runs in the task of its own caller. When all of them wait, the group answers what they have asked, a
statement for each kind of question, and lets them go on; whoever has written all that it wants waits for the commit.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.domain.booking import Booking
from server.domain.claims import Claim, Hold
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Reason, Refusal, ServiceError
from server.orchestrator.changes import Changes
from server.orchestrator.ports import RecordedRequest, Standing
from server.persistence import rows
from server.persistence.documents import decode
from server.persistence.failures import ContentionError, translating
from server.persistence.pool import Connection
from server.persistence.queries import load_queries
from server.persistence.reader import SqlReader, answer_of, request_lock
from server.persistence.unit import hashes_of, in_progress, reused
from server.persistence.writing import Written, record_all, write_all

AnswerT = TypeVar("AnswerT")

GROUPS = load_queries("groups")
# What the client side waits beyond the statement timeout before it gives up on a server that does not answer.
SILENCE_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """`members_max` of 1 means that everybody travels alone. Seconds and counts as the names say."""

    members_max: int = 64
    groups_max: int = 2
    queue_max: int = 4_096
    statement_timeout_s: float = 30.0
    lock_timeout_s: float = 2.0
    ledger_ttl_s: float = 7 * 86_400.0


class GroupFailedError(Exception):
    """The group's transaction is gone and left nothing behind. Its members may try each by itself."""


class RestaurantBusyError(Exception):
    """Somebody else has the restaurant locked, and waiting for it would hold up other members."""


class Kind(IntEnum):
    """What members ask, in the order in which it is answered."""

    RECALL = auto()
    LOCK = auto()
    BOOKING = auto()
    HOLD = auto()
    LIVE_HOLDS = auto()
    CLAIMS = auto()
    COMMIT = auto()


class Question(NamedTuple):
    kind: Kind
    about: Any
    member: "Member"
    answer: "asyncio.Future[Any]"


class Group:
    """One transaction from its first statement to its commit. `mixed` says that its members are of several restaurants,
    so that none of them may wait for a lock.
    """

    def __init__(self, connection: Connection, limits: GroupLimits, mixed: bool) -> None:
        self._connection = connection
        self._limits = limits
        self._mixed = mixed
        self._turn = asyncio.Lock()
        self._running = 0
        self._everybody_waits = asyncio.Event()
        self._members: list[Member] = []
        self._questions: list[Question] = []
        self._timeouts_ms = ("", "")
        self._failure: Exception | None = None
        self.over = asyncio.Event()
        self._answering: Mapping[Kind, Callable[[Sequence[Question]], Awaitable[None]]] = {
            Kind.RECALL: self._recall,
            Kind.LOCK: self._lock,
            Kind.BOOKING: self._bookings,
            Kind.HOLD: self._holds,
            Kind.LIVE_HOLDS: self._live_holds,
            Kind.CLAIMS: self._claims,
        }

    async def run(
        self,
        seats: Sequence[tuple["asyncio.Future[Member]", Deadline]],
        announce: Callable[[Announcement], None],
    ) -> bool:
        """Seats the members and returns when all of it is committed or gone; whether the connection can be used on.

        Never raises what is a member's to hear.
        """
        remaining_s = max(deadline.remaining_s() for _, deadline in seats)
        timeout_s = min(remaining_s, self._limits.statement_timeout_s)
        lock_s = min(timeout_s, self._limits.lock_timeout_s)
        self._timeouts_ms = (str(max(1, int(timeout_s * 1_000))), str(max(1, int(lock_s * 1_000))))
        try:
            async with (
                asyncio.timeout(timeout_s + SILENCE_GRACE_S),
                translating(),
                self._connection.transaction(),
            ):
                self._seat(seats)
                await self._answer_reads()
                writers = self._open(self._questions)
                written = await self._write(writers)
            for announcement in written:
                announce(announcement)
            self._tell(writers)
            return True
        except BaseException as error:
            self._fail(seats, error)
            if not isinstance(error, Exception):
                raise
            return not self._connection.is_closed()
        finally:
            self.over.set()

    async def ask(self, member: "Member", kind: Kind, about: object) -> Any:
        if self._failure is not None:
            raise self._failure
        answer = member.answer = asyncio.get_running_loop().create_future()
        self._questions.append(Question(kind, about, member, answer))
        self.parked(member)
        return await answer

    def parked(self, member: "Member") -> None:
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
        if self._failure is not None:
            raise self._failure
        try:
            async with self._turn, translating():
                yield
        except ContentionError as error:
            raise GroupFailedError(str(error)) from None

    def _seat(self, seats: Iterable[tuple["asyncio.Future[Member]", Deadline]]) -> None:
        for seat, _ in seats:
            if not seat.done():
                self._running += 1
                member = Member(self)
                self._members.append(member)
                seat.set_result(member)

    async def _answer_reads(self) -> None:
        """Round by round, until everybody who is still here waits for the commit."""
        while True:
            while self._running:
                self._everybody_waits.clear()
                await self._everybody_waits.wait()
            asked = self._open(self._questions)
            reads = [question for question in asked if question.kind is not Kind.COMMIT]
            self._questions = [question for question in asked if question.kind is Kind.COMMIT]
            if not reads:
                return
            for kind in sorted({question.kind for question in reads}):
                of_kind = self._open(question for question in reads if question.kind is kind)
                if of_kind:
                    await self._answering[kind](of_kind)

    async def _all(self, query: str, *values: object) -> list[Any]:
        """A question of several members."""
        async with self._turn:
            return list(await self._connection.fetch(query, *values))

    @staticmethod
    def _open(questions: Iterable[Question]) -> list[Question]:
        """Those whose member still waits for the answer."""
        return [question for question in questions if not question.answer.done()]

    def _resume(self, question: Question, answer: object) -> None:
        if question.answer.done():
            return
        self._running += 1
        question.member.running = True
        if isinstance(answer, Exception):
            question.answer.set_exception(answer)
        else:
            question.answer.set_result(answer)

    async def _recall(self, questions: Sequence[Question]) -> None:
        requests: list[RecordedRequest] = [question.about[0] for question in questions]
        found = await self._all(
            GROUPS["open_requests"],
            *self._timeouts_ms,
            [request_lock(each.tenant_id, each.method, each.request_id) for each in requests],
            [each.tenant_id for each in requests],
            [each.method for each in requests],
            [each.request_id for each in requests],
        )
        for question, row in zip(questions, found, strict=True):
            self._resume(question, _recalled(row, *question.about))

    async def _lock(self, questions: Sequence[Question]) -> None:
        wanted = {question.about for question in questions}
        keys = ([tenant_id for tenant_id, _ in wanted], [restaurant_id for _, restaurant_id in wanted])
        query = GROUPS["lock_idle_restaurants"] if self._mixed else GROUPS["lock_restaurants"]
        found = {_key(row): row for row in await self._all(query, *keys)}
        there: set[tuple[UUID, UUID]] = set()
        if self._mixed and not wanted <= found.keys():
            there = {_key(row) for row in await self._all(GROUPS["restaurants_there"], *keys)}
        for question in questions:
            row = found.get(question.about)
            if row is not None:
                self._resume(question, Standing(rows.restaurant(row), row["now"]))
            else:
                self._resume(question, RestaurantBusyError() if question.about in there else None)

    async def _bookings(self, questions: Sequence[Question]) -> None:
        found = await self._all(GROUPS["bookings"], *_pairs(questions))
        read = {(row["restaurant_id"], row["booking_id"]): row for row in found}
        for question in questions:
            row = read.get(question.about)
            self._resume(question, None if row is None else rows.booking(row))

    async def _holds(self, questions: Sequence[Question]) -> None:
        found = await self._all(GROUPS["holds"], *_pairs(questions))
        read = {(row["restaurant_id"], row["hold_id"]): row for row in found}
        for question in questions:
            row = read.get(question.about)
            self._resume(question, None if row is None else rows.hold(row))

    async def _live_holds(self, questions: Sequence[Question]) -> None:
        found = [rows.hold(row) for row in await self._all(GROUPS["live_holds"], *_pairs(questions))]
        for question in questions:
            self._resume(
                question,
                tuple(hold for hold in found if (hold.restaurant_id, hold.booking_id) == question.about),
            )

    async def _claims(self, questions: Sequence[Question]) -> None:
        wanted = [
            (asker, restaurant_id, table_id, window.start, window.end)
            for asker, (restaurant_id, window, table_ids) in enumerate(each.about for each in questions)
            for table_id in table_ids
        ]
        columns = ([row[column] for row in wanted] for column in range(5))
        answers: list[list[Claim]] = [[] for _ in questions]
        for row in await self._all(GROUPS["claims"], *columns):
            answers[row["asker"]].append(rows.claim(row))
        for question, claims in zip(questions, answers, strict=True):
            self._resume(question, tuple(claims))

    async def _write(self, writers: Sequence[Question]) -> tuple[Announcement, ...]:
        members = [question.member for question in writers]
        if not members:
            return ()
        written = [change for member in members for change in member.written]
        versions = await write_all(self._connection, written) if written else {}
        await record_all(
            self._connection,
            [(question.about[0], question.about[1]) for question in writers],
            self._limits.ledger_ttl_s,
        )
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

    def _fail(self, seats: Iterable[tuple["asyncio.Future[Member]", Deadline]], error: BaseException) -> None:
        """What everybody hears who still waits. An unreachable database is the same for all, but what else went wrong
        may be one member's doing.
        """
        if isinstance(error, TimeoutError | asyncio.CancelledError):
            # A statement may still be running on it.
            self._connection.terminate()
        away = isinstance(error, ServiceError) and error.reason is Reason.STORE_UNAVAILABLE
        heard: Exception = cast("ServiceError", error) if away else GroupFailedError(str(error))
        self._failure = heard
        for future in (*(seat for seat, _ in seats), *(member.answer for member in self._members)):
            if future is not None and not future.done():
                future.set_exception(heard)


class Member(SqlReader):
    """The `Unit` of one member. What it writes is kept until the whole group is written."""

    def __init__(self, group: Group) -> None:
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


def _recalled(
    row: Any, request: RecordedRequest, answer_type: type[AnswerT]
) -> AnswerT | Refusal | Exception | None:
    """What the ledger says of a request, or why the request can't go on."""
    if not row["claimed"]:
        return in_progress(request)
    if row["request_hash"] is None:
        return None
    if row["request_hash"] not in hashes_of(request):
        return reused(request, decode(row["field_digests"], dict[str, str]))
    return answer_of(row, answer_type)


def _key(row: Any) -> tuple[UUID, UUID]:
    return row["tenant_id"], row["restaurant_id"]


def _pairs(questions: Sequence[Question]) -> tuple[list[UUID], list[UUID]]:
    """Restaurants and what is asked for in them, each pair once."""
    pairs = {question.about for question in questions}
    return [restaurant_id for restaurant_id, _ in pairs], [wanted for _, wanted in pairs]
