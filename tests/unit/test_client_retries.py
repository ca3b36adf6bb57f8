"""The channel repeats what may be repeated, with the same request_id and within the same deadline."""

import asyncio
import dataclasses
import json
import time
from typing import Any
from uuid import UUID

import grpc
import pytest

from maitred.v1.assignment_service_pb2 import GetHoldRequest, HoldTablesRequest
from maitred.v1.inventory_pb2 import Adjacency, Floor
from maitred.v1.inventory_service_pb2 import PutFloorRequest
from maitred_client import (
    AsyncMaitredClient,
    DrainingError,
    MaitredClient,
    RetryPolicy,
    ServerOverloadedError,
    TableConflictHeldError,
)
from maitred_client.channel import channel_options, service_config
from tests.support.gate import gate_to
from tests.support.scripted_server import TENANT, Refusal, ScriptedServer, refusal, scripted_server

IN_PROGRESS = refusal(grpc.StatusCode.UNAVAILABLE, "REQUEST_IN_PROGRESS")
DRAINING = refusal(grpc.StatusCode.UNAVAILABLE, "DRAINING")
CUT = Refusal(grpc.StatusCode.CANCELLED, "the process went away")


def request_ids(server: ScriptedServer) -> list[str]:
    return [HoldTablesRequest.FromString(asked.request).request_id for asked in server.asked]


@pytest.mark.parametrize("failure", [IN_PROGRESS, CUT], ids=["UNAVAILABLE", "CANCELLED"])
async def test_repeats_of_a_call_carry_the_request_id_that_was_filled_in(failure: Refusal) -> None:
    request = HoldTablesRequest(booking_id="b1")
    async with scripted_server() as server:
        server.will("HoldTables", failure, failure)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            await client.hold_tables(request)
    ids = request_ids(server)
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert UUID(ids[0]).version == 4
    assert request.request_id == "", "the caller's message is not touched"


async def test_the_sync_client_repeats_in_the_same_way() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", DRAINING, CUT)
        with MaitredClient(server.address, tenant_id=TENANT) as client:
            await asyncio.to_thread(client.hold_tables, HoldTablesRequest())
    assert len(request_ids(server)) == 3
    assert len(set(request_ids(server))) == 1


async def test_a_request_id_of_the_callers_own_is_kept() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", DRAINING)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            await client.hold_tables(HoldTablesRequest(request_id="mine"))
    assert request_ids(server) == ["mine", "mine"]


async def test_two_calls_with_one_message_are_two_intentions() -> None:
    request = HoldTablesRequest()
    async with (
        scripted_server() as server,
        AsyncMaitredClient(server.address, tenant_id=TENANT) as client,
    ):
        await client.hold_tables(request)
        await client.hold_tables(request)
    assert len(set(request_ids(server))) == 2


async def test_a_call_that_keeps_failing_ends_after_five_attempts_with_the_last_reason() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", *[DRAINING] * 9)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            with pytest.raises(DrainingError) as failed:
                await client.hold_tables(HoldTablesRequest())
    assert len(server.asked) == 5
    assert {failed.value.request_id} == set(request_ids(server))


async def test_a_refusal_is_not_repeated() -> None:
    async with scripted_server() as server:
        server.will("HoldTables", refusal(grpc.StatusCode.ABORTED, "TABLE_CONFLICT_HELD"))
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            with pytest.raises(TableConflictHeldError):
                await client.hold_tables(HoldTablesRequest())
    assert len(server.asked) == 1


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_call_is_made_as_often_as_the_policy_says(attempts: int) -> None:
    async with scripted_server() as server:
        server.will("GetHold", *[DRAINING] * 3)
        few = RetryPolicy(attempts_max=attempts)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT, retry=few) as client:
            with pytest.raises(DrainingError):
                await client.get_hold(GetHoldRequest())
    assert len(server.asked) == attempts


async def test_the_server_may_say_how_long_to_wait() -> None:
    pushback = Refusal(grpc.StatusCode.UNAVAILABLE, trailing=(("grpc-retry-pushback-ms", "700"),))
    async with scripted_server() as server:
        server.will("GetHold", pushback)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            started = time.monotonic()
            await client.get_hold(GetHoldRequest())
    assert time.monotonic() - started >= 0.69


async def test_calls_are_spread_over_all_addresses_of_a_name() -> None:
    async with (
        asyncio.timeout(10),
        scripted_server() as one,
        scripted_server() as other,
        AsyncMaitredClient(f"ipv4:{one.address},{other.address}", tenant_id=TENANT) as client,
    ):
        while not (one.asked and other.asked):
            await client.get_hold(GetHoldRequest())


async def test_the_deadline_covers_all_attempts_together() -> None:
    pushback = Refusal(grpc.StatusCode.UNAVAILABLE, trailing=(("grpc-retry-pushback-ms", "300"),))
    async with scripted_server() as server:
        server.will("GetHold", pushback)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT, timeout_s=60) as client:
            await client.get_hold(GetHoldRequest(), timeout_s=9)
    first, second = (asked.time_left_s for asked in server.asked)
    # Deadlines travel rounded up to hundredths of a second.
    assert 0.0 < first < 9.1
    assert second <= first - 0.25


async def test_the_largest_floor_is_repeated_too() -> None:
    table_id = "5a0c7f2e-0c1d-4f2c-8a55-ffffffffffff"
    floor = Floor(adjacency=[Adjacency(table_a=table_id, table_b=table_id)] * 20_000)
    async with scripted_server() as server:
        server.will("PutFloor", DRAINING)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            await client.put_floor(PutFloorRequest(floor=floor))
    assert [len(asked.request) > 1_500_000 for asked in server.asked] == [True, True]


async def test_a_connection_that_was_cut_without_a_word_is_given_up_for_another() -> None:
    soon = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 200)]
    async with scripted_server() as server:
        host, port = server.address.split(":")
        async with gate_to(lambda: asyncio.open_connection(host, int(port))) as gate:
            address = f"127.0.0.1:{gate.port}"
            async with AsyncMaitredClient(address, tenant_id=TENANT, timeout_s=60, options=soon) as client:
                await client.get_hold(GetHoldRequest())
                gate.lose()
                await client.get_hold(GetHoldRequest())
    # On a busy machine the first one may have been given up before.
    assert gate.entered >= 2


def test_the_service_config_is_what_grpc_expects() -> None:
    config: dict[str, Any] = json.loads(service_config(RetryPolicy()))
    [method] = config["methodConfig"]
    assert method["retryPolicy"] == {
        "maxAttempts": 5,
        "initialBackoff": "0.050000000s",
        "maxBackoff": "1.000000000s",
        "backoffMultiplier": 3.0,
        "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
    }
    assert {"service": "maitred.v1.AssignmentService"} in method["name"]


def test_a_server_that_is_back_is_found_by_a_call_that_began_while_it_was_away() -> None:
    retry, spread = RetryPolicy(), 0.2
    growth = [retry.backoff_s_initial * retry.multiplier**n for n in range(retry.attempts_max - 1)]
    repeats_s_min = (1 - spread) * sum(min(wait_s, retry.backoff_s_max) for wait_s in growth)
    reconnect_ms = dict(channel_options(retry))["grpc.max_reconnect_backoff_ms"]
    assert isinstance(reconnect_ms, int)
    assert repeats_s_min > (1 + spread) * reconnect_ms / 1_000


def test_the_callers_channel_options_win() -> None:
    own: list[tuple[str, int | str]] = [("grpc.keepalive_timeout_ms", 5), ("grpc.my_own", "x")]
    options = dict(channel_options(RetryPolicy(), own))
    assert options["grpc.keepalive_timeout_ms"] == options["grpc.http2.ping_timeout_ms"] == 5
    assert options["grpc.my_own"] == "x"
    assert options["grpc.enable_retries"] == 1


@pytest.mark.parametrize("attempts_max", [0, 6])
def test_a_number_of_attempts_that_grpc_would_not_keep_is_refused(attempts_max: int) -> None:
    with pytest.raises(ValueError, match="attempts_max is"):
        RetryPolicy(attempts_max=attempts_max)


def test_a_policy_that_repeats_after_no_status_is_refused() -> None:
    with pytest.raises(ValueError, match="codes is empty"):
        RetryPolicy(codes=())


@pytest.mark.parametrize("length_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_backoff_that_is_no_length_is_refused(length_s: float) -> None:
    with pytest.raises(ValueError, match="backoff_s_initial is"):
        RetryPolicy(backoff_s_initial=length_s)


async def test_a_caller_may_choose_to_sit_out_an_overload_for_as_long_as_the_server_says() -> None:
    overload = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED")
    overload = dataclasses.replace(overload, trailing=(("grpc-retry-pushback-ms", "300"),))
    patient = RetryPolicy(codes=(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED))
    async with scripted_server() as server:
        server.will("GetHold", overload, overload)
        async with AsyncMaitredClient(server.address, tenant_id=TENANT) as client:
            with pytest.raises(ServerOverloadedError):
                await client.get_hold(GetHoldRequest())
        async with AsyncMaitredClient(server.address, tenant_id=TENANT, retry=patient) as client:
            started = time.monotonic()
            await client.get_hold(GetHoldRequest())
    assert time.monotonic() - started >= 0.29
    assert len(server.asked) == 3
