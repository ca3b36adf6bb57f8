"""What a refusal carries beside its code and message, decoded from google.rpc.Status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from maitred.v1 import checks_pb2, errors_pb2, reasons_pb2
from maitred_client.values import enum_word, instant

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of the request. `field` is its path, for example `floor.tables[3].capacity`."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """One limit that was reached: whose, and what to know about it."""

    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One claim in the way, on [window_start, window_end) in UTC.

    `blocker_kind` is HOLD, ASSIGNMENT or BLOCK. `free_from` is when this claim stops being in the way.
    """

    table_id: str
    blocker_kind: str
    window_start: datetime
    window_end: datetime
    free_from: datetime


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """One rule that the table set breaks. `reason` is a word of ErrorReason without its prefix."""

    reason: str
    message: str
    table_ids: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """Everything a refusal carries. Parts that it does not have are empty; `retry_after_s` is None then."""

    domain: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    quota_violations: tuple[QuotaViolation, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    conflicts_truncated: bool = False
    failed_checks: tuple[FailedCheck, ...] = ()
    retry_after_s: float | None = None


def decode_details(status: status_pb2.Status) -> ErrorDetails:
    """The details of a status. Kinds that this client does not know are passed over.

    Raises google.protobuf.message.DecodeError when a kind that it knows is garbage.
    """
    info = _find(status, error_details_pb2.ErrorInfo) or error_details_pb2.ErrorInfo()
    request = _find(status, error_details_pb2.BadRequest) or error_details_pb2.BadRequest()
    quota = _find(status, error_details_pb2.QuotaFailure) or error_details_pb2.QuotaFailure()
    conflicts = _find(status, errors_pb2.ConflictDetail) or errors_pb2.ConflictDetail()
    checks = _find(status, errors_pb2.FailedChecks) or errors_pb2.FailedChecks()
    retry = _find(status, error_details_pb2.RetryInfo)
    return ErrorDetails(
        domain=info.domain,
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=tuple(FieldViolation(bad.field, bad.description) for bad in request.field_violations),
        quota_violations=tuple(QuotaViolation(bad.subject, bad.description) for bad in quota.violations),
        conflicts=tuple(_conflict(conflict) for conflict in conflicts.conflicts),
        conflicts_truncated=conflicts.truncated,
        failed_checks=tuple(_failed_check(check) for check in checks.checks),
        retry_after_s=None if retry is None else retry.retry_delay.ToTimedelta().total_seconds(),
    )


def _find(status: status_pb2.Status, kind: type[Detail]) -> Detail | None:
    for packed in status.details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


def _conflict(conflict: errors_pb2.Conflict) -> Conflict:
    return Conflict(
        table_id=conflict.table_id,
        blocker_kind=enum_word(reasons_pb2.ClaimKind, conflict.blocker_kind),
        window_start=instant(conflict.window_start),
        window_end=instant(conflict.window_end),
        free_from=instant(conflict.free_from),
    )


def _failed_check(check: checks_pb2.Check) -> FailedCheck:
    return FailedCheck(
        reason=enum_word(reasons_pb2.ErrorReason, check.reason),
        message=check.message,
        table_ids=tuple(check.table_ids),
        metadata=dict(check.metadata),
    )
