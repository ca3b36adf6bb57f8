"""How callers ask: what they do about answers that are lost, and what is written down."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, cycle
from random import Random
from time import monotonic_ns
from typing import Any, Final
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from loadgen.checking.answers import answer_of
from loadgen.checking.history import HistoryWriter, Recorded, digest_of
from loadgen.driving import Line, Outcome, Reply, Tally, retry_after_s
from loadgen.scenario import Answers
from maitred_client.channel import SERVICES
from maitred_client.messages import AutoAssignResponse

AUTO_ASSIGN: Final = "AutoAssign"
OVERLOADED: Final = "SERVER_OVERLOADED"
ATTEMPTS_MAX: Final = 20
PAUSE_S_FIRST, PAUSE_S_MAX = 0.05, 1.0
PAUSE_WHEN_OVERLOADED_S: Final = 0.1

METHODS: Final = {method.name: method for service in SERVICES for method in service.methods}
PATHS: Final = {name: f"/{method.containing_service.full_name}/{name}" for name, method in METHODS.items()}
RESPONSES: Final = {name: GetMessageClass(method.output_type) for name, method in METHODS.items()}


@dataclass(frozen=True, slots=True)
class Manners:
    """How callers behave.

    The patient ones repeat a change until they know what became of it, and wait as long as an overloaded server asks.
    The others are the callers of an open loop: what they lose they repeat only when the scenario lost it for them.
    """

    answers: Answers
    patient: bool
    timeout_s: float


@dataclass(slots=True)
class Found:
    """What the callers of one process have found out so far. `unequal` answers to the same request are a defect."""

    tally: Tally
    operations: int = 0
    repeats: int = 0
    unequal: int = 0

    def merge(self, other: "Found") -> None:
        self.tally.merge(other.tally)
        self.operations += other.operations
        self.repeats += other.repeats
        self.unequal += other.unequal


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, whose every attempt has the same bytes."""

    method: str
    body: bytes
    about: Recorded
    request_id: str = ""

    def record(self, attempt: int) -> Recorded:
        return replace(
            self.about,
            method=self.method,
            request_id=self.request_id,
            request_digest=digest_of(self.body),
            attempt=attempt,
        )


class Caller:
    """Sends the calls of one client process over its lines, in turn. `in_flight` are those without an answer yet."""

    def __init__(
        self,
        lines: Sequence[Line],
        manners: Manners,
        chance: Random,
        writer: HistoryWriter | None,
        stopping: asyncio.Event,
    ) -> None:
        self.found = Found(Tally())
        self.in_flight = 0
        self._lines = cycle(lines)
        self._manners = manners
        self._chance = chance
        self._writer = writer
        self._stopping = stopping

    async def ask(self, method: str, request: Message, about: Recorded, intended_ns: int | None) -> Reply:
        """A question, sent once. `about` says for the history what it is about.

        The latency counts from `intended_ns`, or from now when there is none.
        """
        call = _Call(method, request.SerializeToString(), about)
        return await self._send(call, 1, intended_ns or monotonic_ns(), self._manners.timeout_s)

    async def change(self, method: str, request: Any, about: Recorded, intended_ns: int | None) -> Reply:
        """A change under a request_id of its own, sent again as the scenario and the manners say; its last answer."""
        request.request_id = str(UUID(int=self._chance.getrandbits(128), version=4))
        call = _Call(method, request.SerializeToString(), about, request.request_id)
        answers, timeout_s = self._manners.answers, self._manners.timeout_s
        cut, dropped = self._chance.random() < answers.cut, self._chance.random() < answers.dropped
        first_s = answers.cut_ms / 1000 if cut else timeout_s
        reply = await self._send(call, 1, intended_ns or monotonic_ns(), first_s)
        told = _said_to_be_done(method, reply)
        for attempt in count(2):
            wait_s = self._wait_s(reply, attempt, lost=attempt == 2 and (cut or dropped))
            if wait_s is None or await self._stopped_within(wait_s):
                break
            self.found.repeats += 1
            reply = await self._send(call, attempt, monotonic_ns(), timeout_s)
            self.found.unequal += _contradicts(told, method, reply)
            told = told or _said_to_be_done(method, reply)
        return reply

    def _wait_s(self, reply: Reply, attempt: int, *, lost: bool) -> float | None:
        """How long to wait before the same call is sent again; None when it is not."""
        if self._stopping.is_set() or attempt > ATTEMPTS_MAX:
            return None
        if lost:
            return 0.0
        if not self._manners.patient:
            return None
        if reply.reason == OVERLOADED:
            return retry_after_s(reply) or PAUSE_WHEN_OVERLOADED_S
        if reply.outcome is Outcome.UNKNOWN:
            return min(PAUSE_S_FIRST * 2.0 ** (attempt - 2), PAUSE_S_MAX)
        return None

    async def _stopped_within(self, wait_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _send(self, call: _Call, attempt: int, intended_ns: int, timeout_s: float) -> Reply:
        line, writer = next(self._lines), self._writer
        recorded = None if writer is None else writer.invoked(call.record(attempt))
        self.in_flight += 1
        try:
            reply = await line.send(PATHS[call.method], call.body, timeout_s)
        finally:
            self.in_flight -= 1
        self.found.tally.note(call.method, reply, intended_ns)
        if writer is not None and recorded is not None:
            _write_down(writer, recorded, reply)
        return reply


def _said_to_be_done(method: str, reply: Reply) -> bytes | None:
    """What every repeat of a change has to be told as well; None when it was not done, or nobody knows.

    AutoAssign also answers how the call went for its caller; what lasts of its answer is the assignment.
    """
    if reply.outcome is not Outcome.OK:
        return None
    if method != AUTO_ASSIGN:
        return reply.body
    return AutoAssignResponse.FromString(reply.body).assignment.assignment_id.encode() or None


def _contradicts(told: bytes | None, method: str, repeated: Reply) -> bool:
    """Whether a change that was done got another answer when it was repeated."""
    if told is None or repeated.outcome is Outcome.UNKNOWN or repeated.reason == OVERLOADED:
        return False
    return _said_to_be_done(method, repeated) != told


def _write_down(writer: HistoryWriter, call: Recorded, reply: Reply) -> None:
    done = reply.outcome is Outcome.OK
    # Nothing was done or recorded, and a repeat may do it.
    ran_out = done and call.method == AUTO_ASSIGN and _said_to_be_done(call.method, reply) is None
    writer.returned(
        call,
        "unknown" if ran_out else reply.outcome.value,
        reason="TIMEOUT_BEFORE_CONFIRM" if ran_out else "" if done else reply.reason or reply.status,
        answer=answer_of(RESPONSES[call.method].FromString(reply.body)) if done else None,
        answer_digest=digest_of(reply.body if done else reply.details),
        returned_ns=reply.ended_ns,
    )
