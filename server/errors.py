"""What can go wrong, in the service's own words. Knows no transport.

Three kinds of failure are never mixed: a refusal that is part of an answer is a `Refusal` value; a failure that a
caller handles by its reason is a `ServiceError`, which carries one; a broken invariant is an `InvariantError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Reason(StrEnum):
    """Why the service said no. The names are the contract's; the order is the precedence between several.

    What a newer version has stored, while one replaces the other, may have names that this one does not know. They are
    kept as they are, so that they can be read, compared and stored again.
    """

    INVALID_ARGUMENT_FIELD = "INVALID_ARGUMENT_FIELD"
    INVALID_WINDOW = "INVALID_WINDOW"
    INVALID_PARTY_SIZE = "INVALID_PARTY_SIZE"
    REQUEST_ID_MISSING = "REQUEST_ID_MISSING"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REQUEST_IN_PROGRESS = "REQUEST_IN_PROGRESS"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_MISSING = "PERMISSION_MISSING"
    OVERRIDE_NOT_PERMITTED = "OVERRIDE_NOT_PERMITTED"
    RESTAURANT_NOT_FOUND = "RESTAURANT_NOT_FOUND"
    BOOKING_NOT_FOUND = "BOOKING_NOT_FOUND"
    TABLE_NOT_FOUND = "TABLE_NOT_FOUND"
    HOLD_NOT_FOUND = "HOLD_NOT_FOUND"
    ASSIGNMENT_NOT_FOUND = "ASSIGNMENT_NOT_FOUND"
    BLOCK_NOT_FOUND = "BLOCK_NOT_FOUND"
    VERSION_MISMATCH = "VERSION_MISMATCH"
    WATCH_TOKEN_INVALID = "WATCH_TOKEN_INVALID"  # noqa: S105  # a word, not a secret
    WATCH_TOKEN_COMPACTED = "WATCH_TOKEN_COMPACTED"  # noqa: S105
    INVALID_STATE_TRANSITION = "INVALID_STATE_TRANSITION"
    BOOKING_ALREADY_ASSIGNED = "BOOKING_ALREADY_ASSIGNED"
    HOLD_ALREADY_CONFIRMED = "HOLD_ALREADY_CONFIRMED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    HOLD_ALREADY_RELEASED = "HOLD_ALREADY_RELEASED"
    HOLD_MISMATCH = "HOLD_MISMATCH"
    HOLD_TTL_OUT_OF_RANGE = "HOLD_TTL_OUT_OF_RANGE"
    HOLD_EXTENSION_LIMIT = "HOLD_EXTENSION_LIMIT"
    OUTSIDE_SERVICE_HOURS = "OUTSIDE_SERVICE_HOURS"
    SERVICE_OVERRUN = "SERVICE_OVERRUN"
    WINDOW_IN_PAST = "WINDOW_IN_PAST"
    CUTOFF_PASSED = "CUTOFF_PASSED"
    POLICY_DRIFT = "POLICY_DRIFT"
    STALE_CONTEXT = "STALE_CONTEXT"
    TABLE_OUT_OF_SERVICE = "TABLE_OUT_OF_SERVICE"
    ZONE_NOT_REQUESTED = "ZONE_NOT_REQUESTED"
    REQUIRED_ATTRIBUTE_UNMET = "REQUIRED_ATTRIBUTE_UNMET"
    COMBINATION_DISABLED = "COMBINATION_DISABLED"
    COMBINATION_TOO_LARGE = "COMBINATION_TOO_LARGE"
    COMBINATION_CROSSES_ZONES = "COMBINATION_CROSSES_ZONES"
    COMBINATION_TABLE_NOT_MOVABLE = "COMBINATION_TABLE_NOT_MOVABLE"
    COMBINATION_NOT_ADJACENT = "COMBINATION_NOT_ADJACENT"
    COMBINATION_REDUNDANT = "COMBINATION_REDUNDANT"
    CAPACITY_INSUFFICIENT = "CAPACITY_INSUFFICIENT"
    CAPACITY_BELOW_MIN_PARTY = "CAPACITY_BELOW_MIN_PARTY"
    SLACK_BUDGET_EXCEEDED = "SLACK_BUDGET_EXCEEDED"
    TABLE_AVOIDED = "TABLE_AVOIDED"
    TABLE_BLOCKED = "TABLE_BLOCKED"
    TABLE_CONFLICT_ASSIGNED = "TABLE_CONFLICT_ASSIGNED"
    TABLE_CONFLICT_HELD = "TABLE_CONFLICT_HELD"
    NO_FEASIBLE_PLAN = "NO_FEASIBLE_PLAN"
    SERVER_OVERLOADED = "SERVER_OVERLOADED"
    STORE_CONTENTION = "STORE_CONTENTION"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    DRAINING = "DRAINING"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INVARIANT_BROKEN = "INVARIANT_BROKEN"

    @classmethod
    def _missing_(cls, value: object) -> "Reason | None":
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


PRECEDENCE: Mapping[Reason, int] = {reason: rank for rank, reason in enumerate(Reason)}


# Failures that say nothing about the request itself: the same request may succeed a moment later.
PASSING = frozenset(
    {
        Reason.REQUEST_IN_PROGRESS,
        Reason.SERVER_OVERLOADED,
        Reason.STORE_CONTENTION,
        Reason.STORE_UNAVAILABLE,
        Reason.DRAINING,
        Reason.DEADLINE_EXCEEDED,
        Reason.INVARIANT_BROKEN,
    }
)


class ClaimKind(StrEnum):
    """What took a table for a window."""

    HOLD = "hold"
    ASSIGNMENT = "assignment"
    BLOCK = "block"


class CheckStatus(StrEnum):
    """How a check came out. A warning never keeps a set from being used."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field. `field` is its path in the request, for example `floor.tables[3].capacity`."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that is in the way. Says what it is and when it ends, never whose it is."""

    table_id: UUID
    blocker_kind: ClaimKind
    window_start: datetime
    window_end: datetime
    free_from: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """One rule applied to one table set."""

    reason: Reason
    status: CheckStatus
    message: str
    table_ids: tuple[UUID, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no with everything a caller can act on.

    `metadata` holds every value the message mentions, under the keys that the contract documents for the
    reason.
    `retry_after_s` is set exactly for reasons whose remedy is to wait and repeat.
    """

    reason: Reason
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    checks: tuple[Check, ...] = ()
    retry_after_s: float | None = None


class ServiceError(Exception):
    """A failure that a caller handles by its reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason}: {refusal.message}")
        self.refusal = refusal

    @property
    def reason(self) -> Reason:
        return self.refusal.reason


class InvariantError(Exception):
    """The service found its own data or code in a state that must not exist. Its text stays in the log."""


def refuse(reason: Reason, message: str, **metadata: object) -> ServiceError:
    """A `ServiceError` whose metadata values are written as text."""
    return ServiceError(Refusal(reason, message, {key: str(value) for key, value in metadata.items()}))


def bad_fields(
    violations: Sequence[FieldViolation],
    *,
    reason: Reason = Reason.INVALID_ARGUMENT_FIELD,
    limit: object = "",
    count: int | None = None,
) -> ServiceError:
    """A refusal that lists bad fields, the first of them in its message, with how many others of `count` there are.

    `limit` is what would have been accepted for the first, and `count` counts those that are not listed, too.
    """
    first, found = violations[0], len(violations) if count is None else count
    others = f" ({found - 1} more)" if found > 1 else ""
    return ServiceError(
        Refusal(
            reason,
            f"{first.field}: {first.description}{others}",
            {"field": first.field, "limit": str(limit)},
            violations=tuple(violations),
        )
    )


def bad_field(field_path: str, description: str, *, limit: object = "") -> ServiceError:
    """An INVALID_ARGUMENT_FIELD about one field."""
    return bad_fields((FieldViolation(field_path, description),), limit=limit)
