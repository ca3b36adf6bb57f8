"""The v2 engine: charges for empty seats, merging and idle time over the length of the window."""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from server.domain.policy import ServicePolicy
from server.planner.cost import TERMS, TableCost, Tariff, Wishes, table_costs
from server.planner.merges import as_mask, chosen
from server.planner.occupancy import Occupancy
from server.planner.ranking import MICRO, Bare, Choice, Ranked, Terms


class Prices:
    """What the tables that are free in a window cost, and how many free tables each could be merged with.

    Worked out table by table when they are first asked for, and kept for other parties with the same window.
    """

    def __init__(self, policy: ServicePolicy, tariff: Tariff, occupied: Occupancy) -> None:
        self.policy = policy
        self.tariff = tariff
        self.costs: dict[int, TableCost] = {}
        # All that a table costs, as if each of its seats were spare.
        self.sums: dict[int, int] = {}
        self.partners: dict[int, int] = {}
        self._occupied = occupied
        self._free = ~occupied.busy
        self._known = 0

    def cover(self, tables: int) -> None:
        """Works out what is not known yet of these tables; all of them must be free in the window."""
        missing = tables & ~self._known
        if not missing:
            return
        sets, spare = self.tariff.sets, self.tariff.spare_seat
        for position, cost in table_costs(self.tariff, self._occupied, missing).items():
            self.costs[position] = cost
            self.sums[position] = sum(cost) + sets.floor.tables[position].capacity * spare
            self.partners[position] = (sets.partners[position] & self._free).bit_count()
        self._known |= missing


@dataclass(frozen=True, slots=True)
class V2Ranking:
    """Implements `Ranking`. Equal sets are tied by how many free tables their tables could be merged with: the fewer,
    the less of what is still together is broken up.
    """

    choice: Choice
    wishes: Wishes
    prices: Prices

    def ranked(self) -> list[Bare]:
        """Runs once per set, so it only adds up numbers that were made beforehand."""
        of_table, partners, tariff = self.prices.sums, self.prices.partners, self.prices.tariff
        positions = range(len(tariff.sets.floor.tables))
        seated = self.choice.party.party_size * tariff.spare_seat
        ranked: list[Bare] = [
            (of_table[at] - seated, (partners[at],), (at,)) for at in chosen(positions, self.choice.singles)
        ]
        joined = tariff.merge
        ranked += [
            (
                sum([of_table[at] for at in members]) + (len(members) - 1) * joined - seated,
                (sum([partners[at] for at in members]),),
                members,
            )
            for _, members, _ in self.choice.merges
        ]
        if not self.wishes.charge:
            return ranked
        of_set = self.wishes.of_set
        return [(cost + of_set(as_mask(members)), ties, members) for cost, ties, members in ranked]

    def terms(self, choice: Ranked) -> Terms:
        tariff, members = self.prices.tariff, choice.members
        tables = [self.prices.costs[at] for at in members]
        seats = self.choice.sets.described(members).capacity
        costs = (
            tariff.spare_seat * (seats - self.choice.party.party_size),
            tariff.merge * (len(tables) - 1),
            *(tables[0] if len(tables) == 1 else map(sum, zip(*tables, strict=True))),
            *self.wishes.terms(as_mask(members)),
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
