"""What a table set costs in the v2 engine. The terms, their units and a worked example are in docs/planner.md."""

from dataclasses import dataclass
from typing import NamedTuple

from server.domain.booking import Party
from server.domain.policy import ServicePolicy
from server.domain.window import Window
from server.planner.catalog import TableSets
from server.planner.forecast import Desertion, desertion
from server.planner.gaps import GAP_SLOTS_MAX, turn_slots, unusable_slots, window_slots
from server.planner.lookahead import Outlook
from server.planner.merges import positions
from server.planner.occupancy import Occupancy
from server.planner.ranking import MICRO

# The cost per slot of the window at which the score is half of 100.
HALF_SCORE_COST = 30
# The terms of a cost, always all of them in this order.
TERMS = (
    "spare_seats",
    "merge",
    "unusable_gaps",
    "open_gaps",
    "merge_partners",
    "fragmentation",
    "scarcity",
    "preferred_attributes",
    "preferred_zone",
    "lookahead",
)


class TableCost(NamedTuple):
    """What using one table costs, in millionths, whatever else is in the set."""

    unusable_gaps: int
    open_gaps: int
    merge_partners: int
    fragmentation: int
    scarcity: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of a window under a policy, in millionths, with the length of the window in slots multiplied in."""

    sets: TableSets
    slots: int
    spare_seat: int
    merge: int
    unusable_gap: int
    open_gap: int
    merge_partner: int
    fragmentation: int
    scarcity: int
    preferred_attribute: int
    lookahead: int
    preferred_zone: int
    unusable: tuple[int, ...]
    # By seats of a table, the chance that nobody comes for an idle gap.
    deserted: Desertion

    @classmethod
    def of(cls, sets: TableSets, policy: ServicePolicy, window: Window) -> "Tariff":
        weights, slots = policy.weights, window_slots(window)
        return cls(
            sets,
            slots,
            _micro(weights.spare_seat) * slots,
            _micro(weights.merge) * slots,
            _micro(weights.unusable_gap),
            _micro(weights.open_gap),
            _micro(weights.merge_partner),
            _micro(weights.fragmentation),
            _micro(weights.scarcity),
            _micro(weights.preferred_attribute),
            _micro(weights.lookahead),
            _micro(weights.preferred_zone),
            unusable_slots(turn_slots(policy), slots + 2 * GAP_SLOTS_MAX),
            desertion(policy, sets.seat_mix),
        )

    def table(self, position: int, gaps: tuple[int, int], partners_free: int) -> TableCost:
        """The cost of a table with so many idle slots before and after the window, whose partners are free for so many
        slots of the window together.
        """
        before, after = gaps
        whole = before + self.slots + after
        unusable = self.unusable
        seats = self.sets.floor.tables[position].capacity
        deserted = self.deserted[seats]
        return TableCost(
            self.unusable_gap * seats * (unusable[before] + unusable[after] - unusable[whole]),
            self.open_gap * seats * (before + after),
            self.merge_partner * self.sets.partners[position].bit_count(),
            self.fragmentation * partners_free,
            self.scarcity * seats * (deserted[before] + deserted[after] - deserted[whole]) // MICRO,
        )

    def score(self, cost: int) -> float:
        """0 to 100 for people; a set that costs nothing, or less, has 100."""
        per_slot = max(0, cost) / MICRO / self.slots
        return 100 * HALF_SCORE_COST / (HALF_SCORE_COST + per_slot)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a set as a whole costs for one party, beside its seats, its merging and its tables."""

    tariff: Tariff
    # For each preferred attribute the tables that lack it.
    lacking: tuple[int, ...]
    # The tables outside the preferred zones; none when the party has no such preference.
    elsewhere: int
    outlook: Outlook

    @classmethod
    def of(cls, tariff: Tariff, party: Party, outlook: Outlook) -> "Wishes":
        equipped = tariff.sets.equipped
        lacking = tuple([~equipped.get(name, 0) for name in party.preferred_attributes])
        return cls(tariff, lacking, _elsewhere(tariff.sets, party), outlook)

    @property
    def charge(self) -> bool:
        """Whether any set can cost anything."""
        return bool(self.lacking or self.elsewhere or self.outlook.stakes)

    def of_set(self, mask: int) -> int:
        return sum(self.terms(mask))

    def terms(self, mask: int) -> tuple[int, int, int]:
        """For attributes, for the zone, and for those who wait."""
        tariff = self.tariff
        lost = sum(stake.party_size * stake.slots for stake in self.outlook.lost_to(mask))
        return (
            tariff.preferred_attribute * sum(1 for each in self.lacking if mask & each),
            tariff.preferred_zone if mask & self.elsewhere else 0,
            tariff.lookahead * lost,
        )


def _elsewhere(sets: TableSets, party: Party) -> int:
    wanted = party.preferred_zone_ids
    if not wanted:
        return 0
    return sum(1 << at for at, table in enumerate(sets.floor.tables) if table.zone_id not in wanted)


def table_costs(tariff: Tariff, occupancy: Occupancy, mask: int) -> dict[int, TableCost]:
    """The cost of each table of the mask; all of them must be free in the window."""
    free = occupancy.partners_free(tariff.sets, tariff.slots)
    return {
        position: tariff.table(position, occupancy.gaps(position), free[position])
        for position in positions(mask)
    }


def _micro(weight: float) -> int:
    return round(weight * MICRO)
