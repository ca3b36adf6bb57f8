"""A16: a caller whose answer was lost learns what became of the call."""

import asyncio

import pytest

from maitred.v1 import assignment_service_pb2
from maitred_client import (
    AsyncMaitredClient,
    InvalidArgumentFieldError,
    TableConflictHeldError,
    new_request_id,
)
from maitred_client.messages import (
    ErrorReason,
    GetOperationRequest,
    GetOperationResponse,
    OperationState,
)
from server.orchestrator.get_operation import ANSWERS
from server.rpc.messages.operation import RESPONSES
from server.rpc.scopes import SERVICES
from tests.builders.world import World
from tests.conftest import Served
from tests.support.database import restaurant_locked

pytestmark = pytest.mark.shared_server


def mutating() -> set[str]:
    requests = {f"/{s.full_name}/{m.name}": m.input_type for s in SERVICES for m in s.methods}
    return {path.rpartition("/")[2] for path, form in requests.items() if "request_id" in form.fields_by_name}


async def fate(client: AsyncMaitredClient, method: str, request_id: str) -> GetOperationResponse:
    return await client.get_operation(GetOperationRequest(method=method, operation_request_id=request_id))


def test_every_mutating_method_can_be_asked_about() -> None:
    assert ANSWERS.keys() == RESPONSES.keys() == mutating()


async def test_a_lost_answer_is_told_as_it_was_given(world: World, client: AsyncMaitredClient) -> None:
    booking = await world.booking()
    request = world.hold_request(booking.booking_id, ["T1"])
    answer = await client.hold_tables(request)
    found = await fate(client, "HoldTables", request.request_id)
    told = assignment_service_pb2.HoldTablesResponse()
    assert found.state == OperationState.OPERATION_STATE_SUCCEEDED
    assert found.response.Unpack(told)
    assert told == answer
    assert found.recorded_at.seconds >= answer.hold.created_at.seconds


async def test_a_refusal_is_told_with_its_reason(world: World, client: AsyncMaitredClient) -> None:
    await world.hold(await world.booking(), "T1")
    request = world.hold_request((await world.booking()).booking_id, ["T1"])
    with pytest.raises(TableConflictHeldError) as refused:
        await client.hold_tables(request)
    found = await fate(client, "HoldTables", request.request_id)
    assert found.state == OperationState.OPERATION_STATE_REFUSED
    assert found.reason == ErrorReason.ERROR_REASON_TABLE_CONFLICT_HELD
    assert (found.message, dict(found.metadata)) == (refused.value.message, dict(refused.value.metadata))
    assert not found.HasField("response")


async def test_a_call_that_runs_is_in_progress_and_then_has_an_answer(
    world: World, client: AsyncMaitredClient, server: Served
) -> None:
    request = world.hold_request((await world.booking()).booking_id, ["T1"])
    async with restaurant_locked(server.database_url, world.restaurant_id):
        running = asyncio.create_task(client.hold_tables(request))
        while (await fate(client, "HoldTables", request.request_id)).state != (
            OperationState.OPERATION_STATE_IN_PROGRESS
        ):
            assert not running.done()
            await asyncio.sleep(0.05)
        other = await fate(client, "HoldTables", new_request_id())
        assert other.state == OperationState.OPERATION_STATE_UNKNOWN
    await running
    found = await fate(client, "HoldTables", request.request_id)
    assert found.state == OperationState.OPERATION_STATE_SUCCEEDED


async def test_nothing_is_known_of_a_request_that_never_came(
    world: World, client: AsyncMaitredClient
) -> None:
    request = world.hold_request((await world.booking()).booking_id, ["T1"])
    await client.hold_tables(request)
    for method, request_id in (("HoldTables", new_request_id()), ("ConfirmHold", request.request_id)):
        found = await fate(client, method, request_id)
        assert found == GetOperationResponse(state=OperationState.OPERATION_STATE_UNKNOWN)


@pytest.mark.parametrize("method", ["", "GetHold", "hold_tables", "maitred.v1.AssignmentService/HoldTables"])
async def test_only_mutating_methods_can_be_asked_about(method: str, client: AsyncMaitredClient) -> None:
    with pytest.raises(InvalidArgumentFieldError) as refused:
        await fate(client, method, new_request_id())
    assert refused.value.violations[0].field == "method"
    assert refused.value.metadata["limit"].split(",") == sorted(mutating())
