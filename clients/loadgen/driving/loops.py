"""When something is done: as soon as the last is over, or when its time has come."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic_ns
from typing import Any, TypeAlias

SECOND_NS = 1_000_000_000

Operate: TypeAlias = Callable[[int], Coroutine[Any, Any, None]]
"""Does one operation. It gets the instant at which it was to begin, in nanoseconds of the monotonic clock: a latency
that counts from there also has the time that the operation waited for its turn in the client.
"""


@dataclass(slots=True)
class Limit:
    """When a loop begins no further operation: after so many, after so many seconds, or once `stopping` is set.

    What has begun is waited for. Without any limit a loop runs until it is stopped or cancelled.
    """

    operations: int | None = None
    duration_s: float | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def end_ns(self, begin_ns: int) -> int | None:
        """The instant from which on nothing begins."""
        return None if self.duration_s is None else begin_ns + round(self.duration_s * SECOND_NS)


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks of which the first that fails ends the others: what it raised is raised, not a group of what they say."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def closed_loop(operate: Operate, in_flight: int, limit: Limit) -> None:
    """Keeps `in_flight` operations under way: each caller begins the next one when its last is over.

    A slow server gets less to do, as from callers who wait for their answers; what such a loop measures says nothing
    about callers who don't. Raises what an operation raises, after the others have been cancelled.
    """
    end_ns = limit.end_ns(monotonic_ns())
    left = limit.operations

    async def caller() -> None:
        nonlocal left
        while left != 0 and not limit.stopping.is_set():
            now_ns = monotonic_ns()
            if end_ns is not None and now_ns >= end_ns:
                return
            if left is not None:
                left -= 1
            await operate(now_ns)

    async with together() as group:
        for _ in range(in_flight):
            group.create_task(caller())


async def open_loop(operate: Operate, arrivals: Iterator[int], limit: Limit, in_flight_max: int) -> int:
    """Begins an operation at each of `arrivals`, whether or not earlier ones are over.

    `arrivals` are ascending distances in nanoseconds from the beginning. An operation that could not begin in time
    begins as soon as it can and is still told its own instant, so that nothing is omitted when client or server
    cannot keep up. At an arrival that finds `in_flight_max` operations under way none begins; their number is
    returned.
    """
    begin_ns = monotonic_ns()
    end_ns = limit.end_ns(begin_ns)
    begun = missed = 0
    running: set[asyncio.Task[None]] = set()
    async with together() as group:
        for distance_ns in arrivals:
            due_ns = begin_ns + distance_ns
            if begun == limit.operations or (end_ns is not None and due_ns >= end_ns):
                break
            if await _stopped_before(due_ns, limit.stopping):
                break
            if len(running) >= in_flight_max:
                missed += 1
                continue
            begun += 1
            task = group.create_task(operate(due_ns))
            running.add(task)
            task.add_done_callback(running.discard)
    return missed


async def _stopped_before(due_ns: int, stopping: asyncio.Event) -> bool:
    """Waits for an instant. True when it was told to stop before."""
    wait_s = (due_ns - monotonic_ns()) / SECOND_NS
    if wait_s <= 0:
        # What is due has to get a turn even when the next one is overdue as well.
        await asyncio.sleep(0)
        return stopping.is_set()
    try:
        async with asyncio.timeout(wait_s):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


def fixed_arrivals(per_s: float) -> Iterator[int]:
    """One after the other at equal distances, without end."""
    number = 0
    while True:
        yield round(number * SECOND_NS / per_s)
        number += 1


def poisson_arrivals(per_s: float, chance: Random) -> Iterator[int]:
    """At random, each independent of the others, `per_s` of them in a second on average, without end."""
    at_s = 0.0
    while True:
        at_s += chance.expovariate(per_s)
        yield round(at_s * SECOND_NS)
