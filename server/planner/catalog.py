"""The table sets of a floor, and for a party those among them that seat it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeAlias
from uuid import UUID

from server.domain.booking import Party
from server.domain.floor import Floor, Table
from server.domain.limits import COMBINATIONS_MAX
from server.domain.policy import Combinations
from server.errors import PRECEDENCE, Reason
from server.planner.merges import merges, movable_neighbours, positions

SHORTLISTS_MAX = 512
# Bounds the memory of the cache on floors with very many merges: never more than this many entries in all
# lists.
SHORTLISTED_MERGES_MAX = 1_000_000


class Merge(NamedTuple):
    """Tables pushed together: as a mask, as positions in the floor's order, and the seats they have
    together.
    """

    mask: int
    members: tuple[int, ...]
    seats: int


class Refused(NamedTuple):
    """What one reason removed: the single tables as a mask, and how many merges."""

    reason: Reason
    singles: int
    merges: int


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The sets that seat a party if they are free, and what the rules removed, in order of precedence."""

    singles: int
    merges: tuple[Merge, ...]
    refused: tuple[Refused, ...]


class Need(NamedTuple):
    """What the rules that don't depend on occupancy read of a party and the policy."""

    party_size: int
    zone_id: UUID | None
    required_attributes: tuple[str, ...]
    slack_max: int


Shortlister: TypeAlias = Callable[[Need], Shortlist]
Snuggest: TypeAlias = Callable[[Need], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class TableSets:
    """Every single table and every merge of a floor under one combination rule.

    Build it with `TableSets.of`, once per floor and rule; it never changes and may be shared between threads.
    The shortlists of the parties asked for last are kept: up to SHORTLISTS_MAX, fewer on floors with many
    merges.
    """

    floor: Floor
    combinations: Combinations
    merges: tuple[Merge, ...] = field(repr=False)
    # For each table the mask of those in service that it can be merged with.
    partners: tuple[int, ...] = field(repr=False)
    # For each table the positions of those that have it among their partners.
    partner_of: tuple[tuple[int, ...], ...] = field(repr=False, compare=False)
    # How many tables there are of each number of seats, by rising seats.
    seat_mix: tuple[tuple[int, int], ...] = field(repr=False, compare=False)
    position_of: Mapping[int, int] = field(repr=False, compare=False)
    equipped: Mapping[str, int] = field(repr=False, compare=False)
    _shortlist: Shortlister = field(repr=False, compare=False)
    _snuggest: Snuggest = field(repr=False, compare=False)

    @classmethod
    def of(cls, floor: Floor, combinations: Combinations) -> "TableSets":
        """Raises ValueError beyond COMBINATIONS_MAX merges: such a floor has to be refused when it is put."""
        tables = floor.tables
        touching = movable_neighbours(floor)
        masks = list(islice(merges(touching, combinations), COMBINATIONS_MAX + 1))
        if len(masks) > COMBINATIONS_MAX:
            raise ValueError(f"the floor has more than {COMBINATIONS_MAX} combinations")
        found = [_merge(tables, mask) for mask in masks]
        ordered = tuple(sorted(found, key=lambda merge: (len(merge.members), merge.members)))
        in_service = _mask(tables, lambda table: table.in_service)
        usable = tuple(mask & in_service if combinations.enabled else 0 for mask in touching)
        size = min(SHORTLISTS_MAX, max(1, SHORTLISTED_MERGES_MAX // max(1, len(ordered))))
        shortlist = lru_cache(maxsize=size)(lambda need: _shortlist(tables, ordered, need))
        return cls(
            floor,
            combinations,
            ordered,
            usable,
            _transposed(usable),
            tuple(sorted(Counter(table.capacity for table in tables).items())),
            # Keyed by the number inside the id: hashing a UUID object costs several times as much.
            {table.table_id.int: index for index, table in enumerate(tables)},
            _equipped(tables),
            shortlist,
            lru_cache(maxsize=size)(lambda need: _snuggest(tables, shortlist(need))),
        )

    def shortlist(self, party: Party, slack_max: int) -> Shortlist:
        """The sets that seat the party whenever they are free."""
        return self._shortlist(_need(party, slack_max))

    def snuggest(self, party: Party, slack_max: int) -> tuple[int, ...]:
        """The masks of the same sets: fewest tables first, then fewest seats, then by id."""
        return self._snuggest(_need(party, slack_max))

    def mask_of(self, table_ids: Iterable[UUID]) -> int:
        """The given tables as a mask; ids of no table of this floor are left out."""
        mask = 0
        for table_id in table_ids:
            index = self.position_of.get(table_id.int)
            if index is not None:
                mask |= 1 << index
        return mask

    def ids_in(self, mask: int, limit: int) -> tuple[UUID, ...]:
        """The first `limit` tables of a mask, ordered by id."""
        return tuple(self.floor.tables[index].table_id for index in positions(mask)[:limit])


def _need(party: Party, slack_max: int) -> Need:
    return Need(party.party_size, party.zone_id, party.required_attributes, slack_max)


def _snuggest(tables: tuple[Table, ...], shortlist: Shortlist) -> tuple[int, ...]:
    singles = sorted(positions(shortlist.singles), key=lambda at: (tables[at].capacity, at))
    merges = sorted(shortlist.merges, key=lambda merge: (len(merge.members), merge.seats, merge.members))
    return (*(1 << at for at in singles), *(merge.mask for merge in merges))


def count_combinations(floor: Floor, combinations: Combinations, stop_at: int) -> int:
    """How many merges the floor has; stops counting at `stop_at`, so that a hostile floor costs no more than
    that.
    """
    return sum(1 for _ in islice(merges(movable_neighbours(floor), combinations), stop_at))


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


def _shortlist(tables: tuple[Table, ...], candidates: tuple[Merge, ...], need: Need) -> Shortlist:
    """Files each set under the first rule that it breaks, as `domain.rules.check_set` would."""
    size, required = need.party_size, set(need.required_attributes)
    unfit = (
        (Reason.TABLE_OUT_OF_SERVICE, _mask(tables, lambda t: not t.in_service)),
        (Reason.ZONE_NOT_REQUESTED, _mask(tables, lambda t: need.zone_id not in (None, t.zone_id))),
        (Reason.REQUIRED_ATTRIBUTE_UNMET, _mask(tables, lambda t: not required.issubset(t.attributes))),
    )
    reserved = _mask(tables, lambda t: t.min_party > size)
    refused_alone = (
        *unfit,
        (Reason.CAPACITY_INSUFFICIENT, _mask(tables, lambda t: t.seats_alone < size)),
        (Reason.CAPACITY_BELOW_MIN_PARTY, reserved),
        (Reason.SLACK_BUDGET_EXCEEDED, _mask(tables, lambda t: t.capacity - size > need.slack_max)),
    )
    singles = (1 << len(tables)) - 1
    alone: dict[Reason, int] = {}
    for reason, mask in refused_alone:
        alone[reason] = singles & mask
        singles &= ~mask
    kept, together = _sift(candidates, unfit, singles, reserved, need)
    refused = (
        Refused(reason, alone.get(reason, 0), together.get(reason, 0)) for reason in {**alone, **together}
    )
    counted = sorted((r for r in refused if r.singles or r.merges), key=lambda r: PRECEDENCE[r.reason])
    return Shortlist(singles, kept, tuple(counted))


def _sift(
    candidates: tuple[Merge, ...],
    unfit: tuple[tuple[Reason, int], ...],
    singles: int,
    reserved: int,
    need: Need,
) -> tuple[tuple[Merge, ...], dict[Reason, int]]:
    """The merges that seat the party, and how many fell to each reason.

    A merge is redundant when some of its tables already seat the party. Whatever the mode, from such a part
    one can come to the whole by adding one table at a time and stay a merge throughout. So it is enough to
    look one table back, at merges that were sifted before because they are smaller.
    """
    any_unfit = unfit[0][1] | unfit[1][1] | unfit[2][1]
    kept: list[Merge] = []
    seating: set[int] = set()
    counts: dict[Reason, int] = {}
    for merge in candidates:
        mask = merge.mask
        reason: Reason | None
        if mask & any_unfit:
            reason = next(reason for reason, tables in unfit if mask & tables)
        elif mask & singles or (seating and _seated_by_fewer(merge, seating)):
            seating.add(mask)
            reason = Reason.COMBINATION_REDUNDANT
        else:
            reason = _wrong_size(merge, reserved, need)
        if reason is None:
            seating.add(mask)
            kept.append(merge)
        else:
            counts[reason] = counts.get(reason, 0) + 1
    return tuple(kept), counts


def _wrong_size(merge: Merge, reserved: int, need: Need) -> Reason | None:
    if merge.seats < need.party_size:
        return Reason.CAPACITY_INSUFFICIENT
    if merge.mask & reserved:
        return Reason.CAPACITY_BELOW_MIN_PARTY
    return Reason.SLACK_BUDGET_EXCEEDED if merge.seats - need.party_size > need.slack_max else None


def _seated_by_fewer(merge: Merge, seating: set[int]) -> bool:
    return len(merge.members) > 2 and any(merge.mask ^ (1 << index) in seating for index in merge.members)
