"""Work that is done again and again, whatever becomes of a single round."""

import asyncio
from collections.abc import Iterator

from server.periodic import Periodic, Rhythm

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
    assert (rounds.done, service.failures) == (3, 0)


async def test_as_long_as_there_is_more_nobody_waits() -> None:
    rounds = Rounds(True, True, True)
    await run(rounds, HOURLY)
    assert rounds.done == 3


def test_the_wait_doubles_with_failures_up_to_the_longest() -> None:
    rhythm = Rhythm(10.0, 60.0, lambda: 0.5)
    assert [rhythm.wait_s(failures) for failures in range(5)] == [10.0, 20.0, 40.0, 60.0, 60.0]
    assert Rhythm(10.0, 60.0, lambda: 0.0).wait_s(0) == 9.0
