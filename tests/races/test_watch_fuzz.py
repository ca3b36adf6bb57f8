"""C2: Watchers that are cut off and resume at random while the floor changes: none misses or repeats a change.

For a bigger run: `python -m tests.races.test_watch_fuzz WATCHERS STEPS SEED`.
"""

import asyncio
import random
import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import uuid4

from maitred_client import AsyncMaitredClient, FloorState
from maitred_client.messages import WatchFloorResponse
from server.bootstrap import serving
from server.config import Settings, load_settings
from tests.builders.world import TableSpec, World, small_world
from tests.conftest import FORMS, Served
from tests.races.crowd import Crowd
from tests.support.postgres import TestServer, running_postgres
from tests.support.watching import floor_version, require_equal_to_the_database, watch_request

WATCHERS, HOSTS, STEPS = 50, 4, 40
BOOKINGS = 40
SEED = 11
PATIENCE_S = 90.0
# A watcher lives for so many messages at most, and one in so many forgets where it was.
LIFE_MAX = 12
FORGETFUL = 0.05


@dataclass(slots=True)
class Watcher:
    """Follows a floor through many lives. `versions` are those of the changes it was told, in the order it was told."""

    clients: list[AsyncMaitredClient]
    restaurant_id: str
    rng: random.Random
    token: str = ""
    state: FloorState = field(default_factory=FloorState)
    versions: list[int] = field(default_factory=list)
    lives: int = 0
    resumed: int = 0
    newest: int | None = None

    async def follow(self) -> None:
        """Until everything was seen that had happened when `newest` became known."""
        while not self._has_seen_all():
            await self._live()

    def _has_seen_all(self) -> bool:
        return self.newest is not None and self.state.complete and self.state.floor_version >= self.newest

    async def _live(self) -> None:
        """One stream that is left without a word, in the middle of a change or while nothing happens."""
        self.lives += 1
        self.resumed += bool(self.token)
        request = watch_request(self.restaurant_id, self.token, heartbeat_s=1)
        life = self.rng.randint(1, LIFE_MAX)
        client = self.rng.choice(self.clients)
        async with aclosing(client.watch_floor(request)) as responses:
            async for response in responses:
                self._see(response)
                life -= 1
                if life <= 0 or self._has_seen_all():
                    break
        if self.rng.random() < FORGETFUL and self.newest is None:
            self.token, self.state, self.versions = "", FloorState(), []

    def _see(self, response: WatchFloorResponse) -> None:
        if response.HasField("delta"):
            self.versions.append(response.delta.floor_version)
        self.state.apply(response)
        self.token = response.resume_token or self.token


def _have_resumed(watchers: list[Watcher]) -> bool:
    """Whether each was cut off and went on, and many more than once: however late they began."""
    resumed = [watcher.resumed for watcher in watchers]
    return all(resumed) and sum(resumed) > len(resumed)


async def fuzz(
    clients: list[AsyncMaitredClient], world: World, url: str, watchers: int, steps: int, seed: int
) -> list[Watcher]:
    crowd = Crowd(world, [(await world.booking()).booking_id for _ in range(BOOKINGS)])
    found = [
        Watcher(clients, world.restaurant_id, random.Random(seed * 1_000 + number))
        for number in range(watchers)
    ]
    async with asyncio.timeout(None if steps > STEPS else PATIENCE_S), asyncio.TaskGroup() as group:
        for watcher in found:
            group.create_task(watcher.follow())
        hosts = [random.Random(seed * 100 + host) for host in range(HOSTS)]
        while not _have_resumed(found):
            await asyncio.gather(
                *(
                    crowd.wander(clients[number % len(clients)], rng, steps)
                    for number, rng in enumerate(hosts)
                )
            )
        newest = await floor_version(clients[0], world.restaurant_id)
        for watcher in found:
            watcher.newest = newest
    for watcher in found:
        assert watcher.versions == list(range(newest - len(watcher.versions) + 1, newest + 1))
        await require_equal_to_the_database(watcher.state, url, world.restaurant_id)
    return found


async def test_watchers_who_are_cut_off_at_random_end_equal_to_the_database(
    server: Served, settings: Settings
) -> None:
    """Changes and watchers go through two servers; `watch_queue_max` is so small that slow watchers are sent back."""
    print(f"seed {SEED}")
    small = settings.model_copy(update={"watch_queue_max": 8})
    async with (
        serving(small, server.database_url) as second,
        server.client() as through_first,
        AsyncMaitredClient(second.address, tenant_id=server.tenant_id) as through_second,
    ):
        world = await small_world(through_first, tables=[TableSpec(f"T{number}") for number in range(10)])
        clients = [through_first, through_second]
        watchers = await fuzz(clients, world, server.database_url, WATCHERS, STEPS, SEED)
    assert _have_resumed(watchers)


async def _run_alone(postgres: TestServer, watchers: int, steps: int, seed: int) -> None:
    settings, tenant_id = load_settings(port=0, log_level="error", watch_queue_max=8), uuid4()
    async with (
        postgres.fresh_database() as url,
        serving(settings, url) as first,
        serving(settings, url) as second,
        AsyncMaitredClient(first.address, tenant_id=tenant_id) as one,
        AsyncMaitredClient(second.address, tenant_id=tenant_id) as two,
    ):
        world = await small_world(one, tables=[TableSpec(f"T{number}") for number in range(20)])
        found = await fuzz([one, two], world, url, watchers, steps, seed)
    lives, changes = sum(watcher.lives for watcher in found), max(len(watcher.versions) for watcher in found)
    print(f"seed {seed}: {watchers} watchers, {lives} lives, {changes} changes: no gap, no repeat, all equal")


if __name__ == "__main__":
    with running_postgres(FORMS[0]) as own_postgres:
        asyncio.run(_run_alone(own_postgres, *map(int, sys.argv[1:4])))
