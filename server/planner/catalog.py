"""The table sets of a floor, and for a party those among them that seat it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from itertools import islice
from typing import TypeAlias
from uuid import UUID

from server.domain.booking import Party
from server.domain.floor import Floor, Table
from server.domain.limits import COMBINATIONS_MAX, MERGE_TABLES_MAX
from server.domain.policy import Combinations
from server.errors import PRECEDENCE, Reason
from server.planner.merges import adjacent_merges, as_mask, free_merges, movable_neighbours, positions
from server.planner.rejections import Describe, Rejection, rejections
from server.planner.sift import Need, Sifted, sift
from server.planner.some_sets import Merge, SetIndex, SomeSets
from server.planner.table_set import TableSet

# One takes up to 30 KB on a floor of COMBINATIONS_MAX merges.
SHORTLISTS_MAX = 512
DESCRIBED_MAX = 512
# A floor with more merges is a large one: a plan takes more than some milliseconds there.
MERGES_OF_SMALL_FLOORS_MAX = 2_000


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The sets that seat a party if they are free, and on demand what became of the others."""

    _tables: tuple[Table, ...] = field(repr=False)
    _describe: Describe = field(repr=False)
    _sifted: Sifted

    @property
    def fitting(self) -> SomeSets:
        return self._sifted.fitting

    @cached_property
    def rejections(self) -> tuple[Rejection, ...]:
        """What the rules removed, in order of precedence."""
        fallen = self._sifted.fallen
        ordered = {reason: fallen[reason] for reason in sorted(fallen, key=PRECEDENCE.__getitem__)}
        return tuple(rejections(self._tables, self._describe, ordered))

    @cached_property
    def largest(self) -> int:
        """The most people that one set in service, in the zone and with the attributes asked for can seat."""
        unfit, index = self._sifted.unfit, self.fitting.among
        alone = [table.seats_alone for at, table in enumerate(self._tables) if not unfit >> at & 1]
        spoiled = index.touching(unfit)
        return max([*alone, *(each.seats for each in index.alike if each.merges & ~spoiled)], default=0)


Shortlister: TypeAlias = Callable[[Need], Shortlist]


@dataclass(frozen=True, slots=True)
class TableSets:
    """Every single table and every merge of a floor under one combination rule.

    `merges` are those whose tables are adjacent; `free_merges` those for parties that need no adjacency, the same when
    there are no such parties. Build it with `TableSets.of`, once per floor and rule; it never changes and may be shared
    between threads. The shortlists of the parties asked for last are kept, and `described` keeps the sets that were
    named last.
    """

    floor: Floor
    combinations: Combinations
    merges: tuple[Merge, ...] = field(repr=False)
    free_merges: tuple[Merge, ...] = field(repr=False)
    # For each table the mask of those in service that it can be merged with.
    partners: tuple[int, ...] = field(repr=False)
    # For each table the positions of those that have it among their partners.
    partner_of: tuple[tuple[int, ...], ...] = field(repr=False, compare=False)
    # How many tables in service there are of each number of seats, by rising seats.
    seat_mix: tuple[tuple[int, int], ...] = field(repr=False, compare=False)
    position_of: Mapping[int, int] = field(repr=False, compare=False)
    equipped: Mapping[str, int] = field(repr=False, compare=False)
    # What there is at some positions of the floor, in order.
    described: Describe = field(repr=False, compare=False)
    _shortlist: Shortlister = field(repr=False, compare=False)
    _largest: Callable[[], "TableSets | None"] = field(repr=False, compare=False)

    @classmethod
    def of(cls, floor: Floor, combinations: Combinations) -> "TableSets":
        """Raises ValueError beyond COMBINATIONS_MAX merges: such a floor has to be refused when it is put."""
        tables, touching = floor.tables, movable_neighbours(floor)
        adjacent = _listed(tables, adjacent_merges(touching, combinations))
        free = (
            _listed(tables, free_merges(floor, combinations)) if combinations.some_merge_freely else adjacent
        )
        adjacent_sets = SetIndex.of(tables, adjacent)
        free_sets = adjacent_sets if free is adjacent else SetIndex.of(tables, free)
        in_service = as_mask(at for at, table in enumerate(tables) if table.in_service)
        equipped = _equipped(tables)
        usable = tuple(mask & in_service if combinations.enabled else 0 for mask in touching)

        @lru_cache(maxsize=DESCRIBED_MAX)
        def described(members: tuple[int, ...]) -> TableSet:
            return TableSet.of(floor, members)

        @lru_cache(maxsize=SHORTLISTS_MAX)
        def shortlist(need: Need) -> Shortlist:
            needs_adjacency = combinations.adjacency_needed(need.party_size)
            index = adjacent_sets if needs_adjacency else free_sets
            return Shortlist(tables, described, sift(tables, equipped, index, need))

        return cls(
            floor,
            combinations,
            adjacent,
            free,
            usable,
            _transposed(usable),
            tuple(sorted(Counter(table.capacity for table in tables if table.in_service).items())),
            # Keyed by the number inside the id: hashing a UUID object costs several times as much.
            {table.table_id.int: index for index, table in enumerate(tables)},
            equipped,
            described,
            shortlist,
            cache(lambda: _with_merges_of(MERGE_TABLES_MAX, floor, combinations)),
        )

    @property
    def large(self) -> bool:
        """Whether a question about these sets keeps a processor busy for a while."""
        return len(self.free_merges) > MERGES_OF_SMALL_FLOORS_MAX

    def merges_for(self, party_size: int) -> tuple[Merge, ...]:
        """Every merge that a party of this size may have, whether or not it fits."""
        return self.merges if self.combinations.adjacency_needed(party_size) else self.free_merges

    def with_largest_merges(self) -> "TableSets | None":
        """The same floor with merges of up to MERGE_TABLES_MAX tables; None beyond COMBINATIONS_MAX of them.

        Enumerated when they are first asked for, and kept.
        """
        return self if self.combinations.tables_max >= MERGE_TABLES_MAX else self._largest()

    def shortlist(self, party: Party, slack_max: int, relaxed: Collection[Reason] = ()) -> Shortlist:
        """The sets that seat the party whenever they are free, by the rules less those that are relaxed."""
        need = Need(
            party.party_size,
            party.zone_id,
            party.required_attributes,
            None if Reason.SLACK_BUDGET_EXCEEDED in relaxed else slack_max,
            Reason.CAPACITY_BELOW_MIN_PARTY in relaxed,
        )
        return self._shortlist(need)

    def mask_of(self, table_ids: Iterable[UUID]) -> int:
        """The given tables as a mask; ids of no table of this floor are left out."""
        mask = 0
        for table_id in table_ids:
            index = self.position_of.get(table_id.int)
            if index is not None:
                mask |= 1 << index
        return mask


def count_combinations(floor: Floor, combinations: Combinations, stop_at: int) -> int:
    """How many merges the floor has for the parties that may have most of them; stops counting at `stop_at`, so that a
    hostile floor costs no more than that.
    """
    if combinations.some_merge_freely:
        found = free_merges(floor, combinations)
    else:
        found = adjacent_merges(movable_neighbours(floor), combinations)
    return sum(1 for _ in islice(found, stop_at))


def _with_merges_of(tables_max: int, floor: Floor, combinations: Combinations) -> TableSets | None:
    larger = replace(combinations, tables_max=tables_max)
    within = count_combinations(floor, larger, COMBINATIONS_MAX + 1) <= COMBINATIONS_MAX
    return TableSets.of(floor, larger) if within else None


def _listed(tables: tuple[Table, ...], found: Iterator[int]) -> tuple[Merge, ...]:
    """The merges ordered by size, then by their tables."""
    masks = list(islice(found, COMBINATIONS_MAX + 1))
    if len(masks) > COMBINATIONS_MAX:
        raise ValueError(f"the floor has more than {COMBINATIONS_MAX} combinations")
    merges = [_merge(tables, mask) for mask in masks]
    return tuple(sorted(merges, key=lambda merge: (len(merge.members), merge.members)))


def _transposed(masks: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    of: list[list[int]] = [[] for _ in masks]
    for index, mask in enumerate(masks):
        for other in positions(mask):
            of[other].append(index)
    return tuple(map(tuple, of))


def _merge(tables: tuple[Table, ...], mask: int) -> Merge:
    members = positions(mask)
    return Merge(mask, members, sum(tables[index].capacity for index in members))


def _equipped(tables: tuple[Table, ...]) -> dict[str, int]:
    """For each attribute the tables that have it."""
    names = {name for table in tables for name in table.attributes}
    return {
        name: as_mask(index for index, table in enumerate(tables) if name in table.attributes)
        for name in names
    }
