"""What an idle gap is worth to the parties that are still to come: the forecast against the tables that could take
them.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from math import exp
from typing import NamedTuple, TypeAlias

from server.domain.policy import ServicePeriod, ServicePolicy
from server.planner.gaps import slots_covering
from server.planner.ranking import MICRO

# Of 100 parties so many have each size when a policy says nothing about it.
USUAL_PARTIES = {1: 5, 2: 45, 3: 12, 4: 22, 5: 6, 6: 6, 7: 2, 8: 2}
# The share of seats times hours that guests take up on a full evening, when a policy says nothing about it.
USUAL_SEAT_USE = 0.6
# Parties start on the quarter of an hour.
START_SLOTS = 3
# Planning prefers gaps that a party closes, so such a gap gets more than its share of the parties. Measured.
PULL = 2.5

# How many tables in service there are of each number of seats, by rising seats.
SeatMix: TypeAlias = tuple[tuple[int, int], ...]


class Comers(NamedTuple):
    """The parties of one size in one period that one table can hope for, the slots that one of them takes, and how many
    starts they can choose from.
    """

    parties: float
    turn: int
    starts: int


class Chances(dict[int, int]):
    """For an idle gap of so many slots the chance that nobody comes for it, in millionths. Few of all gaps are ever
    asked for, so each is worked out when it is first.
    """

    def __init__(self, comers: Sequence[Comers]) -> None:
        super().__init__({0: 0})  # Without a gap there is nobody to miss.
        self._comers = tuple(comers)

    def __missing__(self, gap: int) -> int:
        hoped = 0.0
        for parties, turn, starts in self._comers:
            if gap >= turn:
                hoped += parties * ((gap - turn) // START_SLOTS + 1) / starts
        self[gap] = chance = round(MICRO * exp(-hoped))
        return chance


# By seats of a table.
Desertion: TypeAlias = dict[int, Chances]


@lru_cache(maxsize=64)
def desertion(policy: ServicePolicy, mix: SeatMix) -> Desertion:
    """For each number of seats how likely no expected party fits into an idle gap."""
    comers: dict[int, list[Comers]] = {seats: [] for seats, _ in mix}
    for period in policy.periods:
        expected = expected_parties(policy, period, mix)
        smaller = 0
        for seats, tables in mix:
            for size, parties in expected.items():
                if smaller < size <= seats:
                    hoped = PULL * parties / tables / len(policy.periods)
                    comers[seats].append(_comers(policy, period, size, hoped))
            smaller = seats
    return {seats: Chances(each) for seats, each in comers.items()}


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


def _comers(policy: ServicePolicy, period: ServicePeriod, size: int, parties: float) -> Comers:
    turn = turn_slots_of(policy, period, size)
    return Comers(parties, turn, max(1, (period_slots(period) - turn) // START_SLOTS + 1))
