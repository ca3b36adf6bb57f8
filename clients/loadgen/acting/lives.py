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

    def waits(self) -> None:
        """It has no tables; a hold that it had is remembered by its id alone."""
        self.known, self.table_ids = Standing.PENDING, ()


class Lives:
    """All bookings of one client process, taken at random and one at a time.

    A share of them is taken whether or not somebody has them in hand, as all are when nobody is idle. Those that rest
    are left alone until their hold has expired.
    """

    def __init__(
        self, visits: Sequence[Visit], shared: float, chance: Random, wall: Wall = time.time
    ) -> None:
        self._all = [Life(visit, wall) for visit in visits]
        self._idle = list(self._all)
        self._resting: list[tuple[float, str, Life]] = []
        self._shared = shared
        self._chance = chance
        self._wall = wall

    @contextmanager
    def one(self) -> Iterator[Life]:
        """A booking to do something with."""
        self._wake()
        if not self._idle or self._chance.random() < self._shared:
            yield self._chance.choice(self._all)
            return
        # The last one takes the place of the one that leaves.
        place = self._chance.randrange(len(self._idle))
        self._idle[place], self._idle[-1] = self._idle[-1], self._idle[place]
        life = self._idle.pop()
        try:
            yield life
        finally:
            if life.rests:
                heapq.heappush(
                    self._resting, (life.expires_at_s + EXPIRED_FOR_S, life.visit.booking_id, life)
                )
            else:
                self._idle.append(life)

    def _wake(self) -> None:
        while self._resting and self._resting[0][0] <= self._wall():
            _, _, life = heapq.heappop(self._resting)
            life.rests = False
            self._idle.append(life)
