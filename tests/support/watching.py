"""Watching a floor in a test: responses one by one, or a state that follows until it has seen a floor version."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import grpc
import grpc.aio

from maitred.v1 import assignment_service_pb2_grpc
from maitred_client import AsyncMaitredClient, FloorState, timestamp
from maitred_client.messages import (
    GetRestaurantRequest,
    WatchFloorRequest,
    WatchFloorResponse,
)
from tests.builders.world import evening
from tests.support.database import connected

Call: TypeAlias = "grpc.aio.UnaryStreamCall[WatchFloorRequest, WatchFloorResponse]"

PATIENCE_S = 30.0
FORTNIGHT = timedelta(days=14)


def watch_request(restaurant_id: str, token: str = "", heartbeat_s: int = 0) -> WatchFloorRequest:
    """Everything from now on to a fortnight after the evening on which the world's parties come."""
    request = WatchFloorRequest(
        restaurant_id=restaurant_id, resume_token=token, window_end=timestamp(evening() + FORTNIGHT)
    )
    if heartbeat_s:
        request.heartbeat.seconds = heartbeat_s
    return request


@dataclass(slots=True)
class Sights:
    """The responses of one watch."""

    responses: AsyncIterator[WatchFloorResponse]
    state: FloorState = field(default_factory=FloorState)
    token: str = ""

    async def next(self) -> WatchFloorResponse:
        async with asyncio.timeout(PATIENCE_S):
            response = await anext(self.responses)
        self.token = response.resume_token or self.token
        self.state.apply(response)
        return response

    async def until(self, floor_version: int) -> list[WatchFloorResponse]:
        """What comes until the floor has this version."""
        found = []
        async with asyncio.timeout(PATIENCE_S):
            while self.state.floor_version < floor_version or not self.state.complete:
                found.append(await self.next())
        return found


@asynccontextmanager
async def watching(
    client: AsyncMaitredClient, restaurant_id: str, token: str = "", heartbeat_s: int = 0
) -> AsyncIterator[Sights]:
    """A watch from a snapshot, which has come, or from a token on."""
    request = watch_request(restaurant_id, token, heartbeat_s)
    async with aclosing(client.watch_floor(request)) as responses:
        sights = Sights(responses)
        if not token:
            await sights.until(0)
        yield sights


@asynccontextmanager
async def one_watch(client: AsyncMaitredClient, restaurant_id: str, token: str = "") -> AsyncIterator[Call]:
    """One stream, without the client's going on by itself."""
    stub = assignment_service_pb2_grpc.AssignmentServiceStub(client._channel)
    request = watch_request(restaurant_id, token, heartbeat_s=1)
    call = stub.WatchFloor(request, metadata=client._settings.metadata)
    try:
        yield call
    except grpc.RpcError as failure:
        raise client._settings.error(failure, request) from failure
    finally:
        call.cancel()


async def floor_version(client: AsyncMaitredClient, restaurant_id: str) -> int:
    request = GetRestaurantRequest(restaurant_id=restaurant_id)
    return (await client.get_restaurant(request)).restaurant.floor_version


def event_types(responses: Iterable[WatchFloorResponse]) -> list[list[str]]:
    """By change, in order, the types of its events."""
    return [
        [event.event_type.removeprefix("capacity.") for event in response.delta.events]
        for response in responses
        if response.HasField("delta")
    ]


Owned = tuple[str, str, tuple[str, ...], datetime, datetime]


def claims_of(state: FloorState, now: datetime) -> set[Owned]:
    """Owner, booking, tables and window of what a watcher takes for live."""
    return {
        (claim.owner_id, claim.booking_id, claim.table_ids, claim.window_start, claim.window_end)
        for claim in state.live_claims(now)
    }


_STORED = """
    WITH clock AS (SELECT clock_timestamp() AS now)
    SELECT hold_id::text AS owner, booking_id::text AS booking, table_ids::text[] AS tables, window_start, window_end
    FROM holds, clock WHERE restaurant_id = $1::text::uuid AND state = 'active' AND expires_at > now
    UNION ALL
    SELECT assignment_id::text, booking_id::text, table_ids::text[], window_start, window_end
    FROM assignments, clock WHERE restaurant_id = $1::text::uuid AND state = 'active' AND window_end > now
    UNION ALL
    SELECT block_id::text, '', table_ids::text[], window_start, window_end
    FROM blocks, clock WHERE restaurant_id = $1::text::uuid AND NOT released AND window_end > now
"""


@dataclass(frozen=True, slots=True)
class StoredFloor:
    """What the database has of a floor, all at one instant of its clock."""

    now: datetime
    claims: set[Owned]
    versions: dict[str, int]


async def stored_floor(url: str, restaurant_id: str) -> StoredFloor:
    async with connected(url) as connection, connection.transaction(isolation="repeatable_read"):
        now = await connection.fetchval("SELECT clock_timestamp()")
        rows = await connection.fetch(_STORED, restaurant_id)
        versions = await connection.fetchrow(
            "SELECT floor_version, inventory_version, policy_version FROM restaurants"
            " WHERE restaurant_id = $1::text::uuid",
            restaurant_id,
        )
    assert versions is not None
    claims = {
        (row["owner"], row["booking"], tuple(row["tables"]), row["window_start"], row["window_end"])
        for row in rows
    }
    return StoredFloor(now, claims, dict(versions))


def differences(state: FloorState, stored: StoredFloor) -> list[str]:
    """A sentence for each thing that a watcher takes for true and the database does not, or the reverse."""
    seen = claims_of(state, stored.now)
    versions = {name: getattr(state, name) for name in stored.versions}
    return [
        *(
            f"{name} is {versions[name]}, not {value}"
            for name, value in stored.versions.items()
            if versions[name] != value
        ),
        *(f"a claim that is not there: {claim}" for claim in sorted(seen - stored.claims)),
        *(f"a claim is missing: {claim}" for claim in sorted(stored.claims - seen)),
    ]


async def require_equal_to_the_database(state: FloorState, url: str, restaurant_id: str) -> None:
    assert differences(state, await stored_floor(url, restaurant_id)) == []


async def opened(client: AsyncMaitredClient, restaurant_id: str, token: str = "") -> object:
    """The first response of a stream."""
    async with one_watch(client, restaurant_id, token) as call:
        return await call.read()
