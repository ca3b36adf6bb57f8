"""The table sets of a floor, and for a party those among them that seat it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, reduce
from itertools import islice
from operator import or_
from typing import NamedTuple, TypeAlias
from uuid import UUID

from server.domain.booking import Party
from server.domain.floor import Floor, Table
from server.domain.limits import COMBINATIONS_MAX, MERGE_TABLES_MAX
from server.domain.policy import Combinations
from server.errors import PRECEDENCE, Reason
from server.planner.merges import adjacent_merges, free_merges, movable_neighbours, positions
from server.planner.rejections import Describe, Merge, Refused, Rejection, rejections
from server.planner.table_set import TableSet

SHORTLISTS_MAX = 512
# Bounds the memory of the cache on floors with very many merges: never more than this many entries in all
# lists.
SHORTLISTED_MERGES_MAX = 1_000_000
DESCRIBED_MAX = 512


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The sets that seat a party if they are free, and what the rules removed, in order of precedence.

    `largest` is the most people that one set in service, in the zone and with the attributes asked for can seat.
    """

    singles: int
    merges: tuple[Merge, ...]
    refused: tuple[Refused, ...]
    largest: int
    # The same as `refused`, as a plan tells it.
    rejections: tuple[Rejection, ...]


class Need(NamedTuple):
    """What the rules that don't depend on occupancy read of a party and the policy.

    No `slack_max` means that any number of seats may stay empty; `ignores_min_party` seats the party at tables that are
    kept for larger ones.
    """

    party_size: int
    zone_id: UUID | None
    required_attributes: tuple[str, ...]
    slack_max: int | None
    ignores_min_party: bool


Shortlister: TypeAlias = Callable[[Need], Shortlist]
Snuggest: TypeAlias = Callable[[Need], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class TableSets:
    """Every single table and every merge of a floor under one combination rule.

    `merges` are those whose tables are adjacent; `free_merges` those for parties that need no adjacency, the same when
    there are no such parties. Build it with `TableSets.of`, once per floor and rule; it never changes and may be shared
    between threads. The shortlists of the parties asked for last are kept: up to SHORTLISTS_MAX, fewer on floors with
    many merges. `described` keeps the sets that were named last.
    """

    floor: Floor
    combinations: Combinations
    merges: tuple[Merge, ...] = field(repr=False)
    free_merges: tuple[Merge, ...] = field(repr=False)
    # For each table the mask of those in service that it can be merged with.
    partners: tuple[int, ...] = field(repr=False)
    # For each table the positions of those that have it among their partners.
    partner_of: tuple[tuple[int, ...], ...] = field(repr=False, compare=False)
    # How many tables there are of each number of seats, by rising seats.
    seat_mix: tuple[tuple[int, int], ...] = field(repr=False, compare=False)
    position_of: Mapping[int, int] = field(repr=False, compare=False)
    equipped: Mapping[str, int] = field(repr=False, compare=False)
    # What there is at some positions of the floor, in order.
    described: Describe = field(repr=False, compare=False)
    _shortlist: Shortlister = field(repr=False, compare=False)
    _snuggest: Snuggest = field(repr=False, compare=False)
    _largest: Callable[[], "TableSets | None"] = field(repr=False, compare=False)

    @classmethod
    def of(cls, floor: Floor, combinations: Combinations) -> "TableSets":
        """Raises ValueError beyond COMBINATIONS_MAX merges: such a floor has to be refused when it is put."""
        tables, touching = floor.tables, movable_neighbours(floor)
        adjacent = _listed(tables, adjacent_merges(touching, combinations))
        free = (
            _listed(tables, free_merges(floor, combinations)) if combinations.some_merge_freely else adjacent
        )
        in_service = _mask(tables, lambda table: table.in_service)
        usable = tuple(mask & in_service if combinations.enabled else 0 for mask in touching)
        size = min(SHORTLISTS_MAX, max(1, SHORTLISTED_MERGES_MAX // max(1, len(free))))

        @lru_cache(maxsize=DESCRIBED_MAX)
        def described(members: tuple[int, ...]) -> TableSet:
            return TableSet.of(floor, members)

        @lru_cache(maxsize=size)
        def shortlist(need: Need) -> Shortlist:
            needs_adjacency = combinations.adjacency_needed(need.party_size)
            return _shortlist(tables, adjacent if needs_adjacency else free, need, described)

        return cls(
            floor,
            combinations,
            adjacent,
            free,
            usable,
            _transposed(usable),
            tuple(sorted(Counter(table.capacity for table in tables).items())),
            # Keyed by the number inside the id: hashing a UUID object costs several times as much.
            {table.table_id.int: index for index, table in enumerate(tables)},
            _equipped(tables),
            described,
            shortlist,
            lru_cache(maxsize=size)(lambda need: _snuggest(tables, shortlist(need))),
            cache(lambda: _with_merges_of(MERGE_TABLES_MAX, floor, combinations)),
        )

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
        return self._shortlist(_need(party, slack_max, relaxed))

    def snuggest(self, party: Party, slack_max: int) -> tuple[int, ...]:
        """The masks of the sets that no rule is relaxed for: fewest tables first, then fewest seats, then by id."""
        return self._snuggest(_need(party, slack_max))

    def mask_of(self, table_ids: Iterable[UUID]) -> int:
        """The given tables as a mask; ids of no table of this floor are left out."""
        mask = 0
        for table_id in table_ids:
            index = self.position_of.get(table_id.int)
            if index is not None:
                mask |= 1 << index
        return mask


def _need(party: Party, slack_max: int, relaxed: Collection[Reason] = ()) -> Need:
    return Need(
        party.party_size,
        party.zone_id,
        party.required_attributes,
        None if Reason.SLACK_BUDGET_EXCEEDED in relaxed else slack_max,
        Reason.CAPACITY_BELOW_MIN_PARTY in relaxed,
    )


def _snuggest(tables: tuple[Table, ...], shortlist: Shortlist) -> tuple[int, ...]:
    singles = sorted(positions(shortlist.singles), key=lambda at: (tables[at].capacity, at))
    merges = sorted(shortlist.merges, key=lambda merge: (len(merge.members), merge.seats, merge.members))
    return (*(1 << at for at in singles), *(merge.mask for merge in merges))


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


def _mask(tables: tuple[Table, ...], wanted: Callable[[Table], bool]) -> int:
    return sum(1 << index for index, table in enumerate(tables) if wanted(table))


def _equipped(tables: tuple[Table, ...]) -> dict[str, int]:
    """For each attribute the tables that have it."""
    names = {name for table in tables for name in table.attributes}
    return {
        name: sum(1 << index for index, table in enumerate(tables) if name in table.attributes)
        for name in names
    }


def _shortlist(
    tables: tuple[Table, ...], candidates: tuple[Merge, ...], need: Need, describe: Describe
) -> Shortlist:
    """Files each set under the first rule that it breaks, as `domain.rules.check_set` would."""
    size, required = need.party_size, set(need.required_attributes)
    unfit = (
        (Reason.TABLE_OUT_OF_SERVICE, _mask(tables, lambda t: not t.in_service)),
        (Reason.ZONE_NOT_REQUESTED, _mask(tables, lambda t: need.zone_id not in (None, t.zone_id))),
        (Reason.REQUIRED_ATTRIBUTE_UNMET, _mask(tables, lambda t: not required.issubset(t.attributes))),
    )
    reserved = 0 if need.ignores_min_party else _mask(tables, lambda t: t.min_party > size)
    refused_alone = (
        *unfit,
        (Reason.CAPACITY_INSUFFICIENT, _mask(tables, lambda t: t.seats_alone < size)),
        (Reason.CAPACITY_BELOW_MIN_PARTY, reserved),
        (Reason.SLACK_BUDGET_EXCEEDED, _mask(tables, lambda t: _wasteful(t.capacity, need))),
    )
    singles = (1 << len(tables)) - 1
    alone: dict[Reason, int] = {}
    for reason, mask in refused_alone:
        alone[reason] = singles & mask
        singles &= ~mask
    kept, together = _sift(candidates, unfit, singles, reserved, need)
    refused = (
        Refused.of(reason, alone.get(reason, 0), together.get(reason, ())) for reason in {**alone, **together}
    )
    counted = sorted((r for r in refused if r.singles or r.merges), key=lambda r: PRECEDENCE[r.reason])
    told = tuple(rejections(tables, describe, counted))
    return Shortlist(singles, kept, tuple(counted), _largest(tables, candidates, unfit), told)


def _largest(
    tables: tuple[Table, ...], candidates: tuple[Merge, ...], unfit: tuple[tuple[Reason, int], ...]
) -> int:
    wrong = reduce(or_, (mask for _, mask in unfit))
    alone = max((table.seats_alone for at, table in enumerate(tables) if not wrong >> at & 1), default=0)
    return max(alone, max((merge.seats for merge in candidates if not merge.mask & wrong), default=0))


def _sift(
    candidates: tuple[Merge, ...],
    unfit: tuple[tuple[Reason, int], ...],
    singles: int,
    reserved: int,
    need: Need,
) -> tuple[tuple[Merge, ...], dict[Reason, list[Merge]]]:
    """The merges that seat the party, and those that fell to each reason.

    A merge is redundant when some of its tables already seat the party. Whatever the mode, from such a part
    one can come to the whole by adding one table at a time and stay a merge throughout. So it is enough to
    look one table back, at merges that were sifted before because they are smaller.
    """
    fallen: dict[Reason, list[Merge]] = {}
    left: Sequence[Merge] = candidates
    for unmet, tables in unfit:
        if tables:
            fallen[unmet] = [merge for merge in left if merge.mask & tables]
            left = [merge for merge in left if not merge.mask & tables]
    # No part of a merge with too few seats seats the party either.
    fallen[Reason.CAPACITY_INSUFFICIENT] = [merge for merge in left if merge.seats < need.party_size]
    kept: list[Merge] = []
    seating: set[int] = set()
    for merge in left:
        if merge.seats < need.party_size:
            continue
        mask = merge.mask
        redundant = mask & singles or (seating and _seated_by_fewer(merge, seating))
        reason = Reason.COMBINATION_REDUNDANT if redundant else _wrong_size(merge, reserved, need)
        if redundant or reason is None:
            seating.add(mask)
        if reason is None:
            kept.append(merge)
        else:
            fallen.setdefault(reason, []).append(merge)
    return tuple(kept), fallen


def _wrong_size(merge: Merge, reserved: int, need: Need) -> Reason | None:
    """What breaks a rule of a merge that has seats enough."""
    if merge.mask & reserved:
        return Reason.CAPACITY_BELOW_MIN_PARTY
    return Reason.SLACK_BUDGET_EXCEEDED if _wasteful(merge.seats, need) else None


def _wasteful(seats: int, need: Need) -> bool:
    return need.slack_max is not None and seats - need.party_size > need.slack_max


def _seated_by_fewer(merge: Merge, seating: set[int]) -> bool:
    return len(merge.members) > 2 and any(merge.mask ^ (1 << index) in seating for index in merge.members)
