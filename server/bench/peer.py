"""A well-known queue on PostgreSQL for Python, beside which our drain is measured: pgqueuer."""

from datetime import timedelta
from importlib.util import find_spec

from server.bench.ground import Ground, Stopwatch
from server.persistence.inspection import connection_to

PACKAGE = "pgqueuer"
REMEDY = f"pip install {PACKAGE}"
# Tried from 10, its default, to 1,000: rates rise up to here. Its log is folded up outside of the measurement.
BATCH = 500
PAYLOAD_BYTES = 350


def is_installed() -> bool:
    return find_spec(PACKAGE) is not None


async def seconds_to_drain(ground: Ground, jobs: int) -> float:
    """One of its workers, durable tables, a handler that does nothing, until its queue is empty."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.queries import Queries
    from pgqueuer.core.qm import QueueManager
    from pgqueuer.domain.models import Job
    from pgqueuer.domain.types import QueueExecutionMode

    async with connection_to(ground.url) as connection:
        queries = Queries(AsyncpgDriver(connection))
        await queries.install()
        try:
            await queries.enqueue(["drain"] * jobs, [b"x" * PAYLOAD_BYTES] * jobs, [0] * jobs)
            manager = QueueManager(queries)
            handled = 0

            @manager.entrypoint("drain")
            async def handle(job: Job) -> None:
                nonlocal handled
                handled += 1

            watch = Stopwatch()
            await manager.run(
                batch_size=BATCH,
                mode=QueueExecutionMode.drain,
                dequeue_timeout=timedelta(seconds=1),
                log_aggregation_interval=timedelta(0),
            )
            seconds = watch.seconds
            assert handled == jobs, "the queue says that it is empty"
        finally:
            await queries.uninstall()
    return seconds
