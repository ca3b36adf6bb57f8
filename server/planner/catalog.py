"""The table sets of a floor, and for a party those among them that seat it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import islice
from operator import or_
from typing import NamedTuple, TypeAlias
from uuid import UUID

from server.domain.booking import Party
from server.domain.floor import Floor, Table
from server.domain.limits import COMBINATIONS_MAX, REJECTED_COMBINATIONS_LISTED_MAX
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
    """What one reason removed: the single tables as a mask, how many merges, and the first of those in their order."""

    reason: Reason
    singles: int
    merges: int
    examples: tuple[Merge, ...]

    @classmethod
    def of(cls, reason: Reason, singles: int, merges: Sequence[Merge]) -> "Refused":
        return cls(reason, singles, len(merges), tuple(merges[:REJECTED_COMBINATIONS_LISTED_MAX]))


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The sets that seat a party if they are free, and what the rules removed, in order of precedence.

    `largest` is the most people that one set in service, in the zone and with the attributes asked for can seat.
    """

    singles: int
    merges: tuple[Merge, ...]
    refused: tuple[Refused, ...]
    largest: int


class Need(NamedTuple):
    """What the rules that don't depend on occupancy read of a party and the policy."""

    party_size: int
    zone_id: UUID | None
    required_attributes: tuple[str, ...]
    slack_max: int


Shortlister: TypeAlias = Callable[[Need], Shortlist]


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
    position_of: Mapping[int, int] = field(repr=False, compare=False)
    equipped: Mapping[str, int] = field(repr=False, compare=False)
    _shortlist: Shortlister = field(repr=False, compare=False)

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
        return cls(
            floor,
            combinations,
            ordered,
            usable,
            # Keyed by the number inside the id: hashing a UUID object costs several times as much.
            {table.table_id.int: index for index, table in enumerate(tables)},
            _equipped(tables),
            lru_cache(maxsize=size)(lambda need: _shortlist(tables, ordered, need)),
        )

    def shortlist(self, party: Party, slack_max: int) -> Shortlist:
        """The sets that seat the party whenever they are free."""
        return self._shortlist(Need(party.party_size, party.zone_id, party.required_attributes, slack_max))

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


def count_combinations(floor: Floor, combinations: Combinations, stop_at: int) -> int:
    """How many merges the floor has; stops counting at `stop_at`, so that a hostile floor costs no more than
    that.
    """
    return sum(1 for _ in islice(merges(movable_neighbours(floor), combinations), stop_at))


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
        Refused.of(reason, alone.get(reason, 0), together.get(reason, ())) for reason in {**alone, **together}
    )
    counted = sorted((r for r in refused if r.singles or r.merges), key=lambda r: PRECEDENCE[r.reason])
    return Shortlist(singles, kept, tuple(counted), _largest(tables, candidates, unfit))


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
    any_unfit = unfit[0][1] | unfit[1][1] | unfit[2][1]
    kept: list[Merge] = []
    seating: set[int] = set()
    fallen: dict[Reason, list[Merge]] = {}
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
            fallen.setdefault(reason, []).append(merge)
    return tuple(kept), fallen


def _wrong_size(merge: Merge, reserved: int, need: Need) -> Reason | None:
    if merge.seats < need.party_size:
        return Reason.CAPACITY_INSUFFICIENT
    if merge.mask & reserved:
        return Reason.CAPACITY_BELOW_MIN_PARTY
    return Reason.SLACK_BUDGET_EXCEEDED if merge.seats - need.party_size > need.slack_max else None


def _seated_by_fewer(merge: Merge, seating: set[int]) -> bool:
    return len(merge.members) > 2 and any(merge.mask ^ (1 << index) in seating for index in merge.members)
