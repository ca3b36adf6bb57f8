"""A7: Every change that is asked for again, one after the other or at once, happens once and is answered once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from maitred_client import (
    AsyncMaitredClient,
    RequestIdReusedError,
    RequestInProgressError,
    RetryPolicy,
    TableConflictHeldError,
    new_request_id,
)
from maitred_client.calls import request_id_of
from maitred_client.channel import SERVICES
from maitred_client.messages import GetOperationRequest, PutRestaurantRequest, Restaurant
from tests.builders.world import World, small_world
from tests.conftest import Served
from tests.races.attempts import ONCE_ONLY, TIMEOUT_S, together
from tests.races.crew import Pause, crew_on
from tests.races.evidence import broken_invariants, count, dump
from tests.races.operations import OPERATIONS, day
from tests.support.database import connected

pytestmark = pytest.mark.shared_server

TIMES = 20
PATIENT = RetryPolicy(attempts_max=5)

Prepare: TypeAlias = Callable[[World], Awaitable[Message]]


async def _put_new_restaurant(_: World) -> Message:
    restaurant = Restaurant(restaurant_id=str(uuid4()), name="New", time_zone="UTC")
    return PutRestaurantRequest(request_id=new_request_id(), restaurant=restaurant)


def _today(name: str) -> Prepare:
    return lambda world: OPERATIONS[name].prepare(world, day(0))


CHANGES: Mapping[str, tuple[str, Prepare]] = {
    "create a restaurant": ("put_restaurant", _put_new_restaurant),
    **{name: (operation.method, _today(name)) for name, operation in OPERATIONS.items()},
}


# What changes nothing on the floor, and only leaves its trace in the audit log.
OFF_THE_FLOOR = ("redrive_outbox_events",)


def as_bytes(answer: Message) -> bytes:
    return answer.SerializeToString(deterministic=True)


def rpc_name(method: str) -> str:
    return "".join(word.capitalize() for word in method.split("_"))


def test_every_call_that_changes_something_is_tried_here_and_with_faults() -> None:
    mutating = {
        method.name
        for service in SERVICES
        for method in service.methods
        if "request_id" in method.input_type.fields_by_name
    }
    assert {operation.method.replace("_", "") for operation in OPERATIONS.values()} == {
        name.lower() for name in mutating
    }


@pytest.mark.parametrize(("method", "prepare"), CHANGES.values(), ids=CHANGES)
async def test_the_same_request_has_one_effect_and_one_answer(
    server: Served, method: str, prepare: Prepare
) -> None:
    async with (
        client_of(server, ONCE_ONLY) as client,
        client_of(server, PATIENT) as patient,
        connected(server.server_url) as database,
    ):
        world = await small_world(client)
        request = await prepare(world)
        before = await floor_versions(server)
        call = getattr(client, method)
        raced = await together(call(request) for _ in range(TIMES))
        assert {type(error) for error in raced.errors} <= {RequestInProgressError}
        answers = [*raced.answers, await call(request), await call(request)]
        assert await floor_versions(server) == before + (method not in OFF_THE_FLOOR)
        after = await dump(database, world.restaurant_id)
        waited = await together(getattr(patient, method)(request) for _ in range(TIMES))
        assert waited.errors == ()
        assert {as_bytes(answer) for answer in (*answers, *waited.answers)} == {as_bytes(answers[0])}
        assert await dump(database, world.restaurant_id) == after
        recorded = "SELECT count(*) FROM idempotency_ledger WHERE request_id = $1"
        assert await count(database, recorded, request_id_of(request)) == 1
        assert await broken_invariants(database, world.restaurant_id) == {}


@pytest.mark.parametrize(("method", "prepare"), CHANGES.values(), ids=CHANGES)
async def test_another_payload_under_the_same_request_id_is_refused(
    server: Served, method: str, prepare: Prepare
) -> None:
    async with client_of(server, ONCE_ONLY) as client, connected(server.server_url) as database:
        world = await small_world(client)
        request: Any = await prepare(world)
        answer = await getattr(client, method)(request)
        told = await client.get_operation(
            GetOperationRequest(method=rpc_name(method), operation_request_id=request.request_id)
        )
        assert told.response.value == answer.SerializeToString(deterministic=True)
        after = await dump(database, world.restaurant_id)
        other = type(request)()
        other.CopyFrom(request)
        other.actor = "somebody else"
        with pytest.raises(RequestIdReusedError) as refused:
            await getattr(client, method)(other)
        assert refused.value.metadata["differing_fields"] == "actor"
        assert refused.value.metadata["request_id"] == request.request_id
        assert as_bytes(await getattr(client, method)(request)) == as_bytes(answer)
        assert await dump(database, world.restaurant_id) == after


async def test_the_fields_that_differ_are_named(client: AsyncMaitredClient) -> None:
    world = await small_world(client)
    booking = await world.booking()
    request = world.hold_request(booking.booking_id, ["T1"])
    await client.hold_tables(request)
    other = world.hold_request(str(uuid4()), ["T2"], request_id=request.request_id)
    with pytest.raises(RequestIdReusedError) as refused:
        await client.hold_tables(other)
    assert refused.value.metadata["differing_fields"] == "booking_id,table_ids"


async def test_a_refusal_is_repeated_even_after_the_world_has_changed(server: Served) -> None:
    async with client_of(server, ONCE_ONLY) as client, connected(server.server_url) as database:
        world = await small_world(client)
        in_the_way = await world.hold(await world.booking(), "T1")
        booking = await world.booking()
        request = world.hold_request(booking.booking_id, ["T1"])
        refused = await together(client.hold_tables(request) for _ in range(TIMES))
        assert refused.answers == ()
        assert {type(error) for error in refused.errors} <= {TableConflictHeldError, RequestInProgressError}
        with pytest.raises(TableConflictHeldError) as first:
            await client.hold_tables(request)
        await world.release(in_the_way)
        with pytest.raises(TableConflictHeldError) as second:
            await client.hold_tables(request)
        assert (second.value.message, second.value.details) == (first.value.message, first.value.details)
        assert first.value.conflicts[0].table_id == world.tables["T1"]
        assert (await world.hold(booking, "T1")).booking_id == booking.booking_id
        assert await broken_invariants(database, world.restaurant_id) == {}


async def test_one_request_id_means_another_request_for_another_method_or_tenant(server: Served) -> None:
    request_id = new_request_id()
    async with client_of(server, ONCE_ONLY) as client, server.client(tenant_id=uuid4()) as stranger:
        world, elsewhere = await small_world(client), await small_world(stranger)
        booking = await client.put_booking(world.booking_request(request_id=request_id))
        held = await client.hold_tables(
            world.hold_request(booking.booking.booking_id, ["T1"], request_id=request_id)
        )
        assert held.hold.booking_id == booking.booking.booking_id
        theirs = await stranger.put_booking(elsewhere.booking_request(request_id=request_id, party=4))
        assert theirs.booking.restaurant_id == elsewhere.restaurant_id
        guest = await elsewhere.booking()
        kept = await stranger.hold_tables(
            elsewhere.hold_request(guest.booking_id, ["T1"], request_id=request_id)
        )
        assert kept.hold.booking_id == guest.booking_id


def client_of(server: Served, retry: RetryPolicy) -> AsyncMaitredClient:
    return AsyncMaitredClient(
        server.address, tenant_id=server.tenant_id, actor="again", timeout_s=TIMEOUT_S, retry=retry
    )


async def floor_versions(server: Served) -> int:
    """The number of changes of all restaurants that the test has."""
    async with connected(server.database_url) as database:
        return await count(database, "SELECT sum(floor_version)::bigint FROM restaurants")


async def test_a_recorded_answer_comes_when_nobody_has_the_request_any_more(
    world: World, server: Served
) -> None:
    """Or whoever sends it next, to this or another server, would be told that it still runs."""
    booking, request_id = await world.booking(), uuid4()
    async with crew_on(server.server_url, server.tenant_id) as crew:
        answer = await crew.hold(world, booking.booking_id, "T1", request_id=request_id)
        pause = Pause()
        crew.plan.arm_for("COMMIT", pause)
        repeat = asyncio.create_task(crew.hold(world, booking.booking_id, "T1", request_id=request_id))
        await pause.reached()
        assert not repeat.done()
        pause.go_on.set()
        assert await repeat == answer
