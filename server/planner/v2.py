"""The v2 engine: charges for empty seats, merging and idle time over the length of the window."""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from server.planner.catalog import TableSets
from server.planner.cost import TableCost, Tariff, table_costs
from server.planner.merges import as_mask, positions
from server.planner.occupancy import Occupancy
from server.planner.ranking import Choice, Ranked, ScoreTerm


class Prices:
    """What the tables that are free in a window cost, and how many free tables each could be merged with.

    Worked out table by table when they are first asked for, and kept for other parties with the same window.
    """

    def __init__(self, sets: TableSets, occupied: Occupancy) -> None:
        self.costs: dict[int, TableCost] = {}
        self.sums: dict[int, int] = {}
        self.partners: dict[int, int] = {}
        self._sets = sets
        self._occupied = occupied
        self._free = ~occupied.busy
        self._known = 0

    def cover(self, tariff: Tariff, tables: int) -> None:
        """Works out what is not known yet of these tables; all of them must be free in the window."""
        missing = tables & ~self._known
        if not missing:
            return
        for position, cost in table_costs(tariff, self._occupied, missing).items():
            self.costs[position] = cost
            self.sums[position] = sum(cost)
            self.partners[position] = (self._sets.partners[position] & self._free).bit_count()
        self._known |= missing


@dataclass(frozen=True, slots=True)
class V2Ranking:
    """Implements `Ranking`. Equal sets are tied by how many free tables their tables could be merged with: the fewer,
    the less of what is still together is broken up.
    """

    choice: Choice
    tariff: Tariff
    prices: Prices

    def ranked(self) -> list[Ranked]:
        """Runs once per set, so it only adds up numbers that were made beforehand."""
        tariff, of_table, partners = self.tariff, self.prices.sums, self.prices.partners
        tables, size = tariff.sets.floor.tables, tariff.party_size
        spare, joining = tariff.spare_seat, tariff.merge
        ranked = [
            Ranked((tables[at].capacity - size) * spare + of_table[at], (partners[at],), (at,))
            for at in positions(self.choice.singles)
        ]
        ranked += [
            Ranked(
                (seats - size) * spare + (len(members) - 1) * joining + sum([of_table[at] for at in members]),
                (sum([partners[at] for at in members]),),
                members,
            )
            for _, members, seats in self.choice.merges
        ]
        if not tariff.charges_sets:
            return ranked
        return [each._replace(cost=each.cost + tariff.of_set(as_mask(each.members))) for each in ranked]

    def breakdown(self, choice: Ranked) -> tuple[ScoreTerm, ...]:
        costs = [self.prices.costs[position] for position in choice.members]
        return self.tariff.breakdown(as_mask(choice.members), costs)

    def score(self, cost: int) -> float:
        return self.tariff.score(cost)


def rank_v2(choice: Choice) -> V2Ranking:
    """Prices what is free."""
    tariff = Tariff.of(choice.sets, choice.policy, choice.party, choice.window, choice.outlook)
    # The price of a table follows from the policy and from what is taken around the window.
    prices: Prices | None = choice.occupied.kept.get(choice.policy)
    if prices is None:
        prices = choice.occupied.kept[choice.policy] = Prices(choice.sets, choice.occupied)
    prices.cover(tariff, reduce(or_, (merge.mask for merge in choice.merges), choice.singles))
    return V2Ranking(choice, tariff, prices)
