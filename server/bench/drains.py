"""How fast waiting events leave: beside plain SQL and another queue, with waiting handlers, with old snapshots."""

from statistics import median

from server.bench import peer
from server.bench.figures import Figure, Findings, ratio
from server.bench.ground import Ground, Stopwatch
from server.bench.relays import (
    Count,
    NothingToDo,
    queue_on,
    relay_on,
    seconds_to_drain,
    seconds_with_waiting,
)
from server.bench.sizes import OutboxSizes
from server.outbox.events import Run
from server.persistence.bench import BenchEvents
from server.persistence.inspection import connection_to
from server.persistence.outbox import SqlEventQueue
from server.persistence.pool import Pool
from server.persistence.session import WorkerSession

RESTAURANTS = 100
PLAIN_BATCH = 100
# Handlers that wait 5 ms; the few restaurants in hand keep waiting, and not the shared cores, the limit.
WAIT_S, WAITING_RESTAURANTS_MAX = 0.005, 2
FEW_WORKERS, MORE_WORKERS = 2, 4
# A claim takes a hundred rows, as a plain queue would.
CLAIMED_RESTAURANTS, CLAIMED_EVENTS = 4, 25


async def measure_drains(ground: Ground, sizes: OutboxSizes) -> Findings:
    """The same events by our relay, by plain SQL and by pgqueuer, in turns; the first turn is not counted."""
    each = max(1, sizes.events // RESTAURANTS)
    events = each * RESTAURANTS
    ours, plain, other = [], [], []
    for repeat in range(sizes.repeats + 1):
        ground.report(f"drain of {events} events, repeat {repeat} of {sizes.repeats}")
        plain.append(events / await _plain(ground, each))
        await _fresh(ground, RESTAURANTS, each)
        ours.append(events / await seconds_to_drain(ground, events))
        if peer.is_installed():
            other.append(events / await peer.seconds_to_drain(ground, events))
    behind = {"drain_per_s": median(ours[1:]), "raw_lease_per_s": median(plain[1:])}
    if not other:
        missing = Figure("drain_vs_pgqueuer", None, note=f"{peer.PACKAGE} is missing: {peer.REMEDY}")
        return Findings((ratio("drain_vs_raw_lease", ours[1:], plain[1:]), missing), behind)
    return Findings(
        (
            ratio("drain_vs_raw_lease", ours[1:], plain[1:]),
            ratio("drain_vs_pgqueuer", ours[1:], other[1:]),
        ),
        {**behind, "pgqueuer_per_s": median(other[1:])},
    )


async def _fresh(ground: Ground, restaurants: int, each: int) -> None:
    await ground.events.clear()
    await ground.events.add(restaurants, each)


async def _plain(ground: Ground, each: int) -> float:
    await ground.events.clear()
    async with ground.events.plain_queue() as queue:
        await ground.events.add(RESTAURANTS, each)
        watch = Stopwatch()
        await queue.drain(PLAIN_BATCH)
        seconds = watch.seconds
    assert await ground.events.left() == 0, "the plain queue found all of them"
    return seconds


async def measure_workers(ground: Ground, sizes: OutboxSizes) -> Findings:
    """Two workers and four in turns, with handlers that wait."""
    places = MORE_WORKERS * WAITING_RESTAURANTS_MAX
    each = max(1, sizes.events // 5 // (10 * places))
    rates: dict[int, list[float]] = {FEW_WORKERS: [], MORE_WORKERS: []}
    for repeat in range(sizes.repeats):
        ground.report(f"handlers that wait, repeat {repeat + 1} of {sizes.repeats}")
        for workers, measured in rates.items():
            # As many restaurants as fill every place ten times, so that no worker is idle at the end.
            await _fresh(ground, 10 * places, each)
            events = 10 * places * each
            seconds = await seconds_with_waiting(ground, events, workers, WAITING_RESTAURANTS_MAX, WAIT_S)
            measured.append(events / seconds)
    behind = {f"waiting_{workers}_workers_per_s": median(measured) for workers, measured in rates.items()}
    return Findings((ratio("two_to_four_workers", rates[MORE_WORKERS], rates[FEW_WORKERS]),), behind)


class TimedQueue(SqlEventQueue):
    """Notes how long each claim took that found something."""

    def __init__(self, pool: Pool, session: WorkerSession, lease_s: float, timeout_s: float) -> None:
        super().__init__(pool, session, lease_s, timeout_s)
        self.seconds: list[float] = []

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        watch = Stopwatch()
        runs = await super().claim(runs_max, events_max)
        if runs:
            self.seconds.append(watch.seconds)
        return runs


async def measure_claims(ground: Ground, sizes: OutboxSizes) -> Findings:
    """One round after the other over many rows that nobody may clear away: the last claims beside the first."""
    each = max(CLAIMED_EVENTS, sizes.rows // RESTAURANTS)
    first, last = [], []
    for repeat in range(sizes.repeats):
        ground.report(f"claims under an old snapshot, repeat {repeat + 1} of {sizes.repeats}")
        await _fresh(ground, RESTAURANTS, each)
        async with (
            connection_to(ground.url) as elsewhere,
            BenchEvents(elsewhere).old_snapshot(),
            queue_on(ground, TimedQueue) as queue,
        ):
            events = RESTAURANTS * each
            relay = relay_on(ground, queue, NothingToDo(Count(events)), CLAIMED_RESTAURANTS, CLAIMED_EVENTS)
            while await relay.run_once():
                pass
            assert await ground.events.left() == 0, "the relay ran until nothing was left"
            tenth = max(1, len(queue.seconds) // 10)
            first.append(median(queue.seconds[:tenth]))
            last.append(median(queue.seconds[-tenth:]))
    behind = {"first_claims_ms": median(first) * 1000, "last_claims_ms": median(last) * 1000}
    return Findings((ratio("claim_under_old_snapshot", last, first),), behind)
