"""What a table set costs for a window. The terms, their units and a worked example are in docs/planner.md."""

from dataclasses import dataclass
from typing import NamedTuple

from server.domain.booking import Party
from server.domain.policy import ServicePolicy
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.gaps import GAP_SLOTS_MAX, turn_slots, unusable_slots, window_slots
from server.planner.merges import positions
from server.planner.occupancy import Occupancy

# Costs are counted in millionths, as whole numbers: sums are exact, so equal sets tie whatever order they are
# added in.
MICRO = 1_000_000
# The cost per slot of the window at which the score is half of 100.
HALF_SCORE_COST = 30


class ScoreTerm(NamedTuple):
    """One term of a cost."""

    name: str
    cost: float


class TableCost(NamedTuple):
    """What using one table costs, in millionths, whatever else is in the set."""

    unusable_gaps: int
    open_gaps: int
    merge_partners: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one question, in millionths, with the length of the window in slots multiplied in."""

    sets: TableSets
    party_size: int
    slots: int
    spare_seat: int
    merge: int
    unusable_gap: int
    open_gap: int
    merge_partner: int
    preferred_attribute: int
    unusable: tuple[int, ...]
    lacking: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, sets: TableSets, policy: ServicePolicy, party: Party, window: Window) -> "Tariff":
        weights, slots = policy.weights, window_slots(window)
        return cls(
            sets,
            party.party_size,
            slots,
            _micro(weights.spare_seat) * slots,
            _micro(weights.merge) * slots,
            _micro(weights.unusable_gap),
            _micro(weights.open_gap),
            _micro(weights.merge_partner),
            _micro(weights.preferred_attribute),
            unusable_slots(turn_slots(policy), slots + 2 * GAP_SLOTS_MAX),
            tuple((name, ~sets.equipped.get(name, 0)) for name in party.preferred_attributes),
        )

    def table(self, position: int, gaps: tuple[int, int]) -> TableCost:
        """The cost of a table with so many idle slots before and after the window."""
        before, after = gaps
        unusable = self.unusable
        seats = self.sets.floor.tables[position].capacity
        newly_unusable = unusable[before] + unusable[after] - unusable[before + self.slots + after]
        return TableCost(
            self.unusable_gap * seats * newly_unusable,
            self.open_gap * seats * (before + after),
            self.merge_partner * self.sets.partners[position].bit_count(),
        )

    def preferences(self, mask: int) -> int:
        """The cost of the preferred attributes that a table of the set lacks."""
        return self.preferred_attribute * sum(1 for _, lacking in self.lacking if mask & lacking)

    def unmet(self, mask: int) -> tuple[str, ...]:
        return tuple(name for name, lacking in self.lacking if mask & lacking)

    def breakdown(self, mask: int, tables: list[TableCost]) -> tuple[ScoreTerm, ...]:
        """The cost of a set by terms, always all six in the same order."""
        seats = sum(self.sets.floor.tables[index].capacity for index in positions(mask))
        terms = {
            "spare_seats": self.spare_seat * (seats - self.party_size),
            "merge": self.merge * (len(tables) - 1),
            "unusable_gaps": sum(table.unusable_gaps for table in tables),
            "open_gaps": sum(table.open_gaps for table in tables),
            "merge_partners": sum(table.merge_partners for table in tables),
            "preferred_attributes": self.preferences(mask),
        }
        return tuple(ScoreTerm(name, cost / MICRO) for name, cost in terms.items())

    def score(self, cost: int) -> float:
        """0 to 100 for people; a set that costs nothing, or less, has 100."""
        per_slot = max(0, cost) / MICRO / self.slots
        return 100 * HALF_SCORE_COST / (HALF_SCORE_COST + per_slot)


def table_costs(tariff: Tariff, occupancy: Occupancy, mask: int) -> dict[int, TableCost]:
    """The cost of each table of the mask; all of them must be free in the window."""
    return {position: tariff.table(position, occupancy.gaps(position)) for position in positions(mask)}


def _micro(weight: float) -> int:
    return round(weight * MICRO)
