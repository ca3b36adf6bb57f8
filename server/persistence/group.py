"""A transaction with several members. What they ask at the same moment is asked in one statement.

Every member's work runs in the task of its own caller. When all of them wait, the group answers what they have asked, a
statement for each kind of question, and lets them go on; whoever has written all that it wants waits for the commit.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from server.clock import Deadline
from server.domain.announcement import Announcement
from server.domain.booking import Booking
from server.domain.claims import Claim, Hold, HoldState
from server.domain.restaurant import Restaurant
from server.domain.window import Window
from server.errors import Reason, Refusal, ServiceError
from server.orchestrator.changes import Changes
from server.orchestrator.ports import Footprint, RecordedRequest, Standing
from server.persistence import rows
from server.persistence.documents import decode
from server.persistence.failures import ContentionError, translating
from server.persistence.pool import Connection
from server.persistence.queries import load_queries
from server.persistence.reader import SqlReader, answer_of, request_lock
from server.persistence.unit import hashes_of, in_progress, reused
from server.persistence.writing import Answers, Written, record_all, write_all

AnswerT = TypeVar("AnswerT")

GROUPS = load_queries("groups")
RESTAURANTS = load_queries("restaurants")
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

    OPEN = auto()
    LOOK = auto()
    HOLD = auto()
    COMMIT = auto()


@dataclass(frozen=True, slots=True)
class Opened:
    """`recalled` is what the ledger says of the request, `standing` the restaurant if there is one. A restaurant that
    somebody else has locked is `busy`.
    """

    recalled: Any
    standing: Standing | None
    busy: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is of what a member is about. `live_holds` counts those of the booking; `claims` are on its tables in
    its window.
    """

    booking: Booking | None
    hold: Hold | None
    live_holds: int
    claims: tuple[Claim, ...]


class Question(NamedTuple):
    kind: Kind
    about: Any
    member: "Member"
    answer: "asyncio.Future[Any]"


@dataclass(slots=True)
class Seat:
    """Waits for a group to start; then `taken` is a member."""

    footprint: Footprint
    deadline: Deadline
    taken: "asyncio.Future[Member]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


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
            Kind.OPEN: self._open_requests,
            Kind.LOOK: self._look,
            Kind.HOLD: self._holds,
        }

    async def run(
        self,
        seats: Sequence[Seat],
        announce: Callable[[Announcement], None],
    ) -> bool:
        """Seats the members and returns when all of it is committed or gone; whether the connection can be used on.

        Never raises what is a member's to hear.
        """
        remaining_s = max(seat.deadline.remaining_s() for seat in seats)
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

    def _seat(self, seats: Iterable[Seat]) -> None:
        for seat in seats:
            if not seat.taken.done():
                self._running += 1
                member = Member(self, seat.footprint)
                self._members.append(member)
                seat.taken.set_result(member)

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

    async def _open_requests(self, questions: Sequence[Question]) -> None:
        requests: list[RecordedRequest] = [question.about[0] for question in questions]
        restaurants = [question.member.footprint.restaurant_id for question in questions]
        found = await self._all(
            GROUPS["open_requests"],
            *self._timeouts_ms,
            [request_lock(each.tenant_id, each.method, each.request_id) for each in requests],
            [each.tenant_id for each in requests],
            [each.method for each in requests],
            [each.request_id for each in requests],
            restaurants,
        )
        standings = {
            _key(row): Standing(rows.restaurant(row), row["now"]) for row in found if row["restaurant_id"]
        }
        wanted = {
            (each.tenant_id, restaurant_id) for each, restaurant_id in zip(requests, restaurants, strict=True)
        }
        busy = (
            await self._busy(wanted - standings.keys(), standings) if len(standings) < len(wanted) else set()
        )
        for question, row in zip(questions, found, strict=True):
            key = (question.about[0].tenant_id, question.member.footprint.restaurant_id)
            answer = Opened(_recalled(row, *question.about), standings.get(key), key in busy)
            self._resume(question, answer)

    async def _busy(
        self, missing: set[tuple[UUID, UUID]], standings: dict[tuple[UUID, UUID], Standing]
    ) -> set[tuple[UUID, UUID]]:
        """Which of these somebody else has locked. If no member is of another restaurant, the lock is waited for."""
        if self._mixed:
            tenants, restaurants = zip(*missing, strict=True)
            there = await self._all(GROUPS["restaurants_there"], list(tenants), list(restaurants))
            return missing & {_key(row) for row in there}
        for key in missing:
            row = await self.fetchrow(RESTAURANTS["lock_restaurant"], *key)
            if row is not None:
                standings[key] = Standing(rows.restaurant(row), row["now"])
        return set()

    async def _look(self, questions: Sequence[Question]) -> None:
        about = [question.member.footprint for question in questions]
        found = await self._all(
            GROUPS["look"],
            [each.restaurant_id for each in about],
            [each.booking_id for each in about],
            [each.hold_id for each in about],
            [f"{{{','.join(str(table_id) for table_id in set(each.table_ids))}}}" for each in about],
        )
        by_position: dict[int, list[Any]] = {}
        for row in found:
            by_position.setdefault(row["position"], []).append(row)
        for position, question in enumerate(questions, start=1):
            self._resume(question, _looked(by_position[position]))

    async def _holds(self, questions: Sequence[Question]) -> None:
        pairs = {question.about for question in questions}
        found = await self._all(
            GROUPS["holds"], [each for each, _ in pairs], [hold_id for _, hold_id in pairs]
        )
        read = {(row["restaurant_id"], row["hold_id"]): row for row in found}
        for question in questions:
            row = read.get(question.about)
            self._resume(question, None if row is None else rows.hold(row))

    async def _write(self, writers: Sequence[Question]) -> tuple[Announcement, ...]:
        members = [question.member for question in writers]
        if not members:
            return ()
        written = [change for member in members for change in member.written]
        answers = Answers([question.about for question in writers], self._limits.ledger_ttl_s)
        versions = await write_all(self._connection, written, answers) if written else {}
        if not written:
            await record_all(self._connection, answers)
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
        """What everybody hears who still waits. An unreachable database is the same for all, but what else went wrong
        may be one member's doing.
        """
        if isinstance(error, TimeoutError | asyncio.CancelledError):
            # A statement may still be running on it.
            self._connection.terminate()
        away = isinstance(error, ServiceError) and error.reason is Reason.STORE_UNAVAILABLE
        heard: Exception = cast("ServiceError", error) if away else GroupFailedError(str(error))
        self._failure = heard
        for future in (*(seat.taken for seat in seats), *(member.answer for member in self._members)):
            if future is not None and not future.done():
                future.set_exception(heard)


class Member(SqlReader):
    """The `Unit` of one member. What it writes is kept until the whole group is written."""

    def __init__(self, group: Group, footprint: Footprint) -> None:
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

    async def group_over(self) -> None:
        """Returns when the group's transaction has ended."""
        await self._group.over.wait()

    async def recall(self, request: RecordedRequest, answer_type: type[AnswerT]) -> AnswerT | Refusal | None:
        self._request = request
        self._opened = cast("Opened", await self._group.ask(self, Kind.OPEN, (request, answer_type)))
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
        if booking_id != self.footprint.booking_id:
            return await super().booking(restaurant_id, booking_id)
        return (await self._look()).booking

    async def hold(self, restaurant_id: UUID, hold_id: UUID) -> Hold | None:
        if hold_id == self.footprint.hold_id:
            return (await self._look()).hold
        return cast("Hold | None", await self._group.ask(self, Kind.HOLD, (restaurant_id, hold_id)))

    async def live_holds_of(self, restaurant_id: UUID, booking_id: UUID) -> tuple[Hold, ...]:
        looked = self._looked
        if looked and looked.booking and looked.booking.booking_id == booking_id:
            known = (looked.hold,) if looked.hold and _is_live_one(looked.hold, booking_id) else ()
            if looked.live_holds == len(known):
                return known
        return await super().live_holds_of(restaurant_id, booking_id)

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

    async def _look(self) -> Looked:
        if self._looked is None:
            self._looked = cast("Looked", await self._group.ask(self, Kind.LOOK, None))
        return self._looked

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


def _looked(found: Sequence[Any]) -> Looked:
    first = found[0]
    return Looked(
        rows.booking(first) if first["booking_id"] else None,
        rows.hold(rows.Prefixed(first, "hold_")) if first["hold_hold_id"] else None,
        first["live_holds"],
        tuple(rows.claim(rows.Prefixed(row, "claim_")) for row in found if row["claim_table_id"]),
    )


def _is_live_one(hold: Hold, booking_id: UUID) -> bool:
    return hold.booking_id == booking_id and hold.state is HoldState.ACTIVE
