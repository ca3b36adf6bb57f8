"""How many calls are in work, which new ones are taken, and when the others may come again.

Why it is done this way: docs/decisions/0014-refused-before-it-is-late.md.
"""

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from server.errors import Reason, Refusal
from server.rpc.status import RETRY_AFTER_S, Answer, answer_of

# So many calls of a method have to have ended lately before anything is concluded from how long they took.
CALLS_ENOUGH = 16
# For so long that is remembered, at least; at most twice as long.
REMEMBERED_S = 1.0
# An answer takes that long to its caller, and longer the busier both are.
TO_CALLER_S = 0.005
# How many times the quickest is enough: doubled when more than that share of those that ended ran out of time, judged
# after so many calls and so long, and a tenth less with every such time that passes.
TIMES_MIN, TIMES_MAX = 2.0, 64.0
LATE_SHARE_MAX, TIMES_KEPT = 0.1, 0.9
JUDGED_S, JUDGED_CALLS = 0.1, 32
RETRY_STEP_S, RETRY_S_MAX = 0.05, 5.0
# As many calls are in work as may be: when none has ended for so long, their number says nothing of how busy we are.
STALLED_S = 0.25


class Fate(Enum):
    """What became of a call that was taken. Late is who ran out of time, given up who ended for another reason without
    an answer.
    """

    ANSWERED = auto()
    LATE = auto()
    GIVEN_UP = auto()


@dataclass(slots=True)
class _Ended:
    """The calls of one method that ended."""

    answered: int = 0
    quickest_s: float = math.inf
    died: int = 0
    longest_died_s: float = 0.0


class _Times:
    """How many times the quickest a call of one method needs: as many as it takes for hardly any to run out of time."""

    def __init__(self) -> None:
        self._value = TIMES_MIN
        self._began_s = -math.inf
        self._ended = 0
        self._late = 0

    def at(self, now_s: float) -> float:
        return max(TIMES_MIN, self._value * math.pow(TIMES_KEPT, (now_s - self._began_s) / JUDGED_S))

    def note(self, now_s: float, *, late: bool) -> None:
        self._ended += 1
        self._late += late
        if self._ended < JUDGED_CALLS or now_s - self._began_s < JUDGED_S:
            return
        too_few = self._late > LATE_SHARE_MAX * self._ended
        self._value = min((2 if too_few else 1) * self.at(now_s), TIMES_MAX)
        self._began_s, self._ended, self._late = now_s, 0, 0


class Needed:
    """How long a call needs at least, by what others of its method needed lately.

    Twice as long as the quickest that was answered: even that one was kept waiting by a queue in which everybody waits.
    More times that where many run out of time all the same: then the quickest were lucky. Where none was answered,
    longer than those took that were given up or ran out of time.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._now: dict[str, _Ended] = {}
        self._before: dict[str, _Ended] = {}
        self._times: defaultdict[str, _Times] = defaultdict(_Times)

    def took(self, path: str, elapsed_s: float, fate: Fate) -> None:
        now_s = self._turn()
        self._times[path].note(now_s, late=fate is Fate.LATE)
        ended = self._now.get(path)
        if ended is None:
            ended = self._now[path] = _Ended()
        if fate is Fate.ANSWERED:
            ended.answered += 1
            ended.quickest_s = min(ended.quickest_s, elapsed_s)
        else:
            ended.died += 1
            ended.longest_died_s = max(ended.longest_died_s, elapsed_s)

    def of(self, path: str) -> float | None:
        """Seconds, or None where too few calls of the method have ended lately."""
        now_s = self._turn()
        now, before = self._now.get(path, _NONE), self._before.get(path, _NONE)
        answered = now.answered + before.answered
        if answered >= CALLS_ENOUGH:
            return self._times[path].at(now_s) * min(now.quickest_s, before.quickest_s) + TO_CALLER_S
        if not answered and now.died + before.died >= CALLS_ENOUGH:
            return max(now.longest_died_s, before.longest_died_s)
        return None

    def _turn(self) -> float:
        """What time it is."""
        now_s = self._monotonic_s()
        passed_s = now_s - self._began_s
        if passed_s >= REMEMBERED_S:
            self._before = self._now if passed_s < 2 * REMEMBERED_S else {}
            self._now = {}
            self._began_s = now_s
        return now_s


_NONE = _Ended()


class Admission:
    """Counts the calls in work from their first to their last line, whatever ends them.

    grpc's own graceful stop forgets handlers whose call was given up by the caller, although they may still use the
    database. So whoever closes the database's connections waits for `idle` first.
    """

    def __init__(
        self,
        calls_max: int,
        what: str = "calls",
        needed: Needed | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`what` is the word for those that are counted. Without `needed`, for those that are meant to last, only
        their number counts. `chance` is between 0 and 1 and spreads those who come again."""
        self._calls_max = calls_max
        self._needed = needed
        self._chance = chance
        self._full = f"The server already works on {calls_max} {what}."
        self._late = "The server is so busy that this call's deadline would pass before its answer is ready."
        self._draining: Answer | None = None
        # Whoever is refused for load must cost next to nothing.
        self._overloaded: dict[tuple[str, int], Answer] = {}
        self._in_work = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = asyncio.Event()
        self._room.set()
        self._full_at_s = 0.0

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

    async def room(self) -> None:
        """Returns when `enter` has room for a call, or will have none soon: then whoever comes is better refused."""
        if self._room.is_set() or self.draining:
            return
        left_s = self._full_at_s + STALLED_S - time.monotonic()
        if left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._room.wait()

    def enter(self, path: str, remaining_s: float | None) -> Answer | None:
        """Counts one call with so much time left, or says how it is refused: DRAINING or SERVER_OVERLOADED.

        Whoever was counted has to `leave`.
        """
        if self._draining is not None:
            return self._draining
        if self._in_work >= self._calls_max:
            return self._come_again(self._full, self._wait_s(path))
        if self._needed is not None and remaining_s is not None:
            needed_s = self._needed.of(path)
            if needed_s is not None and needed_s > remaining_s:
                return self._come_again(self._late, self._wait_s(path))
        self._in_work += 1
        self._idle.clear()
        if self._in_work == self._calls_max:
            self._room.clear()
            self._full_at_s = time.monotonic()
        return None

    def leave(self, path: str, elapsed_s: float, fate: Fate) -> None:
        """One call that was counted has ended, so long after it was."""
        if self._needed is not None:
            self._needed.took(path, elapsed_s, fate)
        self._in_work -= 1
        self._room.set()
        if self._in_work == 0:
            self._idle.set()

    def _wait_s(self, path: str) -> float:
        needed_s = self._needed.of(path) if self._needed is not None else None
        return max(needed_s or 0.0, RETRY_AFTER_S[Reason.SERVER_OVERLOADED])

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
