"""Which fault comes when, and whom it meets: all of it from a seed."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What can happen. The first ones are `kill -9`; the others are over after some time."""

    KILL_SERVER = "kill a server process"
    KILL_SUPERVISOR = "kill the servers' supervisor"
    KILL_POSTGRES = "kill PostgreSQL"
    KILL_WORKER = "kill a worker"
    PAUSE_SERVER = "pause a server process"
    PAUSE_WORKER = "pause a worker"
    CUT_CALLS = "cut connections of clients"
    CUT_ANSWERS = "cut connections of clients in mid-answer"
    SWALLOW_ANSWERS = "swallow what is answered to clients"
    STALL_CALLS = "stall connections of clients"
    SLOW_CALLS = "slow connections of clients down"
    CUT_DATABASE = "cut connections to PostgreSQL"
    CUT_DATABASE_ANSWERS = "cut connections to PostgreSQL in mid-answer"
    SWALLOW_DATABASE = "swallow what PostgreSQL answers"
    STALL_DATABASE = "stall connections to PostgreSQL"
    SLOW_DATABASE = "slow connections to PostgreSQL down"
    HOG_CONNECTIONS = "take the connections that PostgreSQL has left"
    HOG_RESTAURANTS = "lock every restaurant"
    JUMP_CLOCK = "set the clients' wall clock"


KILLS: Final = (Kind.KILL_SERVER, Kind.KILL_SUPERVISOR, Kind.KILL_POSTGRES, Kind.KILL_WORKER)
DISTURBANCES: Final = tuple(kind for kind in Kind if kind not in KILLS)

# The part of a run after which nothing begins any more, so that the load meets the end of every fault.
LAST: Final = 0.95
# How long what was killed stays away, and how long the other faults last, in seconds.
AWAY_S: Final = (0.0, 1.0)
LASTS_S: Final[Mapping[Kind, tuple[float, float]]] = {
    # Often past the deadline of a call, so that what the process does when it wakes is too late for everybody.
    Kind.PAUSE_SERVER: (2.0, 15.0),
    # Past the lease of its events.
    Kind.PAUSE_WORKER: (2.0, 8.0),
    Kind.STALL_CALLS: (0.5, 4.0),
    Kind.SWALLOW_ANSWERS: (0.5, 3.0),
    Kind.SLOW_CALLS: (1.0, 4.0),
    Kind.STALL_DATABASE: (0.5, 4.0),
    Kind.SWALLOW_DATABASE: (0.5, 3.0),
    Kind.SLOW_DATABASE: (1.0, 4.0),
    Kind.HOG_CONNECTIONS: (1.0, 4.0),
    Kind.HOG_RESTAURANTS: (0.5, 3.5),
    Kind.JUMP_CLOCK: (1.0, 10.0),
}
# How far a clock is set, in seconds: to the next day or year, or back as far.
JUMPS_S: Final = (5.0, 3_600.0, 86_400.0, 366 * 86_400.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` is a part of the run, from 0 to 1. `draw` in [0, 1) chooses the victim among those that there are then, and
    the connections with `share`.
    """

    at: float
    kind: Kind
    lasts_s: float
    draw: float
    share: float

    def choice(self, among: int) -> int:
        """The number of the victim."""
        return int(self.draw * among)

    @property
    def jump_s(self) -> float:
        """How far a clock is set, forwards or back."""
        far = JUMPS_S[self.choice(len(JUMPS_S))]
        return far if self.share < 0.5 else -far


def schedule(seed: int, kills: Mapping[Kind, int], disturbances: int) -> tuple[Fault, ...]:
    """Every fault of a run, in order: so many kills of each kind, and so many disturbances of mixed kinds."""
    rng = random.Random(seed)
    kinds = [kind for kind in KILLS for _ in range(kills.get(kind, 0))]
    kinds += list(_mixed(rng, disturbances))
    rng.shuffle(kinds)
    moments = sorted(rng.uniform(0.0, LAST) for _ in kinds)
    return tuple(
        Fault(
            at, kind, rng.uniform(*LASTS_S.get(kind, AWAY_S)), draw=rng.random(), share=rng.uniform(0.1, 1.0)
        )
        for at, kind in zip(moments, kinds, strict=True)
    )


def _mixed(rng: random.Random, wanted: int) -> Iterator[Kind]:
    """Each kind about as often as any other; a short run has as many kinds as it can."""
    left: list[Kind] = []
    for _ in range(wanted):
        left = left or rng.sample(DISTURBANCES, len(DISTURBANCES))
        yield left.pop()
