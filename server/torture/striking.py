"""Lets the faults of a schedule happen, each when its time has come."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

import psutil

from loadgen.driving import together
from server.bootstrap import StartError
from server.persistence.torture import locked_restaurants, taken_connections
from server.torture.house import House
from server.torture.passage import Link, Passage
from server.torture.programs import Program
from server.torture.schedule import Fault, Kind

LOOK_S = 0.05
# Each piece of what a slowed connection carries waits so long.
SLOW_S = 0.05
# How long a server process that is to be killed may be away.
SERVER_WAIT_S = 60.0

Disturb: TypeAlias = Callable[[Fault], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that happened, so many seconds after the beginning; `note` says to whom or to how many."""

    at_s: float
    fault: Fault
    note: str


@dataclass(slots=True)
class Strikes:
    """What happened so far. `seconds` is how long it took, once it is over.

    `ended_by_itself` counts programs that nobody had killed and that were started again.
    """

    began: float = field(default_factory=monotonic)
    struck: list[Struck] = field(default_factory=list)
    ended_by_itself: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def counted(self) -> Counter[Kind]:
        return Counter(struck.fault.kind for struck in self.struck)


class Striker:
    """Strikes a house.

    `jump` sets the clients' wall clock by so many seconds; `progress` is the part of the run that is over, from 0 to 1.
    """

    def __init__(
        self,
        house: House,
        progress: Callable[[], float],
        jump: Callable[[float], None],
        tell: Callable[[str], None],
    ) -> None:
        self._house, self._progress, self._jump, self._tell = house, progress, jump, tell
        self._at_work = asyncio.Lock()
        self.strikes = Strikes()
        front, back = house.front, house.back
        self._disturbances: Mapping[Kind, Disturb] = {
            Kind.PAUSE_SERVER: lambda fault: _paused(house.server_processes(), fault),
            Kind.PAUSE_WORKER: lambda fault: _paused(_of(house.workers), fault),
            Kind.CUT_CALLS: lambda fault: _disturbed(front, fault, Link.cut),
            Kind.CUT_ANSWERS: lambda fault: _disturbed(front, fault, Link.cut_in_mid_answer),
            Kind.SWALLOW_ANSWERS: lambda fault: _disturbed(front, fault, Link.swallow, Link.cut),
            Kind.STALL_CALLS: lambda fault: _disturbed(front, fault, Link.stall, Link.resume),
            Kind.SLOW_CALLS: lambda fault: _disturbed(front, fault, _slow, _hurry),
            Kind.CUT_DATABASE: lambda fault: _disturbed(back, fault, Link.cut),
            Kind.CUT_DATABASE_ANSWERS: lambda fault: _disturbed(back, fault, Link.cut_in_mid_answer),
            Kind.SWALLOW_DATABASE: lambda fault: _disturbed(back, fault, Link.swallow, Link.cut),
            Kind.STALL_DATABASE: lambda fault: _disturbed(back, fault, Link.stall, Link.resume),
            Kind.SLOW_DATABASE: lambda fault: _disturbed(back, fault, _slow, _hurry),
            Kind.HOG_CONNECTIONS: lambda _: taken_connections(house.url, house.connections_max),
            Kind.HOG_RESTAURANTS: lambda _: locked_restaurants(house.url),
            Kind.JUMP_CLOCK: self._jumped,
        }

    async def run(self, faults: Sequence[Fault]) -> None:
        """Until the last fault is over; everything runs again then."""
        try:
            async with together() as group:
                for fault in faults:
                    while self._progress() < fault.at:  # noqa: ASYNC110 - the clients report, and wake nobody
                        await asyncio.sleep(LOOK_S)
                    if fault.kind in self._disturbances:
                        group.create_task(self._disturb(fault))
                    else:
                        await self._kill(fault)
        finally:
            self.strikes.seconds = monotonic() - self.strikes.began

    async def revive(self) -> None:
        """Starts what has ended by itself, for ever, as whatever supervises it does."""
        while True:
            async with self._at_work:
                for program in self._house.programs:
                    if not program.running:
                        kind = "server" if program is self._house.servers else "worker"
                        self.strikes.ended_by_itself[kind] += 1
                        await program.start()
            await asyncio.sleep(LOOK_S)

    async def _disturb(self, fault: Fault) -> None:
        async with AsyncExitStack() as stack:
            # Not while PostgreSQL is starting, which needs a connection of its own.
            async with self._at_work:
                met = await stack.enter_async_context(self._disturbances[fault.kind](fault))
            self._note(fault, str(met))
            await asyncio.sleep(fault.lasts_s)

    async def _kill(self, fault: Fault) -> None:
        house = self._house
        async with self._at_work:
            if fault.kind is Kind.KILL_POSTGRES:
                house.postgres.kill()
                victim = ""
            elif fault.kind is Kind.KILL_SUPERVISOR:
                victim = await _kill_program(house.servers)
            elif fault.kind is Kind.KILL_SERVER:
                victim = await self._kill_server(fault)
            else:
                victim = await _kill_program(house.workers[fault.choice(len(house.workers))])
            self._note(fault, victim)
            await asyncio.sleep(fault.lasts_s)
            await house.start_postgres()
            for program in house.programs:
                await program.start()

    async def _kill_server(self, fault: Fault) -> str:
        house = self._house
        try:
            async with asyncio.timeout(SERVER_WAIT_S):
                while not (there := house.server_processes()):
                    await house.servers.start()
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise StartError(f"no server process is there for {SERVER_WAIT_S:g} s: {house.said()}") from None
        victim = there[fault.choice(len(there))]
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        if house.processes == 1:
            await house.servers.ended()
        return f"process {victim.pid}"

    def _note(self, fault: Fault, note: str) -> None:
        at_s = monotonic() - self.strikes.began
        self.strikes.struck.append(Struck(at_s, fault, note))
        self._tell(f"{at_s:7.1f} s: {fault.kind}{f' ({note})' if note else ''}")

    @asynccontextmanager
    async def _jumped(self, fault: Fault) -> AsyncIterator[str]:
        self._jump(fault.jump_s)
        try:
            yield f"{fault.jump_s:+.0f} s"
        finally:
            self._jump(0.0)


async def _kill_program(program: Program) -> str:
    # It may have ended by itself since somebody looked.
    await program.start()
    victims = program.itself()
    await program.kill()
    return ", ".join(f"process {victim.pid}" for victim in victims)


def _of(programs: Sequence[Program]) -> list[psutil.Process]:
    return [process for program in programs for process in program.itself()]


@asynccontextmanager
async def _paused(there: Sequence[psutil.Process], fault: Fault) -> AsyncIterator[str]:
    if not there:
        yield "there is none"
        return
    victim = there[fault.choice(len(there))]
    with suppress(psutil.NoSuchProcess):
        victim.suspend()
    try:
        yield f"process {victim.pid}, {fault.lasts_s:.1f} s"
    finally:
        with suppress(psutil.NoSuchProcess):
            victim.resume()


def _chosen(passage: Passage, fault: Fault) -> list[Link]:
    """So large a share of the connections that there are now, at least one if there is any."""
    links = list(passage.links)
    wanted = min(len(links), max(1, round(len(links) * fault.share)))
    return random.Random(fault.draw).sample(links, wanted)


@asynccontextmanager
async def _disturbed(
    passage: Passage, fault: Fault, begin: Callable[[Link], None], end: Callable[[Link], None] | None = None
) -> AsyncIterator[str]:
    """Some connections, for as long as the block lasts where there is an end to it."""
    links = _chosen(passage, fault)
    for link in links:
        begin(link)
    try:
        yield f"{len(links)} connections"
    finally:
        if end is not None:
            for link in links:
                end(link)


def _slow(link: Link) -> None:
    link.slow(SLOW_S)


def _hurry(link: Link) -> None:
    link.slow(0.0)
