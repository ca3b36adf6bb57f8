"""Every mutating call has one effect and one answer, however often it is sent."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

from server.clock import Deadline
from server.domain.restaurant import Caller
from server.errors import PASSING, Reason, Refusal, ServiceError
from server.orchestrator.ports import Footprint, Named, OwnUnit, RecordedRequest, Store, Unit
from server.orchestrator.telling import Pace, ToldRefusal

AnswerT = TypeVar("AnswerT")
UnitT = TypeVar("UnitT", bound=Unit)

DIGEST_BYTES = 8
# Metadata of a command's field whose name in the contract is another.
REQUEST_FIELD = "request_field"
# Metadata of a field that the command did not have from the start. With its default it is no part of the digests, so
# that a call which was answered before the field came is still known when it is repeated.
ADDED_LATER: Mapping[str, bool] = MappingProxyType({"added_later": True})

# Recording them would make a passing trouble permanent. A ttl out of range is like a field that is wrong by itself:
# mended, the call may go under the same request_id.
NOT_RECORDED = PASSING | {Reason.REQUEST_ID_REUSED, Reason.HOLD_TTL_OUT_OF_RANGE}


class Payload(Protocol):
    """A frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Command(Payload, Protocol):
    """A mutating request: a frozen dataclass whose fields are exactly the payload, and the request_id."""

    @property
    def request_id(self) -> UUID: ...

    @property
    def restaurant_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Once:
    """Runs the body of a mutating use case under the ledger."""

    store: Store
    pace: Pace = field(default_factory=Pace)

    async def run(
        self,
        caller: Caller,
        command: Command,
        answer_type: type[AnswerT],
        body: Callable[[OwnUnit], Awaitable[AnswerT]],
        deadline: Deadline,
    ) -> AnswerT:
        """The body's answer, or the recorded one.

        The answer is recorded by the transaction that makes it true. A refusal changed nothing, so it is recorded by
        a transaction of its own, which keeps nobody waiting on the restaurant's lock; one that the world is told of
        takes the lock once more, but not often.
        """
        request = recorded_request(caller, command)
        return await self.run_as(request, command.restaurant_id, answer_type, body, deadline)

    async def run_together(
        self,
        caller: Caller,
        command: Command,
        answer_type: type[AnswerT],
        body: Callable[[Unit], Awaitable[AnswerT]],
        deadline: Deadline,
        footprint: Footprint,
    ) -> AnswerT:
        """The same for a body that can share a transaction with others. Of bookings, holds and claims on named tables
        it reads what its footprint says.
        """
        request = recorded_request(caller, command)
        attempt = self._attempt(request, answer_type, body)
        whole = replace(footprint, request_id=command.request_id, tenant_id=caller.tenant_id)
        return await self._answer(
            request,
            answer_type,
            lambda: self.store.run_together(attempt, deadline, whole),
            deadline,
        )

    async def run_as(
        self,
        request: RecordedRequest,
        restaurant_id: UUID,
        answer_type: type[AnswerT],
        body: Callable[[OwnUnit], Awaitable[AnswerT]],
        deadline: Deadline,
        *,
        remembers_refusals: bool = True,
    ) -> AnswerT:
        """The same for a request that the ledger knows by another name or payload than its command's.

        Without `remembers_refusals` a refused request is decided anew when it is repeated.
        """
        attempt = self._attempt(request, answer_type, body)

        async def run() -> AnswerT | Refusal:
            return await self.store.run(attempt, deadline, Named(request.tenant_id, restaurant_id))

        if not remembers_refusals:
            return _accepted(await run())
        return await self._answer(request, answer_type, run, deadline)

    async def _answer(
        self,
        request: RecordedRequest,
        answer_type: type[AnswerT],
        run: Callable[[], Awaitable[AnswerT | Refusal]],
        deadline: Deadline,
    ) -> AnswerT:
        try:
            outcome = await run()
        except ServiceError as error:
            if error.reason in NOT_RECORDED:
                raise
            outcome = await self._record_refusal(request, answer_type, error, deadline)
        return _accepted(outcome)

    def _attempt(
        self,
        request: RecordedRequest,
        answer_type: type[AnswerT],
        body: Callable[[UnitT], Awaitable[AnswerT]],
    ) -> Callable[[UnitT], Awaitable[AnswerT | Refusal]]:
        async def attempt(unit: UnitT) -> AnswerT | Refusal:
            known = await unit.recall(request, answer_type)
            if known is not None:
                return known
            try:
                answer = await body(unit)
            except ServiceError as error:
                if not unit.shared or error.reason in NOT_RECORDED:
                    raise
                return await self._record_among_others(unit, request, error)
            await unit.record(request, answer)
            return answer

        return attempt

    async def _record_among_others(
        self, unit: Unit, request: RecordedRequest, error: ServiceError
    ) -> Refusal:
        """By the transaction that refused, which the others commit anyway; the world is told by it as well."""
        if isinstance(error, ToldRefusal):
            with self.pace.turn(error.topic) as due:
                if due:
                    await unit.write(error.restaurant_id, error.changes)
                await unit.record(request, error.refusal)
        else:
            await unit.record(request, error.refusal)
        return error.refusal

    async def _record_refusal(
        self,
        request: RecordedRequest,
        answer_type: type[AnswerT],
        error: ServiceError,
        deadline: Deadline,
    ) -> AnswerT | Refusal:
        if isinstance(error, ToldRefusal):
            with self.pace.turn(error.topic) as due:
                if due:
                    return await self._write_refusal(request, answer_type, error.refusal, error, deadline)
        return await self._write_refusal(request, answer_type, error.refusal, None, deadline)

    async def _write_refusal(
        self,
        request: RecordedRequest,
        answer_type: type[AnswerT],
        refusal: Refusal,
        told: ToldRefusal | None,
        deadline: Deadline,
    ) -> AnswerT | Refusal:
        """`told` is the same refusal where the world is told of it: only that waits for the restaurant's lock."""

        async def attempt(unit: OwnUnit) -> AnswerT | Refusal:
            known = await unit.recall(request, answer_type)
            if known is not None:
                return known
            await unit.record(request, refusal)
            if told is not None:
                await _tell(unit, request.tenant_id, told)
            return refusal

        named = Named(request.tenant_id, told.restaurant_id) if told else None
        return await self.store.run(attempt, deadline, named)


def _accepted(outcome: AnswerT | Refusal) -> AnswerT:
    if isinstance(outcome, Refusal):
        raise ServiceError(outcome)
    return outcome


async def _tell(unit: Unit, tenant_id: UUID, told: ToldRefusal) -> None:
    """Comes last, so that the lock is kept no longer than it takes to write and commit what is told."""
    if await unit.lock_restaurant(tenant_id, told.restaurant_id) is not None:
        await unit.write(told.restaurant_id, told.changes)


def recorded_request(caller: Caller, command: Command) -> RecordedRequest:
    """The ledger's view of a command."""
    return RecordedRequest(caller.tenant_id, method_of(command), command.request_id, payload_digests(command))


def method_of(command: Payload) -> str:
    """Commands are named after their RPC, which is the word that callers know the method by."""
    return type(command).__name__.removesuffix("Command")


def payload_digests(command: Payload) -> tuple[tuple[str, str], ...]:
    """A digest per payload field, so that a reuse can name what differs."""
    return tuple((name, known or _digest(value)) for name, value, known in _payload(command))


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=DIGEST_BYTES).hexdigest()


def _payload(command: Payload) -> Iterator[tuple[str, object, str]]:
    """The names and values that a request is known by, less what was added later and has its default; with the digest
    of a value that is the default.
    """
    for attribute, name, later, default, digest in _digested(type(command)):
        value = getattr(command, attribute)
        if value != default:
            yield name, value, ""
        elif not later:
            yield name, value, digest


@cache
def _digested(command_type: type[Payload]) -> tuple[tuple[str, str, bool, object, str], ...]:
    """Of each payload field: its name here and in the contract, whether it was added later, its default and that one's
    digest.
    """
    return tuple(
        (
            field.name,
            field.metadata.get(REQUEST_FIELD, field.name),
            ADDED_LATER.items() <= field.metadata.items(),
            field.default,
            _digest(field.default),
        )
        for field in fields(command_type)
        if field.name != "request_id"
    )
