"""The v2 engine: charges for empty seats, merging and idle time over the length of the window."""

from dataclasses import dataclass
from functools import reduce
from heapq import nsmallest
from operator import or_
from typing import TypeAlias

from server.domain.policy import ServicePolicy
from server.planner.cost import TERMS, TableCost, Tariff, Wishes, table_costs
from server.planner.merges import as_mask, chosen
from server.planner.occupancy import Occupancy
from server.planner.ranking import MICRO, Choice, Ranked, Terms

Bare: TypeAlias = tuple[int, int, tuple[int, ...]]
"""A `Ranked` without its names, which would take longer than its price."""

NO_COST = TableCost(0, 0, 0, 0, 0)
NO_SET: Bare = (0, 0, ())


class Prices:
    """What the tables that are free in a window cost, and how many free tables each could be merged with.

    Worked out table by table when they are first asked for, and kept for other parties with the same window.
    """

    def __init__(self, policy: ServicePolicy, tariff: Tariff, occupied: Occupancy) -> None:
        tables = len(tariff.sets.floor.tables)
        self.policy = policy
        self.tariff = tariff
        self.costs = [NO_COST] * tables
        # All that a table costs, with each of its seats as a spare one.
        self.sums = [0] * tables
        self.partners = [0] * tables
        # Each table as a set.
        self.alone = [NO_SET] * tables
        self._occupied = occupied
        self._free = ~occupied.busy
        self._known = 0

    def cover(self, tables: int) -> None:
        """Works out what is not known yet of these tables; all of them must be free in the window."""
        missing = tables & ~self._known
        if not missing:
            return
        sets, spare, free = self.tariff.sets, self.tariff.spare_seat, self._free
        placed, touching = sets.floor.tables, sets.partners
        for at, cost in table_costs(self.tariff, self._occupied, missing).items():
            self.costs[at] = cost
            self.sums[at] = whole = sum(cost) + placed[at].capacity * spare
            self.partners[at] = partners = (touching[at] & free).bit_count()
            self.alone[at] = (whole, partners, (at,))
        self._known |= missing


@dataclass(frozen=True, slots=True)
class V2Ranking:
    """Implements `Ranking`. Equal sets are tied by how many free tables their tables could be merged with: the fewer,
    the less of what is still together is broken up.
    """

    choice: Choice
    wishes: Wishes
    prices: Prices

    def best(self, count: int) -> list[Ranked]:
        """Runs once per set, so it only adds up numbers that were made beforehand. They are those of a party of nobody:
        the seats that the party takes make every set cheaper by the same.
        """
        alone, partners, merge = self.prices.alone, self.prices.partners, self.prices.tariff.merge
        costs = self.prices.sums
        sets: list[Bare] = list(chosen(alone, self.choice.singles))
        sets += [
            (
                sum([costs[at] for at in members]) + (len(members) - 1) * merge,
                sum([partners[at] for at in members]),
                members,
            )
            for _, members, _ in self.choice.merges
        ]
        if self.wishes.charge:
            of_set = self.wishes.of_set
            sets = [(cost + of_set(as_mask(members)), tie, members) for cost, tie, members in sets]
        seated = self.choice.party.party_size * self.prices.tariff.spare_seat
        return [Ranked(cost - seated, (tie,), members) for cost, tie, members in nsmallest(count, sets)]

    def terms(self, choice: Ranked) -> Terms:
        tariff, members = self.prices.tariff, choice.members
        tables = [self.prices.costs[at] for at in members]
        seats = self.choice.sets.described(members).capacity
        costs = (
            tariff.spare_seat * (seats - self.choice.party.party_size),
            tariff.merge * (len(tables) - 1),
            *(tables[0] if len(tables) == 1 else map(sum, zip(*tables, strict=True))),
            *(self.wishes.terms(as_mask(members)) if self.wishes.charge else (0, 0, 0)),
        )
        return Terms(TERMS, tuple([cost / MICRO for cost in costs]))

    def score(self, cost: int) -> float:
        return self.prices.tariff.score(cost)


def rank_v2(choice: Choice) -> V2Ranking:
    """Prices what is free."""
    prices = _prices(choice)
    prices.cover(reduce(or_, [merge.mask for merge in choice.merges], choice.singles))
    return V2Ranking(choice, Wishes.of(prices.tariff, choice.party, choice.outlook), prices)


def _prices(choice: Choice) -> Prices:
    """The price of a table follows from the policy and from what is taken around the window."""
    kept, policy = choice.occupied.kept, choice.policy
    prices: Prices | None = kept.get(Prices)
    if prices is None or prices.policy != policy:
        tariff = Tariff.of(choice.sets, policy, choice.window)
        prices = kept[Prices] = Prices(policy, tariff, choice.occupied)
    return prices
