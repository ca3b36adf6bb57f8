"""Reasons, checks and what is in the way, in the contract's form."""

from collections.abc import Iterable, Mapping

from maitred.v1 import checks_pb2, errors_pb2, reasons_pb2
from server.domain.cures import CURES, Cure
from server.domain.overrides import OVERRIDABLE
from server.errors import PRECEDENCE, Check, CheckStatus, ClaimKind, Conflict, Reason
from server.rpc.fields import Fields
from server.rpc.messages.enums import numbers
from server.rpc.messages.text import shortened
from server.rpc.messages.time import instant_message

UUID_CHARACTERS = 37

REASONS = numbers(Reason, reasons_pb2.ErrorReason)

OVERRIDES_READ: Mapping[int, Reason] = {REASONS[reason]: reason for reason in OVERRIDABLE}

CLAIM_KINDS = numbers(ClaimKind, reasons_pb2.ClaimKind)
CHECK_STATUSES = numbers(CheckStatus, checks_pb2.CheckStatus)
CURE_NAMES = numbers(Cure, checks_pb2.RejectionCure)


def read_overrides(fields: Fields) -> tuple[Reason, ...]:
    """In order of precedence: a list in another order is the same intention."""
    return tuple(sorted(fields.choices("overrides", OVERRIDES_READ), key=PRECEDENCE.__getitem__))


def reason_message(reason: Reason) -> "reasons_pb2.ErrorReason.ValueType":
    """Unspecified where only a newer version knows it."""
    return REASONS.get(reason, reasons_pb2.ERROR_REASON_UNSPECIFIED)


def reason_messages(reasons: Iterable[Reason]) -> "list[reasons_pb2.ErrorReason.ValueType]":
    return [reason_message(reason) for reason in reasons]


def cures_of(reason: Reason) -> "list[checks_pb2.RejectionCure.ValueType]":
    """What could make the reason disappear."""
    return [CURE_NAMES[cure] for cure in CURES.get(reason, ())]


def put_check(message: checks_pb2.Check, check: Check, text_max: int | None = None) -> None:
    """Writes a check into its message; with `text_max`, its texts and lists are cut to about that many characters."""
    message.reason = reason_message(check.reason)
    message.status = CHECK_STATUSES[check.status]
    message.message = shortened(check.message, text_max)
    listed = check.table_ids if text_max is None else check.table_ids[: max(1, text_max // UUID_CHARACTERS)]
    message.table_ids.extend(str(table_id) for table_id in listed)
    if check.status is CheckStatus.ERROR:
        message.cures.extend(cures_of(check.reason))
    for key, value in check.metadata.items():
        message.metadata[key] = shortened(value, text_max)


def conflict_message(conflict: Conflict) -> errors_pb2.Conflict:
    return errors_pb2.Conflict(
        table_id=str(conflict.table_id),
        blocker_kind=CLAIM_KINDS[conflict.blocker_kind],
        window_start=instant_message(conflict.window_start),
        window_end=instant_message(conflict.window_end),
        free_from=instant_message(conflict.free_from),
    )
