"""Work that is done again and again, whatever becomes of a single round."""

import asyncio
from collections.abc import Iterator

import pytest

from server.errors import Reason, refuse
from server.periodic import Periodic, Rhythm
from tests.support.logs import everything_logged

AT_ONCE = Rhythm(0.0, 0.0, lambda: 0.5)
HOURLY = Rhythm(3_600.0, 3_600.0, lambda: 0.5)


class Rounds:
    """Does what each round is told to do, and says when the last of them was done."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self._outcomes: Iterator[bool | Exception] = iter(outcomes)
        self.done = 0
        self.over = asyncio.Event()

    async def __call__(self) -> bool:
        outcome = next(self._outcomes, None)
        if outcome is None:
            self.over.set()
            return False
        self.done += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def run(rounds: Rounds, rhythm: Rhythm) -> Periodic:
    service = Periodic("rounds", rounds, rhythm)
    await service.start()
    async with asyncio.timeout(30):
        await rounds.over.wait()
    await service.stop()
    await service.stop()
    return service


async def test_a_round_that_fails_is_followed_by_others() -> None:
    rounds = Rounds(OSError("away"), OSError("still away"), False)
    service = await run(rounds, AT_ONCE)
    assert (rounds.done, service.pulse.failures) == (3, 0)


async def test_a_round_that_fails_is_waited_after_as_any_other() -> None:
    waited: list[int] = []

    def noted() -> float:
        waited.append(rounds.done)
        return 0.5

    rounds = Rounds(refuse(Reason.STORE_UNAVAILABLE, "It is away."), KeyError("a bug"), False)
    await run(rounds, Rhythm(0.0, 0.0, noted))
    assert waited[:3] == [1, 2, 3]


async def test_a_traceback_is_told_of_a_bug_and_not_of_a_database_that_is_away() -> None:
    away = refuse(Reason.STORE_UNAVAILABLE, "The database could not be reached.")
    away.__cause__ = ConnectionRefusedError(111, "Connection refused")
    silent = TimeoutError("the database did not answer within 5 s")
    with everything_logged() as logs:
        await run(Rounds(away, silent, KeyError("a bug")), AT_ONCE)
    told = [{key: line.get(key) for key in ("log_level", "problem", "cause", "exc_info")} for line in logs]
    assert told == [
        {"log_level": "warning", "problem": str(away), "cause": repr(away.__cause__), "exc_info": None},
        {"log_level": "warning", "problem": str(silent), "cause": "None", "exc_info": None},
        {"log_level": "error", "problem": None, "cause": None, "exc_info": True},
    ]


async def test_as_long_as_there_is_more_nobody_waits() -> None:
    rounds = Rounds(True, True, True)
    await run(rounds, HOURLY)
    assert rounds.done == 3


def test_the_wait_doubles_with_failures_up_to_the_longest() -> None:
    rhythm = Rhythm(10.0, 60.0, lambda: 0.5)
    assert [rhythm.wait_s(failures) for failures in range(5)] == [10.0, 20.0, 40.0, 60.0, 60.0]
    assert Rhythm(10.0, 60.0, lambda: 0.0).wait_s(0) == 9.0
    patient = Rhythm(1.0, 3_600.0, lambda: 0.5)
    assert [patient.wait_s(failures) for failures in range(8)] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0]


def test_what_is_done_rarely_is_tried_again_sooner_after_a_failure() -> None:
    rhythm = Rhythm(3_600.0, 60.0, lambda: 0.5)
    assert [rhythm.wait_s(failures) for failures in range(3)] == [3_600.0, 60.0, 60.0]


async def test_a_service_that_ends_by_itself_does_not_beat_and_one_that_is_stopped_is_only_stopped() -> None:
    async def give_up() -> int:
        raise asyncio.CancelledError

    broken = Periodic("broken", give_up, AT_ONCE)
    await broken.start()
    async with asyncio.timeout(30):
        while broken.pulse.beats(1):  # noqa: ASYNC110 - the task ends within a few turns of the loop
            await asyncio.sleep(0)
    await broken.stop()
    stopped = await run(Rounds(False), AT_ONCE)
    assert stopped.pulse.beats(1)


@pytest.mark.parametrize(
    ("round_s_max", "every_s", "beats"), [(3_600.0, -1.0, True), (-1.0, 3_600.0, True), (-1.0, -1.0, False)]
)
async def test_a_round_hangs_that_outlasts_both_its_limit_and_the_time_between_two(
    round_s_max: float, every_s: float, *, beats: bool
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang() -> int:
        begun.set()
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    service = Periodic("slow", hang, Rhythm(every_s, every_s, lambda: 0.5), round_s_max=round_s_max)
    await service.start()
    await begun.wait()
    assert service.pulse.beats(1) is beats
    await service.stop()
    assert ended.is_set(), "whoever stops it waits for the end of its round"


async def test_rows_are_counted_and_a_full_round_is_followed_by_the_next_at_once() -> None:
    touched = iter([5, 5, 2])
    over = asyncio.Event()

    async def work() -> int:
        rows = next(touched)
        if rows < 5:
            over.set()
        return rows

    service = Periodic("cleaner", work, HOURLY, rows_max=5)
    await service.start()
    async with asyncio.timeout(30):
        await over.wait()
    await service.stop()
    assert (service.pulse.rows, service.pulse.rounds_done) == (12, 3)
