"""Bookings as their callers know them, and whose turn it is."""

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from loadgen.place import Visit
from loadgen.scenario import Driving

# A hold that was left to expire is looked at again a little later, so that it has expired by the database's clock.
EXPIRED_FOR_S = 0.05

Wall: TypeAlias = Callable[[], float]
"""Tells the time of day as `time.time` does. It may be wrong, and may be set at any moment."""


class Standing(StrEnum):
    """How a booking stands as far as its caller knows; the server may know better and says so."""

    PENDING = "pending"
    HELD = "held"
    EXPIRED = "expired"
    ASSIGNED = "assigned"
    CHECKED_IN = "checked_in"
    NO_SHOW = "no_show"
    OVER = "over"


@dataclass(slots=True)
class Life:
    """One booking. `expires_at_s` is in seconds of the clock `wall`; `table_ids` are held or assigned, if known."""

    visit: Visit
    wall: Wall = time.time
    known: Standing = Standing.PENDING
    hold_id: str = ""
    table_ids: tuple[str, ...] = ()
    expires_at_s: float = 0.0
    rests: bool = False

    @property
    def standing(self) -> Standing:
        if self.known is Standing.HELD and self.expires_at_s <= self.wall():
            return Standing.EXPIRED
        return self.known

    def holds(self, hold_id: str, table_ids: Sequence[str], expires_at_s: float) -> None:
        self.known, self.hold_id, self.table_ids = Standing.HELD, hold_id, tuple(table_ids)
        self.expires_at_s = expires_at_s

    def has(self, table_ids: Sequence[str]) -> None:
        """It is assigned to these tables, or, for none, to tables that are to be looked up."""
        self.known, self.table_ids = Standing.ASSIGNED, tuple(table_ids)

    def stands(self, status: str) -> None:
        """It has this status, by the service's own word."""
        if status == "confirmed":
            self.has(())
        elif status in (Standing.CHECKED_IN, Standing.NO_SHOW):
            self.known = Standing(status)
        elif status in ("completed", "cancelled"):
            self.known = Standing.OVER
        else:
            self.waits()

    def waits(self) -> None:
        """It has no tables; a hold that it had is remembered by its id alone."""
        self.known, self.table_ids = Standing.PENDING, ()


class Lives:
    """All bookings of one client process, taken at random and one at a time.

    Of the operations the share `attended` looks after bookings that have tables, so that tables go round however many
    wait for them; the others take one that waits. The share `shared` takes any booking, whether or not somebody has
    it in hand, as all do when nobody is idle. Those that rest are left alone until their hold has expired.
    """

    def __init__(self, visits: Sequence[Visit], driving: Driving, chance: Random, wall: Wall) -> None:
        self._all = [Life(visit, wall) for visit in visits]
        self._waiting = list(self._all)
        self._seated: list[Life] = []
        self._resting: list[tuple[float, str, Life]] = []
        self._driving = driving
        self._chance = chance
        self._wall = wall

    @contextmanager
    def one(self) -> Iterator[Life]:
        """A booking to do something with."""
        self._wake()
        idle = self._idle()
        if not idle or self._chance.random() < self._driving.shared:
            yield self._chance.choice(self._all)
            return
        # The last one takes the place of the one that leaves.
        place = self._chance.randrange(len(idle))
        idle[place], idle[-1] = idle[-1], idle[place]
        life = idle.pop()
        try:
            yield life
        finally:
            self._give_back(life)

    def _idle(self) -> list[Life]:
        attends = self._chance.random() < self._driving.attended
        return (self._seated or self._waiting) if attends else (self._waiting or self._seated)

    def _give_back(self, life: Life) -> None:
        if life.rests:
            due_s = life.expires_at_s + EXPIRED_FOR_S
            heapq.heappush(self._resting, (due_s, life.visit.booking_id, life))
        elif life.known in (Standing.PENDING, Standing.OVER):
            self._waiting.append(life)
        else:
            self._seated.append(life)

    def _wake(self) -> None:
        while self._resting and self._resting[0][0] <= self._wall():
            _, _, life = heapq.heappop(self._resting)
            life.rests = False
            self._give_back(life)
