"""Kills the processes of a world at random, and starts what was killed or has ended."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from server.torture.programs import Program
from tests.races.outbox_world import OutboxWorld

# The longest that what was killed stays away, and how often somebody looks.
AWAY_S_MAX = 1.0
LOOK_S = 0.05
# How often two are killed at once, and the part of a run in which killing is over.
TOGETHER = 0.15
LAST_PART = 0.03


@dataclass(slots=True)
class Progress:
    """Committed changes, counted by the database, and how many are wanted; how often what was killed."""

    wanted: int
    committed: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    ended_by_itself: Counter[str] = field(default_factory=Counter)
    killing: bool = True

    @property
    def going(self) -> bool:
        return self.killing or self.committed < self.wanted


class Killer:
    """Kills each kind of process `kills` times, at numbers of committed changes that the seed decides."""

    def __init__(
        self, world: OutboxWorld, watching: Sequence[Program], rng: random.Random, tell: Callable[[str], None]
    ) -> None:
        self._world, self._rng, self._tell = world, rng, tell
        self._programs: Mapping[str, Sequence[Program]] = {
            "server": (world.server,),
            "worker": world.workers,
            "watchers": watching,
        }
        self._at_work = asyncio.Lock()

    async def run(self, progress: Progress, kills: int) -> None:
        order = [kind for kind in self._kinds() for _ in range(kills)]
        self._rng.shuffle(order)
        last = int(progress.wanted * (1 - LAST_PART))
        moments = sorted(self._rng.randrange(max(1, last)) for _ in order)
        try:
            while order:
                moment = moments[-len(order)]
                while progress.committed < moment:  # noqa: ASYNC110 - the database counts, and tells nobody
                    await asyncio.sleep(LOOK_S)
                victims = [order.pop()]
                if order and order[-1] != victims[0] and self._rng.random() < TOGETHER:
                    victims.append(order.pop())
                self._tell(f"{progress.committed:7} changes: kill {' and '.join(victims)}")
                await self._kill(victims)
                progress.killed.update(victims)
        finally:
            progress.killing = False

    async def revive(self, progress: Progress) -> None:
        """Starts what has ended by itself, for ever, as whatever supervises it does."""
        while True:
            async with self._at_work:
                for kind, programs in self._programs.items():
                    for program in programs:
                        if not program.running:
                            progress.ended_by_itself[kind] += 1
                            await program.start()
            await asyncio.sleep(LOOK_S)

    def _kinds(self) -> list[str]:
        return ["postgres", *(kind for kind, programs in self._programs.items() if programs)]

    async def _kill(self, victims: Sequence[str]) -> None:
        async with self._at_work:
            # One may have ended by itself since somebody looked.
            await self._start_all()
            for victim in victims:
                await self._kill_one(victim)
            await asyncio.sleep(self._rng.uniform(0, AWAY_S_MAX))
            await self._start_all()

    async def _start_all(self) -> None:
        if self._world.postgres.pid is None:
            await self._world.postgres.start()
        for programs in self._programs.values():
            for program in programs:
                await program.start()

    async def _kill_one(self, victim: str) -> None:
        if victim == "postgres":
            self._world.postgres.kill()
        else:
            running = [program for program in self._programs[victim] if program.running]
            await self._rng.choice(running).kill()
