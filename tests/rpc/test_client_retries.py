"""What the service asks its callers to repeat, the client does repeat: both sides agree about retries."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from maitred.v1.assignment_service_pb2 import HoldTablesRequest, HoldTablesResponse
from maitred_client import (
    AsyncMaitredClient,
    HoldExpiredError,
    MaitredClient,
    RetryPolicy,
    StoreUnavailableError,
)
from server.errors import Reason, Refusal, ServiceError
from server.rpc.interceptors.failures import FailureInterceptor
from server.rpc.interceptors.parsing import Parsing
from server.rpc.methods import Methods
from tests.support.programs import ROOT
from tests.support.scripted_server import TENANT


@dataclass(slots=True)
class FailingHolds(grpc.GenericRpcHandler):
    """Answers every call as HoldTables, after failing for the reasons given."""

    reasons: deque[Reason] = field(default_factory=deque)
    request_ids: list[str] = field(default_factory=list)
    address: str = ""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[HoldTablesRequest, HoldTablesResponse]":
        async def hold(
            request: HoldTablesRequest,
            context: "grpc.aio.ServicerContext[HoldTablesRequest, HoldTablesResponse]",
        ) -> HoldTablesResponse:
            self.request_ids.append(request.request_id)
            if self.reasons:
                raise ServiceError(Refusal(self.reasons.popleft(), "Not now.", retry_after_s=0.05))
            return HoldTablesResponse()

        return grpc.unary_unary_rpc_method_handler(
            hold, HoldTablesRequest.FromString, HoldTablesResponse.SerializeToString
        )


@pytest.fixture
async def holds() -> AsyncIterator[FailingHolds]:
    failing = FailingHolds()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    methods = Methods([FailureInterceptor()], Parsing(message_bytes_max=1_000))
    methods.add_generic_rpc_handlers([failing])
    server.add_generic_rpc_handlers((methods,))
    failing.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield failing
    await server.stop(grace=None)


@pytest.mark.parametrize(
    "reason",
    [Reason.REQUEST_IN_PROGRESS, Reason.STORE_CONTENTION, Reason.STORE_UNAVAILABLE, Reason.DRAINING],
)
async def test_a_failure_of_class_same_key_is_repeated_with_the_same_key(
    reason: Reason, holds: FailingHolds
) -> None:
    holds.reasons.extend([reason, reason])
    async with AsyncMaitredClient(holds.address, tenant_id=TENANT) as client:
        await client.hold_tables(HoldTablesRequest())
    assert len(holds.request_ids) == 3
    assert len(set(holds.request_ids)) == 1


async def test_a_failure_that_stays_reaches_the_caller_with_its_reason(holds: FailingHolds) -> None:
    holds.reasons.extend([Reason.STORE_UNAVAILABLE] * 9)
    async with AsyncMaitredClient(holds.address, tenant_id=TENANT) as client:
        with pytest.raises(StoreUnavailableError) as failed:
            await client.hold_tables(HoldTablesRequest())
    assert len(holds.request_ids) == 5
    assert failed.value.retry_after_s == 0.05


async def test_a_refusal_is_final(holds: FailingHolds) -> None:
    holds.reasons.append(Reason.HOLD_EXPIRED)
    async with AsyncMaitredClient(holds.address, tenant_id=TENANT) as client:
        with pytest.raises(HoldExpiredError):
            await client.hold_tables(HoldTablesRequest())
    assert len(holds.request_ids) == 1


async def test_the_page_about_the_client_shows_how_to_go_on_until_an_answer_comes(
    holds: FailingHolds,
) -> None:
    page = (ROOT / "docs/client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    holds.reasons.extend([Reason.DRAINING, Reason.STORE_UNAVAILABLE, Reason.SERVER_OVERLOADED])
    with MaitredClient(holds.address, tenant_id=TENANT, retry=RetryPolicy(attempts_max=1)) as client:
        await asyncio.to_thread(names["hold"], client, HoldTablesRequest(), 60.0)
        holds.reasons.append(Reason.HOLD_EXPIRED)
        with pytest.raises(HoldExpiredError):
            await asyncio.to_thread(names["hold"], client, HoldTablesRequest(), 60.0)
    assert len(holds.request_ids) == 5
    assert len(set(holds.request_ids)) == 2
