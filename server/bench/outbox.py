"""Everything that is measured of the outbox, in one run."""

from collections.abc import Awaitable, Callable

from server.bench.confirms import measure_confirms
from server.bench.drains import measure_claims, measure_drains, measure_workers
from server.bench.figures import Findings, Target
from server.bench.ground import Ground
from server.bench.orphans import measure_orphans
from server.bench.sizes import OutboxSizes
from server.bench.wakes import measure_wakes

TARGETS = {
    "drain_vs_raw_lease": Target("events drained in order ÷ rows of a plain queue, one worker", 0.4, True),
    "drain_vs_pgqueuer": Target("events drained in order ÷ jobs drained by pgqueuer", 1.2, True),
    "wake_p50_ms": Target("commit → handler starts, median, 20 a second", 1.5, False),
    "wake_p99_ms": Target("the same, 99th percentile", 6.0, False),
    "confirm_kept": Target(
        "confirms with outbox and wake-ups ÷ without, the worse of 8 and 32 callers", 0.95, True
    ),
    "orphan_s": Target("kill -9 of a worker → its events run elsewhere, 95th percentile", 2.0, False),
    "claim_under_old_snapshot": Target("time of a claim, last tenth ÷ first tenth, old snapshot", 2.0, False),
    "two_to_four_workers": Target("four workers ÷ two, handlers wait 5 ms", 1.8, True),
}
MEASUREMENTS: tuple[Callable[[Ground, OutboxSizes], Awaitable[Findings]], ...] = (
    measure_drains,
    measure_wakes,
    measure_confirms,
    measure_orphans,
    measure_claims,
    measure_workers,
)


async def measure_outbox(ground: Ground, sizes: OutboxSizes) -> Findings:
    """One measurement after the other, on the same database."""
    found = Findings((), {})
    for measure in MEASUREMENTS:
        found += await measure(ground, sizes)
    return found
