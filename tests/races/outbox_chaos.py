"""Changes over several restaurants while PostgreSQL, the server, two workers and the watchers are killed at random.

Afterwards every committed change is at both receivers, in order per restaurant, and nothing else is; and every watcher,
killed or not, ends equal to the database without a gap or a repeat.

It starts all that it needs: a durable PostgreSQL on disk, a server, two workers, a NATS JetStream, a receiver of
webhooks, and watchers in processes of their own. It says how far it is, what was killed and what came in, and ends with
0, or with 1 and a sentence for each thing that is wrong. The seed decides what is called and killed; what meets what
depends on the machine.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

from maitred_client import AsyncMaitredClient, MaitredError
from server.persistence.failures import DRIVER_ERRORS
from server.rpc.health import ask_health
from server.torture.programs import Program
from tests.races.crowd import Crowd
from tests.races.killing import Killer, Progress
from tests.races.mixed_calls import new_crowd, one_call
from tests.races.outbox_account import Account, account
from tests.races.outbox_world import OutboxWorld, outbox_world
from tests.races.watchers import WatchCrowd, Watcher, watch_crowd
from tests.support.database import row, rows

RESTAURANTS, HOSTS = 8, 16
# A host whose call hangs gives it up and does something else; on a busy machine calls are slow and yet end.
CALL_TIMEOUT_S = 15.0
READY_WAIT_S, DRAIN_WAIT_S = 60.0, 300.0
LOOK_S, COUNT_S, COUNT_WAIT_S, TELL_S = 0.05, 0.2, 5.0, 10.0
# What a worker that is asked to stop is given to settle what it has delivered.
STOP_WAIT_S = 30.0
LINE_MAX = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """`changes` committed at least, `kills` of each kind of process."""

    changes: int
    kills: int
    watchers: int
    seed: int
    restaurants: int = RESTAURANTS
    hosts: int = HOSTS


@dataclass(frozen=True, slots=True)
class Result:
    """`wrong` has a sentence for everything that must not be."""

    progress: Progress
    told: Account
    watchers: list[Watcher]
    wrong: tuple[str, ...]


async def chaos(world: OutboxWorld, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> Result:
    rng, tenant_id = random.Random(plan.seed), uuid4()
    await _start(world)
    async with AsyncMaitredClient(
        world.address, tenant_id=tenant_id, actor="chaos", timeout_s=30.0
    ) as client:
        crowds = [await new_crowd(client, rng) for _ in range(plan.restaurants)]
        watched = [crowds[number % plan.restaurants].world.restaurant_id for number in range(plan.watchers)]
        watching = watch_crowd(world.address, tenant_id, plan.seed, world.scratch, watched)
        try:
            progress = await _change_and_kill(world, watching, plan, crowds, client, rng, tell)
        finally:
            for program in watching.programs:
                await program.kill()
    tell("delivering what is left")
    await _drained(world)
    tell("comparing what came in with what was committed")
    told = await account(world)
    watchers, wrong = await watching.wrong(world.address, tenant_id, world.url)
    return Result(progress, told, watchers, (*told.wrong, *wrong, *_complaints(world, watching)))


async def _start(world: OutboxWorld) -> None:
    for program in (world.server, *world.workers):
        await program.start()
    async with asyncio.timeout(READY_WAIT_S):
        while not (await ask_health(world.address, READY_WAIT_S)).serving:  # noqa: ASYNC110 - as a balancer does
            await asyncio.sleep(LOOK_S)


async def _change_and_kill(
    world: OutboxWorld,
    watching: WatchCrowd,
    plan: Plan,
    crowds: list[Crowd],
    client: AsyncMaitredClient,
    rng: random.Random,
    tell: Callable[[str], None],
) -> Progress:
    await watching.start()
    progress = Progress(plan.changes)
    killer = Killer(world, watching.programs, random.Random(rng.random()), tell)
    hosts = [_host(crowds, client, random.Random(rng.random()), progress) for _ in range(plan.hosts)]
    # When one of them fails, so does the run.
    async with asyncio.TaskGroup() as group:
        beside = [
            group.create_task(work)
            for work in (_count(world.url, progress), killer.revive(progress), _report(world, progress, tell))
        ]
        for task in [group.create_task(work) for work in (killer.run(progress, plan.kills), *hosts)]:
            await task
        for task in beside:
            task.cancel()
    return progress


async def _host(
    crowds: list[Crowd], client: AsyncMaitredClient, rng: random.Random, progress: Progress
) -> None:
    while progress.going:
        crowd = rng.choice(crowds)
        with suppress(TimeoutError, MaitredError):
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await one_call(crowd, client, rng)
        crowd.sent.clear()


async def _count(url: str, progress: Progress) -> None:
    """The sum of the floor versions is what was committed: only the database knows, and it is away at times."""
    query = "SELECT coalesce(sum(floor_version), 0)::bigint AS changes FROM restaurants"
    while True:
        with suppress(OSError, *DRIVER_ERRORS):
            async with asyncio.timeout(COUNT_WAIT_S):
                progress.committed = (await row(url, query))["changes"]
        await asyncio.sleep(COUNT_S)


async def _report(world: OutboxWorld, progress: Progress, tell: Callable[[str], None]) -> None:
    began, before = perf_counter(), 0
    while True:
        await asyncio.sleep(TELL_S)
        rate = (progress.committed - before) / TELL_S
        before = progress.committed
        tell(
            f"{perf_counter() - began:6.0f} s: {progress.committed} of {progress.wanted} changes,"
            f" {rate:.0f} per second, {progress.killed.total()} kills, {len(world.webhooks.posted)} events posted"
        )


async def _drained(world: OutboxWorld) -> None:
    """Until nothing waits any more, and no worker is left that could change anything."""
    waiting = "SELECT count(*) AS events FROM capacity_outbox WHERE status = 'pending'"
    async with asyncio.timeout(DRAIN_WAIT_S):
        while True:
            for worker in world.workers:
                await worker.start()
            while (await rows(world.url, waiting))[0]["events"]:  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(LOOK_S)
            # Meanwhile a worker may have cleared a hold away, and there is an event more.
            for worker in world.workers:
                await worker.stop(STOP_WAIT_S)
            if not (await rows(world.url, waiting))[0]["events"]:
                return


def _complaints(world: OutboxWorld, watching: WatchCrowd) -> Iterable[str]:
    """What programs say only when the code is at fault. That the database is away they may say with a traceback."""
    programs: dict[str, Program] = {"server": world.server}
    programs |= {f"worker {number}": worker for number, worker in enumerate(world.workers)}
    programs |= {f"watchers {number}": each for number, each in enumerate(watching.programs)}
    for name, program in programs.items():
        for line in program.log().splitlines():
            if '"level": "critical"' in line or line.startswith("Traceback"):
                yield f"{name}: {line[:LINE_MAX]}"


async def _run(plan: Plan) -> int:
    _say(
        f"seed {plan.seed}: {plan.changes} changes, {plan.kills} kills of each kind, {plan.watchers} watchers"
    )
    began = perf_counter()
    async with outbox_world(on_disk=True) as world:
        result = await chaos(world, plan, _say)
    progress, told = result.progress, result.told
    _say(f"seed {plan.seed}, {perf_counter() - began:.0f} s")
    _say(
        f"killed: {_counted(progress.killed)}; ended by itself and started again: {_counted(progress.ended_by_itself)}"
    )
    _say(
        f"{told.changes} changes, {told.events} events; the stream has {told.streamed}, the webhook got {told.posted},"
        f" {told.posted - told.events} of them repeats"
    )
    lives, seen = (
        sum(each.lives for each in result.watchers),
        sum(len(each.versions) for each in result.watchers),
    )
    _say(f"{len(result.watchers)} watchers had {lives} lives and were told of {seen} changes")
    _say(
        "\n".join(result.wrong)
        or "every event is there, in order, none invented, repeats alike and signed; no watcher has a gap or a repeat,"
        " all are equal to the database"
    )
    return 1 if result.wrong else 0


def _counted(counter: "dict[str, int]") -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(counter.items())) or "none"


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.races.outbox_chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m tests.races.outbox_chaos --changes 2000 --kills 3 --watchers 10 --seed 7",
    )
    parser.add_argument(
        "--changes", type=int, default=20_000, help="committed at least (default %(default)s)"
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=20,
        help="of each kind - a worker, the server, PostgreSQL, a process of watchers - spread over the changes at"
        " random (default %(default)s)",
    )
    parser.add_argument(
        "--watchers",
        type=int,
        default=50,
        help="spread over the restaurants; 0 for none (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="chooses calls and kills (default: random, and printed)")
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    return asyncio.run(_run(Plan(given.changes, given.kills, given.watchers, seed)))


if __name__ == "__main__":
    sys.exit(main())
