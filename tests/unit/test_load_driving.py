"""What the drivers of load promise: when they begin something, from where latencies count, what is counted."""

import asyncio
import errno
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator
from itertools import islice, pairwise
from random import Random
from statistics import mean
from time import monotonic_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.driving import (
    ClientEndedError,
    ClientProcesses,
    Desk,
    HinderedError,
    Histogram,
    JobFailedError,
    Limit,
    Outcome,
    Reply,
    Tally,
    closed_loop,
    fixed_arrivals,
    open_loop,
    poisson_arrivals,
)

MS = 1_000_000


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(st.integers(0, 2**45), min_size=1), st.floats(0.1, 100.0))
def test_a_percentile_is_that_of_the_sorted_values_within_its_precision(
    values: list[int], percent: float
) -> None:
    rank = max(-(-percent * len(values) // 100), 1)
    exact = sorted(values)[int(rank) - 1]
    found = histogram_of(values).percentile(percent)
    assert exact <= found <= exact * (1 + 1 / 256)


@given(st.lists(st.integers(0, 2**45)), st.lists(st.integers(0, 2**45)))
def test_histograms_of_two_processes_together_are_that_of_all_values(
    one: list[int], other: list[int]
) -> None:
    merged = histogram_of(one)
    merged.merge(pickle.loads(pickle.dumps(histogram_of(other))))
    whole = histogram_of(one + other)
    assert list(merged.buckets()) == list(whole.buckets())
    assert (merged.count, merged.total, merged.least, merged.most) == (
        whole.count,
        whole.total,
        whole.least,
        whole.most,
    )


def test_a_closed_loop_keeps_so_many_under_way_and_begins_no_more_than_it_may() -> None:
    running, most, begun = 0, 0, 0

    async def operate(_intended_ns: int) -> None:
        nonlocal running, most, begun
        running, begun = running + 1, begun + 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    asyncio.run(closed_loop(operate, 7, Limit(operations=40)))
    assert (most, begun, running) == (7, 40, 0)


def test_an_open_loop_does_not_wait_for_what_is_slow() -> None:
    released = asyncio.Event()
    begun = 0

    async def operate(_intended_ns: int) -> None:
        nonlocal begun
        begun += 1
        if begun == 50:
            released.set()
        await released.wait()

    assert asyncio.run(open_loop(operate, fixed_arrivals(10_000), Limit(operations=50), 50)) == 0
    assert begun == 50


def test_no_latency_is_omitted_while_everything_stands_still() -> None:
    """The client stands still for 60 ms, in which 60 operations were to begin. Each of them has waited since then."""
    latencies = Histogram()

    async def operate(intended_ns: int) -> None:
        if latencies.count == 0:
            halted_until = monotonic_ns() + 60 * MS
            while monotonic_ns() < halted_until:
                pass
        latencies.record(monotonic_ns() - intended_ns)

    asyncio.run(open_loop(operate, fixed_arrivals(1_000), Limit(operations=60), 1_000))
    assert latencies.count == 60
    # They were due evenly over the halt, so that half of them waited for half of it or longer.
    assert latencies.percentile(50) >= 29 * MS


def test_an_arrival_that_finds_too_many_under_way_is_counted_and_not_begun() -> None:
    begun, released = 0, asyncio.Event()

    async def operate(_intended_ns: int) -> None:
        nonlocal begun
        begun += 1
        await released.wait()

    def arrivals() -> Iterator[int]:
        yield from range(10)
        released.set()

    assert asyncio.run(open_loop(operate, arrivals(), Limit(), 2)) == 8
    assert begun == 2


def test_nothing_begins_once_the_time_of_a_loop_is_over() -> None:
    begun = []

    async def operate(intended_ns: int) -> None:
        begun.append(intended_ns)

    arrivals = iter((0, 20 * MS - 1, 20 * MS, 20 * MS + 1))
    assert asyncio.run(open_loop(operate, arrivals, Limit(duration_s=0.02), 10)) == 0
    assert [each - begun[0] for each in begun] == [0, 20 * MS - 1]
    begun.clear()
    asyncio.run(closed_loop(operate, 2, Limit(duration_s=0.0)))
    assert begun == []


def test_a_loop_that_is_told_to_stop_finishes_what_has_begun() -> None:
    finished = 0
    limit = Limit()

    async def operate(_intended_ns: int) -> None:
        nonlocal finished
        if finished == 10:
            limit.stopping.set()
        await asyncio.sleep(0)
        finished += 1

    asyncio.run(closed_loop(operate, 4, limit))
    assert 11 <= finished <= 14


def test_what_an_operation_raises_ends_its_loop_and_is_told_once() -> None:
    async def operate(_intended_ns: int) -> None:
        raise ValueError("no such booking")

    for loop in (
        closed_loop(operate, 4, Limit(operations=8)),
        open_loop(operate, fixed_arrivals(1_000_000), Limit(operations=8), 8),
    ):
        with pytest.raises(ValueError, match="no such booking"):
            asyncio.run(loop)


def test_fixed_arrivals_come_at_equal_distances() -> None:
    assert list(islice(fixed_arrivals(200), 4)) == [0, 5 * MS, 10 * MS, 15 * MS]


def test_poisson_arrivals_keep_the_rate_and_come_from_their_seed() -> None:
    arrivals = list(islice(poisson_arrivals(500, Random(3)), 20_000))
    distances = [after - before for before, after in pairwise(arrivals)]
    assert arrivals == list(islice(poisson_arrivals(500, Random(3)), 20_000))
    assert mean(distances) == pytest.approx(2 * MS, rel=0.03)
    # Of independent arrivals 1 − 1/e come before the mean distance has passed.
    assert sum(distance < 2 * MS for distance in distances) / len(distances) == pytest.approx(0.632, abs=0.02)


def replies() -> list[tuple[str, int, Reply]]:
    """Each with its method and its beginning."""
    second = 1_000 * MS
    return [
        ("hold", 10 * second, Reply("OK", "", b"x", 10 * second + 2 * MS)),
        ("hold", 10 * second, Reply("ABORTED", "TABLE_CONFLICT_HELD", b"", 11 * second)),
        ("hold", 10 * second, Reply("UNAVAILABLE", "", b"", 11 * second + 1)),
        ("confirm", 11 * second, Reply("OK", "", b"x", 12 * second)),
    ]


def test_a_tally_counts_by_method_reason_second_and_outcome() -> None:
    tally, other = Tally(), Tally()
    for number, (method, began_ns, reply) in enumerate(replies()):
        (tally if number % 2 else other).note(method, reply, began_ns - MS)
    tally.merge(pickle.loads(pickle.dumps(other)))
    assert tally.calls == 4
    assert tally.replies["hold", "ABORTED", "TABLE_CONFLICT_HELD"] == 1
    assert tally.outcomes() == {Outcome.OK: 2, Outcome.REFUSED: 1, Outcome.UNKNOWN: 1}
    assert {second: dict(counts) for second, counts in tally.seconds.items()} == {
        10: {"OK": 1},
        11: {"TABLE_CONFLICT_HELD": 1, "UNAVAILABLE": 1},
        12: {"OK": 1},
    }
    assert tally.latency("hold", Outcome.OK).most == 3 * MS
    assert tally.latency(outcome=Outcome.UNKNOWN).count == tally.latency(status="UNAVAILABLE").count == 1
    assert tally.latency("confirm", status="UNAVAILABLE").count == 0
    assert tally.seconds_taken == 2.001


async def _double(part: int, desk: Desk) -> int:
    await desk.ready()
    desk.report(desk.number)
    return 2 * part


async def _until_told_to_stop(part: int, desk: Desk) -> int:
    desk.report(part)
    await desk.stopping.wait()
    return part


async def _fail(part: int, _desk: Desk) -> None:
    raise ValueError(f"part {part}")


async def _is_hindered(_part: int, _desk: Desk) -> None:
    raise HinderedError("nobody answers")


async def _has_no_room(part: str, _desk: Desk) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), part)


async def _kills_one(part: int, desk: Desk) -> None:
    if part:
        os.kill(os.getpid(), signal.SIGKILL)
    await desk.stopping.wait()


async def test_client_processes_do_their_parts_stop_when_told_and_say_what_failed() -> None:
    async with ClientProcesses(2) as clients:
        told: list[int] = []
        assert await clients.run(_double, [3, 4], lambda number, _value: told.append(number)) == [6, 8]
        assert sorted(told) == [0, 1]
        assert await clients.run(_until_told_to_stop, [5, 6], lambda _number, _value: clients.stop()) == [
            5,
            6,
        ]
        with pytest.raises(JobFailedError, match="ValueError: part 9"):
            await clients.run(_fail, [9])
        with pytest.raises(HinderedError, match=r"^nobody answers$"):
            await clients.run(_is_hindered, [1])
        with pytest.raises(OSError, match="No space left") as full:
            await clients.run(_has_no_room, ["client-1.jsonl"])
        assert full.value.filename == "client-1.jsonl"
        assert await clients.run(_double, [1]) == [2]
        with pytest.raises(ClientEndedError, match="client process 1 was killed"):
            await clients.run(_kills_one, [0, 1])


async def test_ctrl_c_does_not_reach_a_client_process_that_has_just_been_started() -> None:
    async with ClientProcesses(2) as clients:
        for process in multiprocessing.active_children():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)
        assert await clients.run(_double, [3, 4]) == [6, 8]
