"""Idle gaps, counted in slots of five minutes. Slots only rank; whether a table is free is decided on exact
instants.
"""

from datetime import timedelta
from functools import lru_cache

from server.domain.policy import ServicePolicy
from server.domain.window import Window

SLOT = timedelta(minutes=5)
# A gap that is longer than a day on one side of the window is as good as endless, so it is counted as a day.
GAP_SLOTS_MAX = 288


def slots_within(length: timedelta) -> int:
    """Whole slots that fit, 0 for a negative length, at most GAP_SLOTS_MAX."""
    return max(0, min(length // SLOT, GAP_SLOTS_MAX))


def slots_covering(length: timedelta) -> int:
    """Slots that are needed to cover the length, at least 1."""
    return max(1, -(-length // SLOT))


def window_slots(window: Window) -> int:
    return slots_covering(window.length)


@lru_cache(maxsize=64)
def turn_slots(policy: ServicePolicy) -> tuple[int, ...]:
    """Every length of a whole turn under the policy, buffers included, rising and without repeats."""
    buffers = policy.buffer_before + policy.buffer_after
    lengths = {
        slots_covering(timedelta(seconds=turn.duration_s) + buffers)
        for period in policy.periods
        for turn in period.turn_times
    }
    return tuple(sorted(lengths))


def unusable_slots(turns: tuple[int, ...], longest: int) -> tuple[int, ...]:
    """For gaps of 0 up to at least `longest` slots: how many slots no packing of whole turns can use."""
    return _unusable(turns, -(-longest // GAP_SLOTS_MAX))


@lru_cache(maxsize=64)
def _unusable(turns: tuple[int, ...], days: int) -> tuple[int, ...]:
    longest = days * GAP_SLOTS_MAX
    # Bit by bit whether whole turns fill so many slots: with up to 1, 3, 7, … more of each turn.
    filled = 1
    for turn in turns:
        more = turn
        while more <= longest:
            filled |= filled << more
            more *= 2
    unused = [0]
    for gap in range(1, longest + 1):
        unused.append(0 if filled >> gap & 1 else unused[-1] + 1)
    return tuple(unused)
