"""How many calls are in work, which new ones are taken, and when the others may come again.

Why it is done this way: docs/decisions/0014-refused-before-it-is-late.md.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable

from server.errors import Reason, Refusal
from server.rpc.status import RETRY_AFTER_S, Answer, answer_of

# With fewer calls in work than that, a call that takes long takes long by itself.
BUSY_CALLS = 64
# For so long it is remembered how long calls took, at least; at most twice as long.
REMEMBERED_S = 1.0
RETRY_STEP_S, RETRY_S_MAX = 0.05, 5.0


class Quickest:
    """How long the quickest call of each method took lately.

    Even that one was kept waiting by a queue in which everybody waits. Calls that were given up or ran out of time
    count as well: they would have taken longer.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}

    def took(self, path: str, elapsed_s: float) -> None:
        self._turn()
        if elapsed_s < self._now.get(path, math.inf):
            self._now[path] = elapsed_s

    def of(self, path: str) -> float | None:
        """Seconds, or None where no call of the method has ended lately."""
        self._turn()
        quickest = min(self._now.get(path, math.inf), self._before.get(path, math.inf))
        return quickest if quickest < math.inf else None

    def _turn(self) -> None:
        passed_s = self._monotonic_s() - self._began_s
        if passed_s < REMEMBERED_S:
            return
        self._before = self._now if passed_s < 2 * REMEMBERED_S else {}
        self._now = {}
        self._began_s += passed_s


class Admission:
    """Counts the calls in work from their first to their last line, whatever ends them.

    grpc's own graceful stop forgets handlers whose call was given up by the caller, although they may still use the
    database. So whoever closes the database's connections waits for `idle` first.
    """

    def __init__(
        self,
        calls_max: int,
        what: str = "calls",
        quickest: Quickest | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`what` is the word for those that are counted. Without `quickest`, for those that are meant to last, only
        their number counts. `chance` is between 0 and 1 and spreads those who come again."""
        self._calls_max = calls_max
        self._quickest = quickest
        self._chance = chance
        self._full = f"The server already works on {calls_max} {what}."
        self._late = "The server is so busy that this call's deadline would pass before its answer is ready."
        self._draining: Answer | None = None
        # Whoever is refused for load must cost next to nothing.
        self._overloaded: dict[tuple[str, int], Answer] = {}
        self._in_work = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_work(self) -> int:
        return self._in_work

    @property
    def draining(self) -> bool:
        return self._draining is not None

    def drain(self) -> None:
        """From now on no call is taken. What is in work goes on."""
        text = "This server process is shutting down; another one will answer."
        self._draining = answer_of(Refusal(Reason.DRAINING, text))

    async def idle(self) -> None:
        """Returns when no call is in work."""
        await self._idle.wait()

    def enter(self, path: str, remaining_s: float | None) -> Answer | None:
        """Counts one call with so much time left, or says how it is refused: DRAINING or SERVER_OVERLOADED.

        Whoever was counted has to `leave`.
        """
        if self._draining is not None:
            return self._draining
        if self._in_work >= self._calls_max:
            return self._come_again(self._full, self._wait_s(path))
        if self._quickest is not None and remaining_s is not None and self._in_work >= BUSY_CALLS:
            needed_s = self._quickest.of(path)
            if needed_s is not None and needed_s > remaining_s:
                return self._come_again(self._late, needed_s)
        self._in_work += 1
        self._idle.clear()
        return None

    def leave(self, path: str, elapsed_s: float) -> None:
        """One call that was counted has ended, so long after it was."""
        if self._quickest is not None:
            self._quickest.took(path, elapsed_s)
        self._in_work -= 1
        if self._in_work == 0:
            self._idle.set()

    def _wait_s(self, path: str) -> float:
        taken_s = self._quickest.of(path) if self._quickest is not None else None
        return max(taken_s or 0.0, RETRY_AFTER_S[Reason.SERVER_OVERLOADED])

    def _come_again(self, text: str, wait_s: float) -> Answer:
        """Half as long to one and a half times as long: those who are refused together do not return together."""
        spread_s = min(wait_s * (0.5 + self._chance()), RETRY_S_MAX)
        steps = max(1, round(spread_s / RETRY_STEP_S))
        answer = self._overloaded.get((text, steps))
        if answer is None:
            metadata = {"limit": str(self._calls_max)}
            refusal = Refusal(
                Reason.SERVER_OVERLOADED, text, metadata, retry_after_s=round(steps * RETRY_STEP_S, 3)
            )
            answer = self._overloaded[text, steps] = answer_of(refusal)
        return answer
