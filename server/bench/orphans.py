"""How soon events run elsewhere when the worker that had them in hand is killed."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import web

from server.bench import programs
from server.bench.figures import Findings, percentile
from server.bench.ground import Ground
from server.bench.sizes import OutboxSizes
from server.bench.webhooks import SECRET, listening

RESTAURANTS = 4
WORKERS = ("a", "b")
RUNS_ELSEWHERE_S_MAX = 60.0


@dataclass(slots=True)
class Receiver:
    """Gets every event of both workers, each under its own path, and answers nobody as long as it is closed."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: "asyncio.Queue[tuple[str, str, float]]" = field(default_factory=asyncio.Queue)

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            await request.read()
            told = (request.path.strip("/"), request.headers["webhook-id"], perf_counter())
            self.arrived.put_nowait(told)
            await self.opened.wait()
        return web.Response(status=204)


async def measure_orphans(ground: Ground, sizes: OutboxSizes) -> Findings:
    """Two real workers; each time both have events in hand, or one has them all, and one that has some is killed."""
    await ground.events.clear()
    waits = []
    receiver = Receiver()
    async with listening(receiver) as port, AsyncExitStack() as stack:
        workers = {name: await stack.enter_async_context(_worker(ground, port, name)) for name in WORKERS}
        for kill in range(sizes.kills):
            ground.report(f"kill {kill + 1} of {sizes.kills}")
            receiver.opened.clear()
            await ground.events.add(RESTAURANTS, 1)
            await ground.events.announce()
            holders = await _all_in_hand(receiver)
            # One after the other, if the other has anything in hand at all.
            wanted = WORKERS[kill % len(WORKERS)]
            victim = wanted if wanted in holders.values() else next(iter(holders.values()))
            orphans = {event_id for event_id, name in holders.items() if name == victim}
            await workers[victim].kill()
            killed = perf_counter()
            receiver.opened.set()
            waits.append([await _run_elsewhere(receiver, orphans, victim) - killed])
            if len(waits) < sizes.kills:
                workers[victim] = await stack.enter_async_context(_worker(ground, port, victim))
    return Findings((percentile("orphan_s", waits, 95),), {"kills": float(len(waits))})


def _worker(ground: Ground, port: int, name: str) -> AbstractAsyncContextManager[programs.Program]:
    return programs.worker(
        ground.url,
        sinks="webhook",
        webhook_url=f"http://127.0.0.1:{port}/{name}",
        webhook_secret=SECRET,
    )


async def _all_in_hand(receiver: Receiver) -> dict[str, str]:
    """Which worker has which event, once all are with one."""
    holders: dict[str, str] = {}
    async with asyncio.timeout(RUNS_ELSEWHERE_S_MAX):
        while len(holders) < RESTAURANTS:
            name, event_id, _ = await receiver.arrived.get()
            holders[event_id] = name
    return holders


async def _run_elsewhere(receiver: Receiver, orphans: set[str], victim: str) -> float:
    """When the last of them had come from the other worker."""
    at = 0.0
    async with asyncio.timeout(RUNS_ELSEWHERE_S_MAX):
        while orphans:
            name, event_id, at = await receiver.arrived.get()
            if name != victim:
                orphans.discard(event_id)
    return at
