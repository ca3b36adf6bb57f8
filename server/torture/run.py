"""A whole run: the house, the load, the faults, and what is found when everything is quiet again."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from loadgen.acting.asking import Found
from loadgen.checking.history import digest_of, read_history
from loadgen.driving import ClientProcesses
from server.persistence.inspection import database_invariants
from server.persistence.torture import rows_of, unsettled_events
from server.torture.answers import LostAnswers
from server.torture.clock import SetClock
from server.torture.house import House, house
from server.torture.load import Load, LoadPlan
from server.torture.schedule import Kind, schedule
from server.torture.striking import Striker, Strikes
from server.torture.verdict import Promise, calls_by_outcome, enough_faults, promises

LOOK_S, TELL_S = 0.1, 5.0
DRAIN_WAIT_S = 300.0
# What a worker that is asked to stop is given to settle what it has in hand.
STOP_WAIT_S = 30.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """`kills` and `disturbances` are how many faults there are; `lost` is the share of answers that never arrive."""

    load: LoadPlan
    servers: int
    workers: int
    kills: Mapping[Kind, int]
    disturbances: int
    lost: float


@dataclass(frozen=True, slots=True)
class Beat:
    """How far the load was, so many seconds after its beginning."""

    at_s: float
    operations: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `calls` counts by method and outcome; `missing` says which faults did not come."""

    seconds: float
    found: Found
    hold_attempts: int
    calls: Mapping[str, Mapping[str, int]]
    strikes: Strikes
    beats: tuple[Beat, ...]
    lost_answers: int
    delivered: int
    promises: tuple[Promise, ...]
    missing: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return all(promise.kept for promise in self.promises) and not self.missing


async def torture(plan: Plan, history: Path, tell: Tell) -> Outcome:
    """Raises what the parts of the house raise when one of them cannot start."""
    answers = LostAnswers(random.Random(plan.load.seed), digest_of)
    clock = SetClock(history.parent / "clock")
    clock.jump(0.0)
    async with house(plan.servers, plan.workers, answers, lambda _: None) as home:
        tell("preparing restaurants and bookings")
        async with _load(plan.load, home, history, clock) as load:
            shortest_ttl_s = await load.prepare()
            answers.share = plan.lost
            strikes, beats, found = await _strike(plan, home, load, shortest_ttl_s, tell)
        answers.share = 0.0
        tell("waiting until everything runs again and every event is delivered")
        await home.start()
        await _drained(home)
        return await _judged(plan, home, history, strikes, beats, found, tell)


@asynccontextmanager
async def _load(plan: LoadPlan, home: House, history: Path, clock: SetClock) -> AsyncIterator[Load]:
    async with ClientProcesses(plan.clients) as processes:
        yield Load(plan, home.address, history, clock, processes)


async def _strike(
    plan: Plan, home: House, load: Load, shortest_ttl_s: float, tell: Tell
) -> tuple[Strikes, tuple[Beat, ...], Found]:
    """Load and faults together, until the load has gone as far as it is to and the last fault is over."""
    faults = schedule(plan.load.seed, plan.kills, plan.disturbances)
    striker = Striker(home, lambda: load.progress, load.clock.jump, tell)
    beats: list[Beat] = []
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(shortest_ttl_s))
        beside = [group.create_task(striker.revive()), group.create_task(_report(load, striker, beats, tell))]
        await group.create_task(striker.run(faults))
        while load.progress < 1.0:  # noqa: ASYNC110 - the clients report, and wake nobody
            await asyncio.sleep(LOOK_S)
        load.stop()
        found = await running
        for task in beside:
            task.cancel()
    return striker.strikes, tuple(beats), found


async def _report(load: Load, striker: Striker, beats: list[Beat], tell: Tell) -> None:
    """Every second for the result, and now and then for whoever watches."""
    told_at = monotonic()
    while True:
        await asyncio.sleep(1.0)
        pulse, now = load.pulse, monotonic()
        beats.append(Beat(now - load.began, pulse["operations"], pulse["unknown"]))
        if now - told_at >= TELL_S:
            told_at = now
            kills = sum(striker.strikes.counted[kind] for kind in Kind if kind.name.startswith("KILL"))
            tell(
                f"{now - load.began:7.1f} s: {load.progress:4.0%}, {pulse['operations']} operations,"
                f" {pulse['in_flight']} calls in flight, {pulse['unknown']} without an answer,"
                f" {kills} kills of {len(striker.strikes.struck)} faults"
            )


async def _drained(home: House) -> None:
    """Until every event is delivered, and no worker is left that could change anything."""
    if not home.workers:
        return
    async with asyncio.timeout(DRAIN_WAIT_S):
        while True:
            for worker in home.workers:
                await worker.start()
            while (await unsettled_events(home.url))[0]:  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(LOOK_S)
            # Meanwhile a worker may have cleared a hold away, and there is an event more.
            for worker in home.workers:
                await worker.stop(STOP_WAIT_S)
            if not (await unsettled_events(home.url))[0]:
                return


async def _judged(
    plan: Plan, home: House, folder: Path, strikes: Strikes, beats: tuple[Beat, ...], found: Found, tell: Tell
) -> Outcome:
    """Reads everything that there is to read, and says what it comes to."""
    tell("reading the rows")
    report, rows = await database_invariants(home.url), await rows_of(home.url)
    _, dead = await unsettled_events(home.url)
    tell("checking the history")
    history = await asyncio.to_thread(read_history, folder)
    logs = {f"server {number}": program.log() for number, program in enumerate(home.servers, 1)}
    logs |= {f"worker {number}": program.log() for number, program in enumerate(home.workers, 1)}
    kept = await asyncio.to_thread(promises, history, report, rows, dead, home, logs)
    happened = Counter({str(kind): number for kind, number in strikes.counted.items()})
    wanted = {str(kind): number for kind, number in plan.kills.items()}
    return Outcome(
        monotonic() - strikes.began,
        found,
        sum(call.method == "HoldTables" and call.attempt == 1 for call in history.calls),
        calls_by_outcome(history.calls),
        strikes,
        beats,
        home.answers.lost,
        home.receiver.received,
        kept,
        tuple(enough_faults(wanted, happened)),
    )
