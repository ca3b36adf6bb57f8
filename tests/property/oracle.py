"""The planner's answer by exhaustive search: plain sets, plain loops, the rules spelled out a second time."""

from collections import Counter, deque
from dataclasses import dataclass
from functools import cache
from itertools import combinations as subsets
from math import exp
from typing import TypeAlias
from uuid import UUID

from server.domain.floor import Table
from server.domain.policy import ServicePeriod
from server.planner.plan import Question

Ids: TypeAlias = frozenset[UUID]

CONFLICTS = {
    "block": "TABLE_BLOCKED",
    "assignment": "TABLE_CONFLICT_ASSIGNED",
    "hold": "TABLE_CONFLICT_HELD",
}


@dataclass(frozen=True)
class Truth:
    """Every plan with its cost, and how many singles and merges fell to which reason."""

    costs: dict[Ids, float]
    singles: Counter[str]
    merges: Counter[str]
    refused_tables: dict[str, set[UUID]]
    outcome: str


class Oracle:
    """Answers one question by looking at every subset of the tables."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.tables = {table.table_id: table for table in question.floor.tables}
        self.touching: dict[UUID, set[UUID]] = {table_id: set() for table_id in self.tables}
        for a, b in question.floor.adjacency:
            self.touching[a].add(b)
            self.touching[b].add(a)
        # Asked of every set again and again, and the same each time.
        self.table_cost = cache(self._table_cost)
        self.expected = cache(self._expected)
        self.chosen = cache(self._chosen)
        self.sets = [frozenset([table_id]) for table_id in self.tables] + self.merges()
        self.seating = {ids for ids in self.sets if not self.unfit(ids) and not self.wrong_size(ids)}

    def merges(self) -> list[Ids]:
        rules = self.question.policy.combinations
        if not rules.enabled:
            return []
        zones: dict[UUID, list[UUID]] = {}
        for table_id, table in self.tables.items():
            if table.movable:
                zones.setdefault(table.zone_id, []).append(table_id)
        return [
            frozenset(ids)
            for size in range(2, rules.tables_max + 1)
            for zone in zones.values()
            for ids in subsets(zone, size)
            if self.may_be_merged(ids)
        ]

    def may_be_merged(self, ids: tuple[UUID, ...]) -> bool:
        """Of tables that can be moved and stand in one zone."""
        rules = self.question.policy.combinations
        if self.question.party.party_size < (rules.adjacency_party_size_min or 0):
            return True
        mode = rules.adjacency_mode.value
        if mode == "pairwise":
            return all(b in self.touching[a] for a, b in subsets(ids, 2))
        if mode == "hub":
            return any(all(o in self.touching[c] for o in ids if o != c) for c in ids)
        return self.reached(ids[0], set(ids)) == set(ids)

    def reached(self, start: UUID, within: set[UUID]) -> set[UUID]:
        seen, queue = {start}, deque([start])
        while queue:
            for other in self.touching[queue.popleft()]:
                if other in within and other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen

    def _chosen(self, ids: Ids) -> list[Table]:
        return [self.tables[table_id] for table_id in sorted(ids)]

    def unfit(self, ids: Ids) -> str:
        party = self.question.party
        for table in self.chosen(ids):
            if not table.in_service:
                return "TABLE_OUT_OF_SERVICE"
        if party.zone_id is not None and any(t.zone_id != party.zone_id for t in self.chosen(ids)):
            return "ZONE_NOT_REQUESTED"
        if any(name not in t.attributes for t in self.chosen(ids) for name in party.required_attributes):
            return "REQUIRED_ATTRIBUTE_UNMET"
        return ""

    def wrong_size(self, ids: Ids) -> str:
        size, chosen = self.question.party.party_size, self.chosen(ids)
        seats = sum(t.capacity for t in chosen)
        if (min(seats, chosen[0].max_party) if len(chosen) == 1 else seats) < size:
            return "CAPACITY_INSUFFICIENT"
        if max(t.min_party for t in chosen) > size:
            return "CAPACITY_BELOW_MIN_PARTY"
        return "SLACK_BUDGET_EXCEEDED" if seats - size > self.question.policy.slack_max else ""

    def taken(self, ids: Ids) -> str:
        window = self.question.stay.window
        if ids & self.question.avoid:
            return "TABLE_AVOIDED"
        kinds = {
            c.kind.value
            for c in self.question.claims
            if c.table_id in ids and not (c.window.end <= window.start or window.end <= c.window.start)
        }
        return next((reason for kind, reason in CONFLICTS.items() if kind in kinds), "")

    def reason(self, ids: Ids) -> str:
        redundant = any(other < ids for other in self.seating)
        return (
            self.unfit(ids)
            or ("COMBINATION_REDUNDANT" if redundant else "")
            or self.wrong_size(ids)
            or self.taken(ids)
        )

    def cost(self, ids: Ids) -> float:
        weights, window = self.question.policy.weights, self.question.stay.window
        chosen, party = self.chosen(ids), self.question.party
        slots = -(-round((window.end - window.start).total_seconds()) // 300)
        spare = sum(t.capacity for t in chosen) - party.party_size
        lacking = [n for n in party.preferred_attributes if any(n not in t.attributes for t in chosen)]
        total = slots * (spare * weights.spare_seat + (len(chosen) - 1) * weights.merge)
        return (
            total
            + len(lacking) * weights.preferred_attribute
            + (weights.preferred_zone if self.zone_unmet(chosen) else 0)
            + sum(self.table_cost(t, slots) for t in chosen)
        )

    def zone_unmet(self, chosen: list[Table]) -> bool:
        wanted = self.question.party.preferred_zone_ids
        return bool(wanted) and any(table.zone_id not in wanted for table in chosen)

    def _table_cost(self, table: Table, slots: int) -> float:
        weights, window, horizon = (
            self.question.policy.weights,
            self.question.stay.window,
            self.question.horizon,
        )
        mine = [c.window for c in self.question.claims if c.table_id == table.table_id]
        since = max([horizon.start, *(w.end for w in mine if w.end <= window.start)])
        until = min([horizon.end, *(w.start for w in mine if w.start >= window.end)])
        before = max(0, int((window.start - since).total_seconds() // 300))
        after = max(0, int((until - window.end).total_seconds() // 300))
        lost = self.unusable(before) + self.unusable(after) - self.unusable(before + slots + after)
        gaps = weights.unusable_gap * lost + weights.open_gap * (before + after)
        deserted = self.deserted(table, before) + self.deserted(table, after)
        deserted -= self.deserted(table, before + slots + after)
        # A table's part of this term is cut to a whole millionth.
        scarcity = round(weights.scarcity * 1e6) * table.capacity * deserted // 10**6 / 1e6
        merging = weights.merge_partner * len(self.partners(table))
        merging += weights.fragmentation * sum(
            self.free_slots(other, slots) for other in self.partners(table)
        )
        return table.capacity * gaps + merging + scarcity

    def free_slots(self, table: Table, slots: int) -> int:
        window = self.question.stay.window
        claimed = [c.window for c in self.question.claims if c.table_id == table.table_id]
        within = [(max(w.start, window.start), min(w.end, window.end)) for w in claimed]
        lost = sum(-(-round((end - start).total_seconds()) // 300) for start, end in within if start < end)
        return slots - min(slots, lost)

    def deserted(self, table: Table, gap: int) -> int:
        """How likely no expected party fits into an idle gap of the table, in millionths."""
        if gap == 0:
            return 0
        capacities = [other.capacity for other in self.tables.values() if other.in_service]
        smaller = max([c for c in capacities if c < table.capacity], default=0)
        hoped = 0.0
        for period in self.question.policy.periods:
            for size, parties in self.expected(period).items():
                if smaller < size <= table.capacity:
                    starts = self.starts(period, size, self.length(period))
                    share = self.starts(period, size, gap) / max(1, starts)
                    hoped += share * parties / capacities.count(table.capacity)
        return round(1e6 * exp(-2.5 * hoped / len(self.question.policy.periods)))

    def _expected(self, period: ServicePeriod) -> dict[int, float]:
        forecast = self.question.policy.forecast
        if forecast:
            return {each.party_size: each.parties for each in forecast}
        usual = {1: 5, 2: 45, 3: 12, 4: 22, 5: 6, 6: 6, 7: 2, 8: 2}
        seats = sum(table.capacity for table in self.tables.values() if table.in_service)
        taken = sum(share * size * self.turn(period, size) for size, share in usual.items())
        return {size: share * 0.6 * seats * self.length(period) / taken for size, share in usual.items()}

    def starts(self, period: ServicePeriod, size: int, slots: int) -> int:
        return max(0, (slots - self.turn(period, size)) // 3 + 1)

    def turn(self, period: ServicePeriod, size: int) -> int:
        policy = self.question.policy
        stay = period.turn_time(size).total_seconds() + policy.buffer_before_s + policy.buffer_after_s
        return int(-(-stay // 300))

    def length(self, period: ServicePeriod) -> int:
        return -(-(period.closes_after_min - period.opens_min) // 5)

    def unusable(self, gap: int) -> int:
        policy = self.question.policy
        buffers = policy.buffer_before_s + policy.buffer_after_s
        turns = {-(-(t.duration_s + buffers) // 300) for p in policy.periods for t in p.turn_times}
        return gap - most_used(tuple(sorted(turns)), gap)

    def partners(self, table: Table) -> list[Table]:
        if not table.movable or not self.question.policy.combinations.enabled:
            return []
        others = [self.tables[i] for i in self.touching[table.table_id]]
        return [o for o in others if o.movable and o.in_service and o.zone_id == table.zone_id]

    def truth(self) -> Truth:
        costs: dict[Ids, float] = {}
        singles: Counter[str] = Counter()
        merges: Counter[str] = Counter()
        tables: dict[str, set[UUID]] = {}
        for ids in self.sets:
            reason = self.reason(ids)
            if not reason:
                costs[ids] = self.cost(ids)
            elif len(ids) > 1:
                merges[reason] += 1
            else:
                singles[reason] += 1
                tables.setdefault(reason, set()).update(ids)
        return Truth(costs, singles, merges, tables, self.outcome(bool(costs)))

    def outcome(self, found: bool) -> str:
        if found:
            return "feasible"
        any_time = any(not ids & self.question.avoid for ids in self.seating)
        return "fully_taken" if any_time else "needs_staff"


@cache
def most_used(turns: tuple[int, ...], gap: int) -> int:
    """The most slots of a gap that whole turns can fill."""
    return max((turn + most_used(turns, gap - turn) for turn in turns if turn <= gap), default=0)
