"""A day that a bug has to survive: a small crowd in the evening, and a quiet noon."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from loadgen.checking.history import HistoryWriter
from loadgen.driving import Line, metadata_of
from tests.builders.world import World
from tests.checker.load import CLIENTS, Client, Crowd
from tests.checker.noon import Noon
from tests.conftest import Served


async def lived(
    server: Served, world: World, folder: Path, seed: int, *, calls_max: int, contest_s: float, ttl_s: float
) -> None:
    """A crowd makes so many calls, and then noon passes. The history is in the folder afterwards."""
    crowd, left = Crowd(world, ttl_s), iter(range(calls_max))

    async def busy(client: Client) -> None:
        while next(left, None) is not None:
            await client.act()

    async with AsyncExitStack() as stack:
        metadata = metadata_of(server.tenant_id, actor="crowd")
        lines = [await stack.enter_async_context(Line(server.address, metadata)) for _ in range(CLIENTS)]
        clients = [
            Client(line, HistoryWriter(folder, number, str(seed)), crowd, Random(f"{seed}/{number}"))
            for number, line in enumerate(lines)
        ]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(busy(client))
        await Noon(clients[0]).passes(contest_s)
