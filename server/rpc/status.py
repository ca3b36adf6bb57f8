"""From a refusal to what a gRPC caller receives: a status code, a sentence, and packed details.

Trailers over about 8 KB turn into RESOURCE_EXHAUSTED at the client, so everything that travels in them is cut to
fit, and in the same way every time: the same refusal always gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from maitred.v1 import errors_pb2
from server.domain.limits import CHECKS_LISTED_MAX, CONFLICTS_LISTED_MAX, VIOLATIONS_LISTED_MAX
from server.errors import PRECEDENCE, Conflict, Reason, Refusal
from server.rpc.messages.checks import conflict_message, put_check
from server.rpc.messages.text import shortened

DOMAIN = "maitred"
TYPE_PREFIX = "type.googleapis.com/"

# The details travel in base64, which adds a third, and the sentence beside them percent-encoded. What is left of 8 KiB
# is for other headers, those of a proxy included.
STATUS_BYTES_MAX = 4_800
MESSAGE_BYTES_MAX = 1_200

_C = grpc.StatusCode
_R = Reason

CODES: Mapping[Reason, grpc.StatusCode] = {
    _R.INVALID_ARGUMENT_FIELD: _C.INVALID_ARGUMENT,
    _R.INVALID_WINDOW: _C.INVALID_ARGUMENT,
    _R.INVALID_PARTY_SIZE: _C.INVALID_ARGUMENT,
    _R.REQUEST_ID_MISSING: _C.INVALID_ARGUMENT,
    _R.REQUEST_ID_REUSED: _C.FAILED_PRECONDITION,
    _R.REQUEST_IN_PROGRESS: _C.UNAVAILABLE,
    _R.UNAUTHENTICATED: _C.UNAUTHENTICATED,
    _R.PERMISSION_MISSING: _C.PERMISSION_DENIED,
    _R.OVERRIDE_NOT_PERMITTED: _C.PERMISSION_DENIED,
    _R.RESTAURANT_NOT_FOUND: _C.NOT_FOUND,
    _R.BOOKING_NOT_FOUND: _C.NOT_FOUND,
    _R.TABLE_NOT_FOUND: _C.NOT_FOUND,
    _R.HOLD_NOT_FOUND: _C.NOT_FOUND,
    _R.ASSIGNMENT_NOT_FOUND: _C.NOT_FOUND,
    _R.BLOCK_NOT_FOUND: _C.NOT_FOUND,
    _R.VERSION_MISMATCH: _C.ABORTED,
    _R.WATCH_TOKEN_INVALID: _C.INVALID_ARGUMENT,
    _R.WATCH_TOKEN_COMPACTED: _C.OUT_OF_RANGE,
    _R.INVALID_STATE_TRANSITION: _C.FAILED_PRECONDITION,
    _R.BOOKING_ALREADY_ASSIGNED: _C.ALREADY_EXISTS,
    _R.HOLD_ALREADY_CONFIRMED: _C.ALREADY_EXISTS,
    _R.HOLD_EXPIRED: _C.FAILED_PRECONDITION,
    _R.HOLD_ALREADY_RELEASED: _C.FAILED_PRECONDITION,
    _R.HOLD_MISMATCH: _C.FAILED_PRECONDITION,
    _R.HOLD_TTL_OUT_OF_RANGE: _C.OUT_OF_RANGE,
    _R.HOLD_EXTENSION_LIMIT: _C.FAILED_PRECONDITION,
    _R.OUTSIDE_SERVICE_HOURS: _C.FAILED_PRECONDITION,
    _R.SERVICE_OVERRUN: _C.FAILED_PRECONDITION,
    _R.WINDOW_IN_PAST: _C.FAILED_PRECONDITION,
    _R.CUTOFF_PASSED: _C.FAILED_PRECONDITION,
    _R.POLICY_DRIFT: _C.ABORTED,
    _R.STALE_CONTEXT: _C.ABORTED,
    _R.TABLE_OUT_OF_SERVICE: _C.FAILED_PRECONDITION,
    _R.ZONE_NOT_REQUESTED: _C.FAILED_PRECONDITION,
    _R.REQUIRED_ATTRIBUTE_UNMET: _C.FAILED_PRECONDITION,
    _R.COMBINATION_DISABLED: _C.FAILED_PRECONDITION,
    _R.COMBINATION_TOO_LARGE: _C.FAILED_PRECONDITION,
    _R.COMBINATION_CROSSES_ZONES: _C.FAILED_PRECONDITION,
    _R.COMBINATION_TABLE_NOT_MOVABLE: _C.FAILED_PRECONDITION,
    _R.COMBINATION_NOT_ADJACENT: _C.FAILED_PRECONDITION,
    _R.CAPACITY_INSUFFICIENT: _C.FAILED_PRECONDITION,
    _R.CAPACITY_BELOW_MIN_PARTY: _C.FAILED_PRECONDITION,
    _R.SLACK_BUDGET_EXCEEDED: _C.FAILED_PRECONDITION,
    _R.TABLE_BLOCKED: _C.FAILED_PRECONDITION,
    _R.TABLE_CONFLICT_ASSIGNED: _C.ABORTED,
    _R.TABLE_CONFLICT_HELD: _C.ABORTED,
    _R.NO_FEASIBLE_PLAN: _C.FAILED_PRECONDITION,
    _R.SERVER_OVERLOADED: _C.RESOURCE_EXHAUSTED,
    _R.STORE_CONTENTION: _C.UNAVAILABLE,
    _R.STORE_UNAVAILABLE: _C.UNAVAILABLE,
    _R.DRAINING: _C.UNAVAILABLE,
    _R.DEADLINE_EXCEEDED: _C.DEADLINE_EXCEEDED,
    _R.INVARIANT_BROKEN: _C.INTERNAL,
}
"""The status of each reason. Reasons that only occur inside plans and checks have none."""

RETRY_AFTER_S: Mapping[Reason, float] = {
    _R.REQUEST_IN_PROGRESS: 0.1,
    _R.SERVER_OVERLOADED: 0.25,
    _R.STORE_CONTENTION: 0.05,
    _R.STORE_UNAVAILABLE: 0.5,
    _R.DRAINING: 0.1,
}
"""How long to wait before repeating the call, where the refusal does not say it itself. These are exactly the reasons
whose answer carries RetryInfo."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much of each list and of each text fits into the trailers."""

    conflicts: int
    checks: int
    violations: int
    text: int


# Tried in this order until the status fits. Conflicts give way first: they say so themselves by `truncated`. Of checks
# all are listed, with ever shorter texts.
ROOMS = (
    Room(CONFLICTS_LISTED_MAX, CHECKS_LISTED_MAX, VIOLATIONS_LISTED_MAX, 1_000),
    Room(16, CHECKS_LISTED_MAX, VIOLATIONS_LISTED_MAX, 1_000),
    Room(8, CHECKS_LISTED_MAX, 16, 400),
    Room(4, CHECKS_LISTED_MAX, 8, 200),
    Room(2, CHECKS_LISTED_MAX, 4, 120),
    Room(1, CHECKS_LISTED_MAX, 2, 80),
    Room(1, CHECKS_LISTED_MAX, 1, 40),
    Room(0, 0, 1, 60),
)


STATUS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal as it is sent."""

    refusal: Refusal
    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


def answer_of(refusal: Refusal) -> Answer:
    """A refusal with its status, its details, and for those who are asked to come again when that may be."""
    trailers: list[tuple[str, str | bytes]] = [(STATUS_KEY, status_bytes(refusal))]
    if refusal.reason is Reason.SERVER_OVERLOADED:
        trailers.append((PUSHBACK_KEY, str(round((retry_after_s(refusal) or 0.0) * 1_000))))
    return Answer(refusal, code_of(refusal.reason), message_of(refusal), tuple(trailers))


def code_of(reason: Reason) -> grpc.StatusCode:
    """The status code. A reason that is never the status of a call is a broken invariant.

    One that this version does not know comes from a newer one, which recorded it: such a refusal is final as it stands.
    """
    known = reason in PRECEDENCE
    return CODES.get(reason, _C.INTERNAL if known else _C.FAILED_PRECONDITION)


def message_of(refusal: Refusal) -> str:
    """The sentence for people, cut so that it fits into a trailer however it has to be encoded there."""
    message = refusal.message
    while _encoded_bytes(message) > MESSAGE_BYTES_MAX:
        message = message[: len(message) * 3 // 4].rstrip() + "…"
    return message


def retry_after_s(refusal: Refusal) -> float | None:
    """Seconds to wait before repeating the call, for reasons whose remedy is to wait and repeat."""
    if refusal.retry_after_s is not None:
        return refusal.retry_after_s
    return RETRY_AFTER_S.get(refusal.reason)


def status_bytes(refusal: Refusal) -> bytes:
    """A serialized google.rpc.Status of at most STATUS_BYTES_MAX bytes."""
    for room in ROOMS:
        packed = _status(refusal, room).SerializeToString(deterministic=True)
        if len(packed) <= STATUS_BYTES_MAX:
            return packed
    bare = Refusal(refusal.reason, refusal.message[: ROOMS[-1].text])
    return _status(bare, ROOMS[-1]).SerializeToString(deterministic=True)


def _status(refusal: Refusal, room: Room) -> status_pb2.Status:
    status = status_pb2.Status(
        code=code_of(refusal.reason).value[0], message=shortened(message_of(refusal), room.text)
    )
    for detail in _details(refusal, room):
        packed = status.details.add()
        packed.type_url = TYPE_PREFIX + detail.DESCRIPTOR.full_name
        packed.value = detail.SerializeToString(deterministic=True)
    return status


def _details(refusal: Refusal, room: Room) -> Iterator[Message]:
    metadata = {key: shortened(value, room.text) for key, value in refusal.metadata.items()}
    yield error_details_pb2.ErrorInfo(reason=refusal.reason.value, domain=DOMAIN, metadata=metadata)
    if refusal.violations:
        yield _bad_request(refusal, room)
    wait_s = retry_after_s(refusal)
    if wait_s is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(timedelta(seconds=wait_s))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if refusal.reason is Reason.SERVER_OVERLOADED:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject="server", description=shortened(refusal.message, room.text)
        )
        yield error_details_pb2.QuotaFailure(violations=[violation])
    if refusal.conflicts:
        yield _conflict_detail(refusal.conflicts, room)
    if refusal.checks and room.checks:
        failed = errors_pb2.FailedChecks()
        for check in refusal.checks[: room.checks]:
            put_check(failed.checks.add(), check, room.text)
        yield failed


def _bad_request(refusal: Refusal, room: Room) -> error_details_pb2.BadRequest:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field=shortened(violation.field, room.text),
            description=shortened(violation.description, room.text),
            reason=refusal.reason.value,
        )
        for violation in refusal.violations[: room.violations]
    ]
    return error_details_pb2.BadRequest(field_violations=violations)


def _conflict_detail(conflicts: tuple[Conflict, ...], room: Room) -> errors_pb2.ConflictDetail:
    return errors_pb2.ConflictDetail(
        conflicts=map(conflict_message, conflicts[: room.conflicts]),
        truncated=len(conflicts) > room.conflicts,
    )


def _encoded_bytes(text: str) -> int:
    """How long the text is percent-encoded, as gRPC sends it: three characters for each byte that is not printable
    ASCII."""
    return sum(1 if 0x20 <= byte < 0x7F and byte != 0x25 else 3 for byte in text.encode())
