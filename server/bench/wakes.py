"""How long after a commit a handler starts: a real server, a real worker elsewhere, twenty changes a second."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from maitred_client import AsyncMaitredClient
from server.bench import programs
from server.bench.figures import Findings, percentile
from server.bench.floors import House, floor_in_rows, open_house
from server.bench.ground import Ground, Stopwatch
from server.bench.sizes import OutboxSizes
from server.bootstrap import serving
from server.persistence.bench import Commits, noting_commits

RATE_PER_S = 20.0
RESTAURANTS = 5
LATE_S_MAX = 30.0
LOOK_S = 0.02


class Starts:
    """When the worker's handler started with which change, read from the lines of its log."""

    def __init__(self) -> None:
        self.at: Commits = {}

    def __call__(self, line: str) -> None:
        told = _document(line)
        if told.get("event") == "capacity_event":
            version, _, position = told["sequence"].partition(".")
            if int(position) == 1:
                self.at[UUID(told["restaurant_id"]), int(version)] = datetime.fromisoformat(
                    told["timestamp"]
                ).timestamp()


def _document(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


async def measure_wakes(ground: Ground, sizes: OutboxSizes) -> Findings:
    """Each change is one call, at a random moment (Poisson): changes come in bunches, as they do in earnest."""
    await ground.events.clear()
    commits: Commits = {}
    starts = Starts()
    async with (
        serving(ground.settings, ground.url, noting_commits(commits)) as server,
        programs.worker(ground.url, starts, sinks="log", log_level="info"),
        AsyncMaitredClient(server.address, tenant_id=uuid4()) as client,
    ):
        houses = [await open_house(client, floor_in_rows(1)) for _ in range(RESTAURANTS)]
        await _started(lambda: commits.keys() <= starts.at.keys())
        repeats = []
        for repeat in range(sizes.repeats):
            ground.report(f"wake-ups, repeat {repeat + 1} of {sizes.repeats}")
            commits.clear()
            await _changes(houses, sizes.wakes, random.Random(repeat))
            await _started(lambda: commits.keys() <= starts.at.keys())
            repeats.append([(starts.at[key] - commits[key]) * 1000 for key in commits])
    return Findings(
        (percentile("wake_p50_ms", repeats, 50), percentile("wake_p99_ms", repeats, 99)),
        {"wakes": float(sum(map(len, repeats)))},
    )


async def _changes(houses: Sequence[House], count: int, rng: random.Random) -> None:
    calls = []
    for number in range(count):
        await asyncio.sleep(rng.expovariate(RATE_PER_S))
        house = houses[number % len(houses)]
        calls.append(asyncio.create_task(house.book(next(house.seats()).start)))
    await asyncio.gather(*calls)


async def _started(all_of_them: Callable[[], bool]) -> None:
    watch = Stopwatch()
    while not all_of_them():
        assert watch.seconds < LATE_S_MAX, "every committed event gets to its handler"
        await asyncio.sleep(LOOK_S)
