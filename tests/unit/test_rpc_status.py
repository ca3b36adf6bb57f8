"""What a refusal looks like on the wire."""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from maitred.v1 import errors_pb2, reasons_pb2
from server.domain.limits import CONFLICTS_LISTED_MAX, SELECTION_TABLES_MAX
from server.errors import (
    Check,
    CheckStatus,
    ClaimKind,
    Conflict,
    FieldViolation,
    Reason,
    Refusal,
    bad_fields,
)
from server.rpc.messages.checks import REASONS
from server.rpc.status import (
    CODES,
    MESSAGE_BYTES_MAX,
    PUSHBACK_KEY,
    RETRY_AFTER_S,
    STATUS_BYTES_MAX,
    STATUS_KEY,
    code_of,
    message_of,
    status_bytes,
)
from tests.architecture.sources import ROOT

TABLES = tuple(UUID(int=number) for number in range(1, SELECTION_TABLES_MAX + 1))
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
KINDS: dict[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.QuotaFailure,
        errors_pb2.ConflictDetail,
        errors_pb2.FailedChecks,
    )
}


def documented() -> dict[str, list[str]]:
    """For each reason of the contract, its status and the details that come with it, as its comment says."""
    text = (ROOT / "proto/maitred/v1/reasons.proto").read_text()
    blocks = re.findall(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = [1-9]", text)
    return {name: re.search(r"// Status: (.*)", comment)[1].split(" + ") for comment, name in blocks}  # type: ignore[index]


def details(refusal: Refusal) -> dict[str, Message]:
    status = status_pb2.Status.FromString(status_bytes(refusal))
    found: dict[str, Message] = {}
    for packed in status.details:
        name = packed.TypeName()
        assert name not in found
        found[name] = KINDS[name].FromString(packed.value)
    return found


def conflicts(count: int) -> tuple[Conflict, ...]:
    return tuple(Conflict(UUID(int=n), ClaimKind.HOLD, NOON, NOON, NOON) for n in range(count))


def full(reason: Reason) -> Refusal:
    """A refusal with everything that can be attached."""
    check = Check(reason, CheckStatus.ERROR, "no", TABLES, {"table_ids": ",".join(map(str, TABLES))})
    return Refusal(reason, "no", {"key": "value"}, (FieldViolation("f", "bad"),), conflicts(2), (check,))


def test_the_reasons_are_those_of_the_contract_in_its_order() -> None:
    contract = [name.removeprefix("ERROR_REASON_") for name in reasons_pb2.ErrorReason.keys()[1:]]
    assert [reason.value for reason in Reason] == contract
    assert [reason.name for reason in Reason] == contract


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_the_status_that_its_comment_promises(reason: Reason) -> None:
    promised = documented()[reason.value][0]
    assert promised == (CODES[reason].name if reason in CODES else "NONE")


@pytest.mark.parametrize("reason", list(Reason))
def test_retry_info_and_quota_come_exactly_where_the_comment_promises_them(reason: Reason) -> None:
    promised = documented()[reason.value][1:]
    sent = details(Refusal(reason, "no"))
    assert ("google.rpc.RetryInfo" in sent) == ("RetryInfo" in promised)
    assert ("google.rpc.QuotaFailure" in sent) == ("QuotaFailure" in promised)
    assert (reason in RETRY_AFTER_S) == ("RetryInfo" in promised)


def test_everything_known_about_a_refusal_is_attached() -> None:
    sent = details(full(Reason.TABLE_CONFLICT_HELD))
    info, bad = sent["google.rpc.ErrorInfo"], sent["google.rpc.BadRequest"]
    detail, failed = sent["maitred.v1.ConflictDetail"], sent["maitred.v1.FailedChecks"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert isinstance(detail, errors_pb2.ConflictDetail)
    assert isinstance(failed, errors_pb2.FailedChecks)
    assert (info.domain, info.reason, dict(info.metadata)) == (
        "maitred",
        "TABLE_CONFLICT_HELD",
        {"key": "value"},
    )
    assert [(v.field, v.description, v.reason) for v in bad.field_violations] == [
        ("f", "bad", "TABLE_CONFLICT_HELD")
    ]
    assert [c.table_id for c in detail.conflicts] == [str(UUID(int=0)), str(UUID(int=1))]
    assert detail.conflicts[0].free_from.ToDatetime(UTC) == NOON
    assert not detail.truncated
    assert failed.checks[0].reason == reasons_pb2.ERROR_REASON_TABLE_CONFLICT_HELD
    assert list(failed.checks[0].table_ids) == list(map(str, TABLES))


def test_of_what_there_is_nothing_to_say_nothing_is_attached() -> None:
    assert list(details(Refusal(Reason.HOLD_EXPIRED, "no"))) == ["google.rpc.ErrorInfo"]


def test_a_reason_that_is_never_a_status_is_a_bug_but_one_of_a_newer_version_stands() -> None:
    assert code_of(Reason.TABLE_AVOIDED) is grpc.StatusCode.INTERNAL
    assert code_of(Reason("FROM_THE_FUTURE")) is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("more", [0, 1])
def test_more_conflicts_than_are_listed_are_said_to_be_truncated(more: int) -> None:
    refusal = Refusal(Reason.TABLE_BLOCKED, "no", conflicts=conflicts(CONFLICTS_LISTED_MAX + more))
    detail = details(refusal)["maitred.v1.ConflictDetail"]
    assert isinstance(detail, errors_pb2.ConflictDetail)
    assert len(detail.conflicts) == CONFLICTS_LISTED_MAX
    assert detail.truncated == bool(more)


def test_the_same_refusal_is_the_same_bytes_whatever_the_order_of_its_metadata() -> None:
    names = [f"key{n}" for n in range(20)]
    forth = Refusal(Reason.HOLD_EXPIRED, "no", dict.fromkeys(names, "x"))
    back = Refusal(Reason.HOLD_EXPIRED, "no", dict.fromkeys(reversed(names), "x"))
    assert status_bytes(forth) == status_bytes(back)


@pytest.mark.parametrize(
    ("listed", "count", "told"), [(1, None, "a: no"), (2, None, "a: no (1 more)"), (2, 5, "a: no (4 more)")]
)
def test_of_bad_fields_the_first_is_told_and_how_many_there_are_besides(
    listed: int, count: int | None, told: str
) -> None:
    violations = [FieldViolation(field, "no") for field in "ab"[:listed]]
    assert bad_fields(violations, count=count).refusal.message == told


def huge_refusals() -> Iterator[tuple[str, Refusal]]:
    ids = tuple(UUID(int=n) for n in range(100))
    joined = ",".join(map(str, ids))
    check = Check(Reason.TABLE_BLOCKED, CheckStatus.ERROR, "wide " * 200, ids, {"table_ids": joined})
    reason = Reason.TABLE_CONFLICT_HELD
    yield "metadata", Refusal(reason, "no", {f"key{n}": joined for n in range(8)})
    yield "message", Refusal(reason, "ä" * 5_000)
    yield (
        "checks",
        Refusal(reason, "no", {"table_ids": joined}, checks=(check,) * 32, conflicts=conflicts(33)),
    )
    yield "violations", Refusal(reason, "no", violations=(FieldViolation("f" * 300, "d" * 300),) * 32)
    yield "hopeless", Refusal(reason, "no", {f"key{n}" * 50: joined for n in range(100)})


HUGE = dict(huge_refusals())


@pytest.mark.parametrize("what", list(HUGE))
def test_no_refusal_is_too_large_for_the_trailers(what: str) -> None:
    refusal = HUGE[what]
    assert len(status_bytes(refusal)) <= STATUS_BYTES_MAX
    assert len(message_of(refusal).encode()) <= MESSAGE_BYTES_MAX
    assert "google.rpc.ErrorInfo" in details(refusal)


def test_the_largest_refusal_is_taken_in_by_those_who_call_through_a_proxy() -> None:
    """HTTP/2 counts 32 bytes for each header besides its name and value. Clients in Java take in 8 KiB of them."""
    largest = {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "10",
        "grpc-message": "m" * MESSAGE_BYTES_MAX,
        STATUS_KEY: b64encode(bytes(STATUS_BYTES_MAX)).decode(),
        PUSHBACK_KEY: "60000",
    }
    of_a_proxy = {
        "server": "nginx/1.27.4 (Ubuntu)",
        "date": "Sat, 12 Jan 2030 19:00:00 GMT",
        "x-envoy-upstream-service-time": "60000",
    }
    headers = {**largest, **of_a_proxy}.items()
    assert sum(len(name) + len(value) + 32 for name, value in headers) <= 8 * 1024


@pytest.mark.parametrize("name", ["Table 1 by the window", "寿" * 50, "\N{SUSHI}" * 50])
def test_every_failed_check_is_listed_however_long_its_texts_are(name: str) -> None:
    """All reasons at once, about ten tables each, and a claim in the way of every one."""
    ids = tuple(UUID(int=n) for n in range(SELECTION_TABLES_MAX))
    words, joined = ", ".join([name] * len(ids)), ",".join(map(str, ids))
    promised = documented()
    broken = [reason for reason in Reason if "FailedChecks" in promised[reason.value]]
    assert len(broken) > 12
    checks = tuple(
        Check(reason, CheckStatus.ERROR, f"Not {words}.", ids, {"table_ids": joined}) for reason in broken
    )
    refusal = Refusal(broken[0], words, {"table_ids": joined}, (), conflicts(len(ids)), checks)
    failed = details(refusal)["maitred.v1.FailedChecks"]
    assert isinstance(failed, errors_pb2.FailedChecks)
    assert [check.reason for check in failed.checks] == [REASONS[reason] for reason in broken]
    assert len(status_bytes(refusal)) <= STATUS_BYTES_MAX


def test_a_shortened_list_of_ids_ends_between_two_ids() -> None:
    joined = ",".join(str(UUID(int=n)) for n in range(100))
    info = details(Refusal(Reason.TABLE_NOT_FOUND, "no", {"table_ids": joined}))["google.rpc.ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    *listed, last = info.metadata["table_ids"].split(",")
    assert last == "…"
    assert [UUID(each) for each in listed] == [UUID(int=n) for n in range(len(listed))]
    assert len(listed) > 20
