"""The v2 engine: charges for empty seats, merging and idle time over the length of the window."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from server.planner.catalog import TableSets
from server.planner.cost import TableCost, Tariff, table_costs
from server.planner.merges import as_mask, positions
from server.planner.occupancy import Occupancy
from server.planner.ranking import Choice, Ranked, ScoreTerm


@dataclass(frozen=True, slots=True)
class V2Ranking:
    """Implements `Ranking`. Equal sets are tied by how many free tables their tables could be merged with: the fewer,
    the less of what is still together is broken up.
    """

    choice: Choice
    tariff: Tariff
    costs: Mapping[int, TableCost]
    partners: Mapping[int, int]

    def ranked(self) -> list[Ranked]:
        """Runs once per set, so it only adds up numbers that were made beforehand."""
        of_table = {position: sum(cost) for position, cost in self.costs.items()}
        tariff, partners = self.tariff, self.partners
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
        costs = [self.costs[position] for position in choice.members]
        return self.tariff.breakdown(as_mask(choice.members), costs)

    def score(self, cost: int) -> float:
        return self.tariff.score(cost)


def rank_v2(choice: Choice) -> V2Ranking:
    """Prices what is free."""
    tariff = Tariff.of(choice.sets, choice.policy, choice.party, choice.window, choice.outlook)
    in_use = reduce(or_, (merge.mask for merge in choice.merges), choice.singles)
    costs = table_costs(tariff, choice.occupied, in_use)
    return V2Ranking(choice, tariff, costs, _free_partners(choice.sets, costs, choice.occupied))


def _free_partners(sets: TableSets, tables: Iterable[int], occupied: Occupancy) -> dict[int, int]:
    """How many tables that are free in the window each of these tables could be merged with."""
    free = ~reduce(or_, occupied.taken.values())
    return {position: (sets.partners[position] & free).bit_count() for position in tables}
