"""Changes over several restaurants while PostgreSQL, the server and two workers are killed at random.

Afterwards every event is where it belongs, in order.

`python -m tests.races.outbox_chaos [--changes N] [--kills N] [--seed N]` starts all of them, a NATS JetStream and a
receiver of webhooks, and prints what was killed and what came in.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

from maitred_client import AsyncMaitredClient
from server.rpc.health import ask_health
from tests.builders.world import TableSpec, small_world
from tests.races.crowd import Crowd
from tests.races.outbox_account import Account, account
from tests.races.outbox_world import OutboxWorld, outbox_world
from tests.support.database import rows

RESTAURANTS, TABLES, BOOKINGS, HOSTS = 5, 12, 24, 8
# While something is away a host gives up soon and does something else.
CALL_TIMEOUT_S = 3.0
READY_WAIT_S, DRAIN_WAIT_S = 60.0, 180.0
LOOK_S = 0.05
# The longest that what was killed stays away.
AWAY_S_MAX = 1.0


@dataclass(slots=True)
class Progress:
    """How many calls changed something, as far as the hosts know, and how many are wanted."""

    wanted: int
    done: int = 0
    killed: Counter[str] = field(default_factory=Counter)


async def chaos(
    world: OutboxWorld, changes: int, kills: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> tuple[Progress, Account]:
    """At least `changes` committed changes, `kills` kills spread over them at random, and what came in."""
    rng = random.Random(seed)
    await _start(world)
    async with AsyncMaitredClient(world.address, tenant_id=uuid4(), actor="chaos", timeout_s=30.0) as client:
        crowds = [await _crowd(client, rng) for _ in range(RESTAURANTS)]
        progress = Progress(changes)
        killing = asyncio.create_task(_kill(world, progress, kills, random.Random(rng.random()), tell))
        while progress.done < progress.wanted:
            await asyncio.gather(
                *(_host(crowds, client, random.Random(rng.random()), progress) for _ in range(HOSTS))
            )
            if progress.done >= progress.wanted:
                await killing
                # Some answers were not changes.
                progress.wanted += max(0, changes - await _changes(world.url))
    tell("delivering what is left")
    await _drained(world.url)
    return progress, await account(world)


async def _start(world: OutboxWorld) -> None:
    for program in (world.server, *world.workers):
        await program.start()
    async with asyncio.timeout(READY_WAIT_S):
        while not (await ask_health(world.address, READY_WAIT_S)).serving:  # noqa: ASYNC110 - as a balancer does
            await asyncio.sleep(LOOK_S)


async def _crowd(client: AsyncMaitredClient, rng: random.Random) -> Crowd:
    """A restaurant of its own, with parties that wait for tables."""
    place = await small_world(client, tables=[TableSpec(f"T{number:02}") for number in range(TABLES)])
    return Crowd(place, [(await place.booking(party=rng.randint(1, 6))).booking_id for _ in range(BOOKINGS)])


async def _host(
    crowds: list[Crowd], client: AsyncMaitredClient, rng: random.Random, progress: Progress
) -> None:
    while progress.done < progress.wanted:
        crowd = rng.choice(crowds)
        before = len(crowd.sent)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await crowd.wander(client, rng, 1)
        except TimeoutError:
            continue
        progress.done += sum(sent.answer is not None for sent in crowd.sent[before:])
        crowd.sent.clear()


async def _kill(
    world: OutboxWorld, progress: Progress, kills: int, rng: random.Random, tell: Callable[[str], None]
) -> None:
    """Kills when so many changes are done, and starts again a moment later."""
    moments = sorted(rng.randrange(max(1, progress.wanted * 9 // 10)) for _ in range(kills))
    for number, moment in enumerate(moments, start=1):
        while progress.done < moment:  # noqa: ASYNC110 - the hosts count, and nobody waits for a number
            await asyncio.sleep(LOOK_S)
        victims = [rng.choice(VICTIMS)] if rng.random() < 0.8 else rng.sample(VICTIMS, 2)
        tell(f"{progress.done:6} changes, kill {number} of {kills}: {' and '.join(victims)}")
        for victim in victims:
            await KILLED_BY[victim](world)
        await asyncio.sleep(rng.uniform(0, AWAY_S_MAX))
        if world.postgres.pid is None:
            await world.postgres.start()
        for program in (world.server, *world.workers):
            await program.start()
        progress.killed.update(victims)


async def _kill_postgres(world: OutboxWorld) -> None:
    world.postgres.kill()


KILLED_BY: Mapping[str, Callable[[OutboxWorld], Awaitable[None]]] = {
    "postgres": _kill_postgres,
    "server": lambda world: world.server.kill(),
    "worker 1": lambda world: world.workers[0].kill(),
    "worker 2": lambda world: world.workers[1].kill(),
}
VICTIMS = sorted(KILLED_BY)


async def _changes(url: str) -> int:
    (row,) = await rows(url, "SELECT coalesce(sum(floor_version), 0)::bigint AS changes FROM restaurants")
    return int(row["changes"])


async def _drained(url: str) -> None:
    """Until nothing waits any more."""
    waiting = "SELECT count(*) AS events FROM capacity_outbox WHERE status = 'pending'"
    async with asyncio.timeout(DRAIN_WAIT_S):
        while (await rows(url, waiting))[0]["events"]:  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(LOOK_S)


async def _run(arguments: argparse.Namespace) -> int:
    began = perf_counter()
    async with outbox_world(on_disk=True) as world:
        progress, told = await chaos(world, arguments.changes, arguments.kills, arguments.seed, _say)
        broken = [
            line for worker in world.workers for line in worker.log().splitlines() if "critical" in line
        ]
    killed = ", ".join(f"{name} {times}" for name, times in sorted(progress.killed.items()))
    _say(f"seed {arguments.seed}, {perf_counter() - began:.0f} s, killed: {killed}")
    _say(
        f"{told.changes} changes, {told.events} events; the stream has {told.streamed}, the webhook got {told.posted},"
        f" {told.posted - told.events} of them repeats"
    )
    wrong = [*told.wrong, *broken]
    _say("\n".join(wrong) or "every event in order, none missing, none invented, repeats alike and signed")
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.races.outbox_chaos", description=__doc__)
    parser.add_argument("--changes", type=int, default=20_000, help="to be committed at least")
    parser.add_argument("--kills", type=int, default=60, help="spread over them at random")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
