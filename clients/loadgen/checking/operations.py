"""Calls that carry one request_id are one operation: it has one effect at most, at one moment.

An operation takes effect, or is refused, between the first time it was sent and the first definite answer to it.
Without a definite answer it may have taken effect at any time after it was sent, or never.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from loadgen.checking.history import Outcome, Recorded
from loadgen.checking.report import Violation

NEVER_NS: Final = 1 << 63

# Said before the request was looked at: the call did nothing, whatever comes of the operation.
NOTHING_DONE: Final = frozenset(
    {
        "INVALID_ARGUMENT_FIELD",
        "INVALID_WINDOW",
        "INVALID_PARTY_SIZE",
        "REQUEST_ID_MISSING",
        "REQUEST_ID_REUSED",
        "REQUEST_IN_PROGRESS",
        "UNAUTHENTICATED",
        "PERMISSION_MISSING",
        "HOLD_TTL_OUT_OF_RANGE",
        "SERVER_OVERLOADED",
        "DRAINING",
    }
)
# They don't say whether the call did what it asked for. The second row are gRPC's own words.
IN_DOUBT: Final = frozenset(
    {"STORE_CONTENTION", "STORE_UNAVAILABLE", "DEADLINE_EXCEEDED", "INVARIANT_BROKEN"}
    | {
        "CANCELLED",
        "UNKNOWN",
        "UNAVAILABLE",
        "INTERNAL",
        "ABORTED",
        "DATA_LOSS",
        "RESOURCE_EXHAUSTED",
        "UNIMPLEMENTED",
    }
)
# Its answer says how the call went for its caller, so that a repeat may be told something else about the same effect.
_ANSWERS_DIFFER: Final = "AutoAssign"


@dataclass(frozen=True, slots=True)
class Span:
    """When something happened: not before `earliest_ns` and not after `latest_ns`, which is NEVER_NS if it need not."""

    earliest_ns: int
    latest_ns: int


@dataclass(frozen=True)
class Operation:
    """The calls with one request_id and one payload, and what came of them."""

    calls: tuple[Recorded, ...]

    @cached_property
    def asked(self) -> Recorded:
        return self.calls[0]

    @cached_property
    def told(self) -> Recorded | None:
        """The call that was the first to get a definite answer."""
        answered = [call for call in self.calls if is_definite(call)]
        return min(answered, key=_returned_ns) if answered else None

    @cached_property
    def outcome(self) -> Outcome:
        return self.told.outcome if self.told else "unknown"

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"

    @cached_property
    def reason(self) -> str:
        return self.told.reason if self.told else ""

    @cached_property
    def span(self) -> Span:
        latest_ns = _returned_ns(self.told) if self.told else NEVER_NS
        return Span(min(call.invoked_ns for call in self.calls), latest_ns)

    @property
    def method(self) -> str:
        return self.asked.method

    def part(self, member: str) -> dict[str, Any]:
        """What the answer says about the hold, assignment, booking or block; empty when it says nothing."""
        return dict(self.told.answer.get(member) or {}) if self.told else {}

    @property
    def superseded(self) -> Sequence[str]:
        """The ids of holds that gave way to it, as the answer says."""
        return self.told.answer.get("superseded_hold_ids", ()) if self.told else ()

    @cached_property
    def shown(self) -> tuple[Recorded, ...]:
        """The calls that show it to people: the first, and the one that was told."""
        return (self.asked,) if self.told in (None, self.asked) else (self.asked, self.told)


def is_definite(call: Recorded) -> bool:
    """Whether the answer settles what came of the request."""
    if call.outcome == "refused":
        return call.reason not in NOTHING_DONE and call.reason not in IN_DOUBT
    return call.outcome == "ok"


def operations_of(calls: Iterable[Recorded]) -> tuple[list[Operation], list[Violation]]:
    """All operations that may have done something or were refused, by when they were first sent; and what is wrong
    with repeats: two answers to one request, two payloads under one request_id, a reuse that was none.
    """
    requests: dict[tuple[str, str], list[Recorded]] = defaultdict(list)
    operations: list[Operation] = []
    for call in calls:
        if call.request_id:
            requests[call.method, call.request_id].append(call)
        elif not _did_nothing(call):
            operations.append(Operation((call,)))
    violations: list[Violation] = []
    for repeats in requests.values():
        violations += _wrong_repeats(repeats)
        operations += _by_payload(repeats)
    return sorted(operations, key=lambda operation: operation.span.earliest_ns), violations


def broken_invariants(calls: Iterable[Recorded]) -> Iterator[Violation]:
    """The service's own word that something is wrong with it."""
    for call in calls:
        if call.reason == "INVARIANT_BROKEN":
            yield Violation(
                "invariant_broken", "The service says that one of its invariants is broken.", (call,)
            )


def _by_payload(repeats: Sequence[Recorded]) -> Iterator[Operation]:
    for calls in _payloads(repeats).values():
        doing = tuple(call for call in calls if not _did_nothing(call))
        if doing:
            yield Operation(doing)


def _payloads(repeats: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    payloads: dict[str, list[Recorded]] = defaultdict(list)
    for call in repeats:
        payloads[
            call.request_digest or repr((call.booking_id, call.hold_id, call.table_ids, call.ttl_s))
        ].append(call)
    return payloads


def _wrong_repeats(repeats: Sequence[Recorded]) -> Iterator[Violation]:
    payloads = _payloads(repeats)
    settled = [tuple(call for call in calls if is_definite(call)) for calls in payloads.values()]
    for answered in settled:
        answers = {_answer(call): call for call in answered}
        if len(answers) > 1:
            yield Violation(
                "one_request_two_answers",
                f"The same {repeats[0].method} request was answered in {len(answers)} different ways.",
                tuple(answers.values()),
            )
    both = [answered[0] for answered in settled if answered]
    if len(both) > 1:
        yield Violation(
            "request_id_reused",
            "Two payloads under one request_id both got an answer of their own; the second has to be refused.",
            tuple(both),
        )
    for digest, calls in payloads.items():
        yield from _false_reuses(
            calls, [call for other, them in payloads.items() if other != digest for call in them]
        )


def _false_reuses(calls: Iterable[Recorded], others: Sequence[Recorded]) -> Iterator[Violation]:
    for call in calls:
        refused = call.outcome == "refused" and call.reason == "REQUEST_ID_REUSED"
        if refused and not any(other.invoked_ns <= _returned_ns(call) for other in others):
            yield Violation(
                "request_id_reused",
                "The call was refused because its request_id had come with another payload, but none had been sent.",
                (call,),
            )


def _answer(call: Recorded) -> tuple[str, ...]:
    if call.method == _ANSWERS_DIFFER:
        return (call.outcome, call.reason, str(call.answer.get("assignment", {}).get("assignment_id", "")))
    return (call.outcome, call.reason, call.answer_digest or repr(call.answer))


def _did_nothing(call: Recorded) -> bool:
    return call.outcome != "ok" and call.reason in NOTHING_DONE


def _returned_ns(call: Recorded) -> int:
    assert call.returned_ns is not None, "only a call without an answer has no return"
    return call.returned_ns
