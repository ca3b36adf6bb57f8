"""Proof that calls are in work at the same moment: what the server counts."""

import asyncio

import grpc.aio
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc

from tests.conftest import Served

WAIT_S_MAX = 60.0


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
