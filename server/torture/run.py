"""A whole run: the house, the load, the faults, and what is found when everything is quiet again."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from loadgen.acting.asking import Found
from loadgen.checking.against_database import State
from loadgen.checking.history import digest_of, read_history
from loadgen.driving import together
from loadgen.running import LoadRun
from server.persistence.evidence import database_evidence
from server.persistence.inspection import database_invariants
from server.persistence.torture import rows_of, waiting_events
from server.torture.answers import LostAnswers
from server.torture.clock import SetClock
from server.torture.house import House, house
from server.torture.load import Burden, Load
from server.torture.programs import Program
from server.torture.schedule import Kind, schedule
from server.torture.striking import Striker, Strikes
from server.torture.verdict import Evidence, Promise, calls_by_outcome, enough_faults, promises
from server.torture.watching import Watchers, watching

LOOK_S, TELL_S = 0.1, 5.0
DRAIN_WAIT_S = 300.0
# What a worker that is asked to stop is given to settle what it has in hand.
STOP_WAIT_S = 30.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """`kills` and `disturbances` are how many faults there are; `lost` is the share of answers that never arrive."""

    seed: int
    burden: Burden
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
    """Writes the history into that folder, and what the programs said.

    Raises `StartError`.
    """
    answers = LostAnswers(random.Random(plan.seed), digest_of)
    with tempfile.TemporaryDirectory(prefix="maitred-") as folder:
        clock = SetClock(Path(folder) / "clock")
        clock.jump(0.0)
        async with house(plan.servers, plan.workers, answers) as home:
            tell("preparing restaurants and bookings")
            async with LoadRun(plan.burden.plan(home.address, plan.seed, history, clock)) as running:
                await running.prepare()
                place = running.place
                restaurants = plan.burden.scenario.floors.restaurants
                restaurant_ids = [place.restaurant_id(number) for number in range(restaurants)]
                async with watching(home.address, place.tenant_id, restaurant_ids) as watchers:
                    answers.share = plan.lost
                    struck = await _strike(plan, home, Load(plan.burden, running), clock, tell)
                    answers.share = 0.0
                    tell("waiting until everything runs again, every event is delivered and watchers know it")
                    await home.start()
                    await drained(home.workers, home.url)
                    await watchers.catch_up()
                    return await _judged(home, plan, history, struck, watchers, tell)


Struck: TypeAlias = tuple[Strikes, tuple[Beat, ...], Found]


async def _strike(plan: Plan, home: House, load: Load, clock: SetClock, tell: Tell) -> Struck:
    """Load and faults together, until the load has gone as far as it is to and the last fault is over."""
    striker = Striker(home, lambda: load.progress, clock.jump, tell)
    beats: list[Beat] = []
    async with together() as group:
        running = group.create_task(load.run())
        beside = [group.create_task(striker.revive()), group.create_task(_report(load, striker, beats, tell))]
        await group.create_task(striker.run(schedule(plan.seed, plan.kills, plan.disturbances)))
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


async def drained(workers: Sequence[Program], url: str) -> None:
    """Until every event is delivered, or has had its time, and no worker is left that could change anything.

    What is still waiting then never comes, and the verdict says so.
    """
    until = monotonic() + DRAIN_WAIT_S
    while workers:
        for worker in workers:
            await worker.start()
        while await waiting_events(url) and monotonic() < until:  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(LOOK_S)
        for worker in workers:
            await worker.stop(STOP_WAIT_S)
        # Before it stopped a worker may have cleared a hold away, and there is an event more.
        if monotonic() >= until or not await waiting_events(url):
            return


async def _judged(
    home: House, plan: Plan, folder: Path, struck: Struck, watchers: Watchers, tell: Tell
) -> Outcome:
    """Reads everything that there is to read, and says what it comes to."""
    strikes, beats, found = struck
    tell("reading the rows")
    report, rows = await database_invariants(home.url), await rows_of(home.url)
    state = State(**await database_evidence(home.url))
    logs = home.logs()
    for name, log in logs.items():
        (folder / f"{name}.log").write_text(log)
    tell("checking the history")
    history = await asyncio.to_thread(read_history, folder)
    evidence = Evidence(history, state, report, rows, home.answers, home.receiver, watchers.all, logs)
    kept = await asyncio.to_thread(promises, evidence, delivering=plan.workers > 0)
    return Outcome(
        strikes.seconds,
        found,
        sum(call.method == "HoldTables" and call.attempt == 1 for call in history.calls),
        calls_by_outcome(history.calls),
        strikes,
        beats,
        home.answers.lost,
        home.receiver.received,
        kept,
        tuple(enough_faults(plan.kills, plan.disturbances, strikes.counted)),
    )
