"""What an idle gap is worth to the parties that are still to come: the forecast against the tables that could take
them.
"""

from datetime import timedelta
from functools import lru_cache
from math import exp
from typing import TypeAlias

from server.domain.policy import ServicePeriod, ServicePolicy
from server.planner.gaps import GAP_SLOTS_MAX, slots_covering
from server.planner.ranking import MICRO

# Of 100 parties so many have each size when a policy says nothing about it.
USUAL_PARTIES = {1: 5, 2: 45, 3: 12, 4: 22, 5: 6, 6: 6, 7: 2, 8: 2}
# The share of seats times hours that guests take up on a full evening, when a policy says nothing about it.
USUAL_SEAT_USE = 0.6
# Parties start on the quarter of an hour.
START_SLOTS = 3
# Planning prefers gaps that a party closes, so such a gap gets more than its share of the parties. Measured.
PULL = 2.5

# How many tables there are of each number of seats, by rising seats.
SeatMix: TypeAlias = tuple[tuple[int, int], ...]
# By seats of a table: for gaps from 0 slots upwards the chance that nobody comes for it, in millionths.
Desertion: TypeAlias = dict[int, tuple[int, ...]]


@lru_cache(maxsize=64)
def desertion(policy: ServicePolicy, mix: SeatMix) -> Desertion:
    """For each number of seats how likely no expected party fits into an idle gap of 0, 1, 2, … slots. Without a
    gap there is nobody to miss, so that is 0.
    """
    longest = 3 * GAP_SLOTS_MAX
    chances: Desertion = {}
    smaller = 0
    for seats, tables in mix:
        comers = [0.0] * (longest + 1)
        for period in policy.periods:
            for size, parties in expected_parties(policy, period, mix).items():
                if smaller < size <= seats:
                    _add_comers(comers, policy, period, size, PULL * parties / tables / len(policy.periods))
        chances[seats] = (0, *(round(MICRO * exp(-each)) for each in comers[1:]))
        smaller = seats
    return chances


def expected_parties(policy: ServicePolicy, period: ServicePeriod, mix: SeatMix) -> dict[int, float]:
    """Parties by size in one period: the policy's forecast, or the usual parties as many as fill the room."""
    if policy.forecast:
        return {expected.party_size: expected.parties for expected in policy.forecast}
    seats = sum(capacity * tables for capacity, tables in mix)
    guest_slots = sum(
        share * size * turn_slots_of(policy, period, size) for size, share in USUAL_PARTIES.items()
    )
    scale = USUAL_SEAT_USE * seats * period_slots(period) / guest_slots
    return {size: share * scale for size, share in USUAL_PARTIES.items()}


def turn_slots_of(policy: ServicePolicy, period: ServicePeriod, size: int) -> int:
    """The slots that a party of this size takes a table for, buffers included."""
    return slots_covering(period.turn_time(size) + policy.buffer_before + policy.buffer_after)


def period_slots(period: ServicePeriod) -> int:
    return slots_covering(timedelta(minutes=period.closes_after_min - period.opens_min))


def _add_comers(
    comers: list[float], policy: ServicePolicy, period: ServicePeriod, size: int, parties: float
) -> None:
    """Adds to each gap the parties of this size that are expected at the starts which the gap leaves them.

    `parties` are those of the whole period that one table can hope for.
    """
    turn = turn_slots_of(policy, period, size)
    starts = max(1, (period_slots(period) - turn) // START_SLOTS + 1)
    for gap in range(turn, len(comers)):
        comers[gap] += parties * ((gap - turn) // START_SLOTS + 1) / starts
