"""A refusal reaches the caller as an exception of its reason, with everything the server attached."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from maitred.v1.assignment_service_pb2 import GetHoldRequest, HoldTablesRequest
from maitred.v1.checks_pb2 import Check
from maitred.v1.errors_pb2 import Conflict, ConflictDetail, FailedChecks
from maitred.v1.reasons_pb2 import CLAIM_KIND_HOLD, ERROR_REASON_CAPACITY_INSUFFICIENT
from maitred_client import (
    AsyncMaitredClient,
    FieldViolation,
    GarbledError,
    InvalidArgumentFieldError,
    MaitredClient,
    MaitredError,
    RetryClass,
    RetryPolicy,
    ServerOverloadedError,
    TableConflictHeldError,
    TransportError,
    UnknownReasonError,
    timestamp,
)
from tests.support.scripted_server import TENANT, Refusal, ScriptedServer, refusal, scripted_server

SEVEN = datetime(2031, 5, 1, 19, tzinfo=UTC)
NINE = SEVEN + timedelta(hours=2)
ONCE = RetryPolicy(attempts_max=1)
HOLD = HoldTablesRequest(request_id="r1")


async def refused(answer: Refusal) -> MaitredError:
    """What both clients raise for the same refusal; they have to agree."""
    async with scripted_server() as server:
        server.will("HoldTables", answer, answer)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT, retry=ONCE) as client:
            with pytest.raises(MaitredError) as awaited:
                await client.hold_tables(HOLD)
        with (
            MaitredClient(server.address, tenant_id=TENANT, retry=ONCE) as sync_client,
            pytest.raises(MaitredError) as waited,
        ):
            await asyncio.to_thread(sync_client.hold_tables, HOLD)
    assert type(awaited.value) is type(waited.value)
    assert awaited.value.args == waited.value.args
    return awaited.value


async def test_a_conflict_names_the_claims_in_the_way() -> None:
    detail = ConflictDetail(
        conflicts=[
            Conflict(
                table_id="t1",
                blocker_kind=CLAIM_KIND_HOLD,
                window_start=timestamp(SEVEN),
                window_end=timestamp(NINE),
                free_from=timestamp(SEVEN + timedelta(minutes=3)),
            )
        ],
        truncated=True,
    )
    error = await refused(refusal(grpc.StatusCode.ABORTED, "TABLE_CONFLICT_HELD", detail, table_ids="t1"))
    assert type(error) is TableConflictHeldError
    assert (error.reason, error.code, error.retry) == (
        "TABLE_CONFLICT_HELD",
        grpc.StatusCode.ABORTED,
        RetryClass.REPLAN,
    )
    assert error.message == "refused as TABLE_CONFLICT_HELD"
    assert error.metadata == {"table_ids": "t1"}
    assert error.request_id == "r1"
    [conflict] = error.conflicts
    assert (conflict.table_id, conflict.blocker_kind) == ("t1", "HOLD")
    assert (conflict.window_start, conflict.window_end) == (SEVEN, NINE)
    assert conflict.free_from == SEVEN + timedelta(minutes=3)
    assert error.details.conflicts_truncated


async def test_every_bad_field_is_listed() -> None:
    bad = BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field="table_ids[1]", description="appears twice"),
            BadRequest.FieldViolation(field="ttl", description="is negative"),
        ]
    )
    error = await refused(refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", bad))
    assert type(error) is InvalidArgumentFieldError
    assert error.violations == (
        FieldViolation("table_ids[1]", "appears twice"),
        FieldViolation("ttl", "is negative"),
    )


async def test_an_overloaded_server_says_which_limit_and_how_long_to_wait() -> None:
    quota = QuotaFailure(violations=[QuotaFailure.Violation(subject="server", description="64 calls")])
    wait = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    error = await refused(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED", quota, wait))
    assert type(error) is ServerOverloadedError
    assert error.retry is RetryClass.WAIT
    assert error.retry_after_s == 1.5
    assert [(each.subject, each.description) for each in error.quota_violations] == [("server", "64 calls")]


async def test_every_failed_check_is_listed_and_a_newer_one_keeps_its_number() -> None:
    checks = FailedChecks(
        checks=[
            Check(
                reason=ERROR_REASON_CAPACITY_INSUFFICIENT,
                message="4 seats for 6",
                table_ids=["t1"],
                metadata={"capacity": "4"},
            ),
            Check(reason=9999),  # type: ignore[arg-type]
        ]
    )
    error = await refused(refusal(grpc.StatusCode.FAILED_PRECONDITION, "CAPACITY_INSUFFICIENT", checks))
    first, second = error.failed_checks
    assert (first.reason, first.message, first.table_ids) == (
        "CAPACITY_INSUFFICIENT",
        "4 seats for 6",
        ("t1",),
    )
    assert first.metadata == {"capacity": "4"}
    assert second.reason == "9999"


async def test_a_reason_newer_than_the_client_keeps_its_word_and_the_meaning_of_its_status() -> None:
    error = await refused(refusal(grpc.StatusCode.ABORTED, "MOON_IN_WRONG_PHASE", phase="full"))
    assert type(error) is UnknownReasonError
    assert (error.reason, error.retry) == ("MOON_IN_WRONG_PHASE", RetryClass.REPLAN)
    assert error.metadata == {"phase": "full"}
    assert str(error).startswith("MOON_IN_WRONG_PHASE (ABORTED): ")
    assert UnknownReasonError(grpc.StatusCode.NOT_FOUND, "no").retry is RetryClass.NO


@pytest.mark.parametrize(
    ("details", "what"),
    [
        ((), "no details"),
        ((ErrorInfo(domain="example.com", reason="TABLE_CONFLICT_HELD"),), "another's reason"),
    ],
)
async def test_a_status_that_is_not_the_services_own_is_a_transport_error(
    details: tuple[Message, ...], what: str
) -> None:
    error = await refused(Refusal(grpc.StatusCode.UNAVAILABLE, what, details))
    assert type(error) is TransportError
    assert error.reason == ""
    assert error.retry is RetryClass.SAME_KEY
    assert str(error).startswith("UNAVAILABLE: ")
    assert what in str(error)
    assert error.remedy in str(error)


def garbage_inside() -> bytes:
    torn = Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff\xff")
    return bytes(
        Status(code=grpc.StatusCode.ABORTED.value[0], message="no", details=[torn]).SerializeToString()
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff",
        garbage_inside(),
        Status(code=5, message="no").SerializeToString(),
        Status(code=10, message="another message").SerializeToString(),
    ],
    ids=["torn status", "torn detail", "another code", "another message"],
)
async def test_details_that_cannot_be_read_do_not_hide_the_status(raw: bytes) -> None:
    error = await refused(Refusal(grpc.StatusCode.ABORTED, "no", raw=raw))
    assert type(error) is GarbledError
    assert error.code is grpc.StatusCode.ABORTED
    assert "no" in error.message
    assert "cannot be read" in str(error)
    assert (error.request_id, error.metadata) == (HOLD.request_id, {})


@asynccontextmanager
async def stalled() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        server.stall = True
        yield server


async def test_a_deadline_that_passes_is_told_with_the_request_id_to_ask_again_with() -> None:
    told: list[str] = []
    async with stalled() as server, AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
        # On a busy machine the time may be over before the server hears of it.
        while not server.asked:
            with pytest.raises(TransportError) as failed:
                await client.hold_tables(HoldTablesRequest(), timeout_s=0.2)
            told.append(failed.value.request_id)
    assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failed.value.retry is RetryClass.SAME_KEY
    assert HoldTablesRequest.FromString(server.asked[0].request).request_id in told
    assert "longer timeout_s" in str(failed.value)


async def test_a_server_that_is_not_there_is_told_with_its_address_and_what_to_check() -> None:
    async with scripted_server() as server:
        address = server.address
    with (
        MaitredClient(address, tenant_id=TENANT, timeout_s=60) as client,
        pytest.raises(TransportError, match="Check address") as failed,
    ):
        await asyncio.to_thread(client.get_hold, GetHoldRequest())
    assert failed.value.code is grpc.StatusCode.UNAVAILABLE
    assert address in str(failed.value)


async def test_a_task_that_is_cancelled_stays_cancelled() -> None:
    async with stalled() as server, AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
        task = asyncio.create_task(client.get_hold(GetHoldRequest()))
        await server.stalled.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
