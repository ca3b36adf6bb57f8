"""Which table sets seat a party if they are free, and which rule removes each of the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import NamedTuple
from uuid import UUID

from server.domain.floor import Table
from server.errors import Reason
from server.planner.merges import as_mask
from server.planner.some_sets import SetIndex, SomeSets, filed


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


class Sifted(NamedTuple):
    """The sets that seat the party, and those that each rule removed. Sets with tables that are `unfit` are none
    however many seats they have.
    """

    fitting: SomeSets
    fallen: Mapping[Reason, SomeSets]
    unfit: int


def sift(tables: Sequence[Table], equipped: Mapping[str, int], index: SetIndex, need: Need) -> Sifted:
    """Files each set under the first rule that it breaks, as `domain.rules.check_set` would. `equipped` are for each
    attribute the tables that have it.
    """
    every = SomeSets((1 << len(tables)) - 1, index.all, index)
    fit, fallen = filed(every, _unfit(tables, equipped, need))
    reserved = 0 if need.ignores_min_party else _mask(tables, lambda t: t.min_party > need.party_size)
    singles, alone = _sift_singles(tables, fit.singles, reserved, need)
    merges, together = _sift_merges(index, fit.merges, singles, reserved, need)
    for reason in {**alone, **together}:
        fallen[reason] = SomeSets(alone.get(reason, 0), together.get(reason, 0), index)
    return Sifted(SomeSets(singles, merges, index), fallen, every.singles & ~fit.singles)


def _unfit(tables: Sequence[Table], equipped: Mapping[str, int], need: Need) -> Iterator[tuple[Reason, int]]:
    every = (1 << len(tables)) - 1
    has_all = reduce(and_, [equipped.get(name, 0) for name in need.required_attributes], every)
    yield Reason.TABLE_OUT_OF_SERVICE, _mask(tables, lambda t: not t.in_service)
    if need.zone_id is not None:
        yield Reason.ZONE_NOT_REQUESTED, _mask(tables, lambda t: t.zone_id != need.zone_id)
    yield Reason.REQUIRED_ATTRIBUTE_UNMET, every & ~has_all


def _sift_singles(
    tables: Sequence[Table], left: int, reserved: int, need: Need
) -> tuple[int, dict[Reason, int]]:
    """Of the tables that are left those that seat the party alone, and those that fell to each reason."""
    size, slack_max = need.party_size, need.slack_max
    wasteful = 0 if slack_max is None else _mask(tables, lambda t: t.capacity - size > slack_max)
    fallen = {}
    for reason, wrong in (
        (Reason.CAPACITY_INSUFFICIENT, _mask(tables, lambda t: t.seats_alone < size)),
        (Reason.CAPACITY_BELOW_MIN_PARTY, reserved),
        (Reason.SLACK_BUDGET_EXCEEDED, wasteful),
    ):
        fallen[reason] = left & wrong
        left &= ~wrong
    return left, fallen


def _sift_merges(
    index: SetIndex, left: int, singles: int, reserved: int, need: Need
) -> tuple[int, dict[Reason, int]]:
    """The same of the merges. One is redundant when some of its tables seat the party: then some of them do who are
    not redundant themselves.
    """
    size, slack_max = need.party_size, need.slack_max
    enough = left & index.seating(size)
    kept_back = index.touching(reserved)
    wasteful = 0 if slack_max is None else index.seating(size + slack_max + 1)
    fitting, redundant = 0, enough & index.touching(singles)
    for merges, larger in index.by_tables:
        right = enough & merges & ~(redundant | kept_back | wasteful)
        fitting |= right
        if enough & larger & ~redundant:
            redundant |= enough & index.larger_than(right)
    wrong = enough & ~(redundant | fitting)
    return fitting, {
        Reason.COMBINATION_REDUNDANT: redundant,
        Reason.CAPACITY_INSUFFICIENT: left & ~enough,
        Reason.CAPACITY_BELOW_MIN_PARTY: wrong & kept_back,
        Reason.SLACK_BUDGET_EXCEEDED: wrong & ~kept_back,
    }


def _mask(tables: Sequence[Table], wanted: Callable[[Table], bool]) -> int:
    return as_mask([index for index, table in enumerate(tables) if wanted(table)])
