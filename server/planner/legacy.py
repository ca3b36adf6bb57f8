"""The legacy engine: the score of the system that maitred replaces. Formula and differences are in docs/planner.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from heapq import nsmallest
from itertools import chain
from math import fsum
from operator import or_
from typing import NamedTuple

from server.planner.catalog import TableSets
from server.planner.cost import HALF_SCORE_COST
from server.planner.merges import as_mask, positions
from server.planner.ranking import MICRO, Choice, Ranked, Terms

OVERAGE = 5
TABLE_COUNT = 3
ADJACENCY_COST = 1
FRAGMENTATION = 2
SCARCITY = 22
COMBINATION_FACTOR_MAX = 3
FUTURE_CONFLICT = 500


class Measures(NamedTuple):
    """What the score reads of a set, in the order in which equal scores are told apart."""

    overage: int
    tables: int
    seats: int
    fragmentation: int
    adjacency_cost: int
    key: str


@dataclass(frozen=True, slots=True)
class LegacyRanking:
    """Implements `Ranking`. `scarcities` are those of the tables in the floor's order, 0 to 1 each."""

    choice: Choice
    scarcities: Sequence[float]

    def best(self, count: int) -> list[Ranked]:
        singles = ((at,) for at in positions(self.choice.singles))
        merges = (merge.members for merge in self.choice.merges)
        return nsmallest(count, map(self._ranked, chain(singles, merges)))

    def terms(self, choice: Ranked) -> Terms:
        terms = self._terms(choice.members, self._measures(choice.members))
        return Terms(tuple(terms), tuple(cost / MICRO for cost in terms.values()))

    def score(self, cost: int) -> float:
        """A set that costs nothing has 100."""
        return 100 * HALF_SCORE_COST / (HALF_SCORE_COST + cost / MICRO)

    def _ranked(self, members: tuple[int, ...]) -> Ranked:
        measures = self._measures(members)
        return Ranked(sum(self._terms(members, measures).values()), measures, members)

    def _measures(self, members: tuple[int, ...]) -> Measures:
        return measure(self.choice.sets, members, self.choice.party.party_size)

    def _terms(self, members: tuple[int, ...], measures: Measures) -> dict[str, int]:
        lost = len(self.choice.outlook.lost_to(as_mask(members)))
        return legacy_terms(measures, [self.scarcities[at] for at in members], lost)


def rank_legacy(choice: Choice) -> LegacyRanking:
    """Reads no weights of the policy and no preferences, as the old system didn't."""
    return LegacyRanking(choice, scarcities(choice.sets))


def scarcities(sets: TableSets) -> tuple[float, ...]:
    """For each table 1 / the number of tables in service on its floor with as many seats."""
    tables = sets.floor.tables
    alike = Counter(table.capacity for table in tables if table.in_service)
    return tuple(1 / max(1, alike[table.capacity]) for table in tables)


def measure(sets: TableSets, members: Sequence[int], party_size: int) -> Measures:
    """The measures of a table or of a merge. Names order its tables as the old system's table numbers did."""
    tables = sorted((sets.floor.tables[at].name, sets.floor.tables[at].capacity, at) for at in members)
    capacities = [capacity for _, capacity, _ in tables]
    seats = sum(capacities)
    return Measures(
        seats - party_size,
        len(tables),
        seats,
        seats - max(capacities),
        _steps_from(tables[0][2], as_mask(members), sets.partners),
        "+".join(name for name, _, _ in tables),
    )


def legacy_terms(measures: Measures, scarce: Sequence[float], lost: int) -> dict[str, int]:
    """The terms of the score in millionths. `scarce` are the scarcities of the set's tables, `lost` is how many waiting
    bookings the set leaves without tables.
    """
    rarity = fsum(scarce)
    joining = (measures.tables - 1) * TABLE_COUNT + measures.adjacency_cost * ADJACENCY_COST
    factor = min(COMBINATION_FACTOR_MAX, 1 + rarity / measures.tables)
    return {
        "overage": measures.overage * OVERAGE * MICRO,
        "combination": round(joining * factor * MICRO),
        "fragmentation": measures.fragmentation * FRAGMENTATION * MICRO,
        "scarcity": round(rarity * SCARCITY * MICRO),
        "lookahead": lost * FUTURE_CONFLICT * MICRO,
    }


def _steps_from(first: int, mask: int, touching: Sequence[int]) -> int:
    """How many steps within the set its farthest table is from the first; the number of its tables when one of them is
    out of reach.
    """
    reached = frontier = 1 << first
    steps = -1
    while frontier:
        steps += 1
        near = reduce(or_, (touching[at] for at in positions(frontier)))
        frontier = near & mask & ~reached
        reached |= frontier
    return steps if reached == mask else mask.bit_count()
