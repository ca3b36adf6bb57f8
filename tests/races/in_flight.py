"""Proof that calls are in work at the same moment: what the server counts, and a lock that lets none of them finish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc

from tests.conftest import Served
from tests.races.evidence import connected

WAIT_S_MAX = 60.0


@asynccontextmanager
async def restaurant_locked(server: Served, restaurant_id: str) -> AsyncIterator[None]:
    """Nobody else changes the restaurant inside of this block: its row is locked."""
    async with connected(server.database_url) as database, database.transaction():
        await database.execute("SELECT FROM restaurants WHERE restaurant_id = $1 FOR UPDATE", restaurant_id)
        yield


async def wait_for_calls(server: Served, calls: int) -> None:
    """Returns as soon as this many calls have reached the server and have no answer yet."""
    async with grpc.aio.insecure_channel(server.address) as channel, asyncio.timeout(WAIT_S_MAX):
        stub = channelz_pb2_grpc.ChannelzStub(channel)  # type: ignore[arg-type]
        while await _in_work(stub) < calls:  # noqa: ASYNC110 - the server counts, but tells nobody
            await asyncio.sleep(0.01)


async def _in_work(stub: channelz_pb2_grpc.ChannelzStub) -> int:
    """Of the busiest server of this process, the question itself left out."""
    answer = await stub.GetServers(channelz_pb2.GetServersRequest())
    data = [server.data for server in answer.server]
    in_work: int = max(each.calls_started - each.calls_succeeded - each.calls_failed for each in data)
    return in_work - 1
