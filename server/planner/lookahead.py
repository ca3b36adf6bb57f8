"""Which known bookings a plan would leave without tables. The rules and their limits are in docs/planner.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from server.domain.booking import Party
from server.domain.policy import ServicePolicy
from server.domain.window import Window
from server.planner.gaps import window_slots
from server.planner.merges import as_mask, positions
from server.planner.some_sets import SomeSets
from server.planner.timeline import Timeline, keep


@dataclass(frozen=True, slots=True)
class Waiting:
    """A known booking that waits for tables."""

    booking_id: UUID
    party: Party
    window: Window


class Stake(NamedTuple):
    """What a waiting booking can lose."""

    party_size: int
    slots: int


class Loss(NamedTuple):
    """Whoever takes all of these tables leaves some bookings without any: the bits of `stakes` say which."""

    tables: int
    stakes: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """The waiting bookings that a plan could leave without tables."""

    stakes: tuple[Stake, ...] = ()
    # By the first of their tables.
    _losses: Mapping[int, Sequence[Loss]] = field(default_factory=dict)
    # Those first tables.
    _tables: int = 0

    @classmethod
    def of(cls, stakes: Iterable[tuple[Stake, Iterable[int]]]) -> "Outlook":
        """Each stake with masks of tables: whoever takes all tables of one of them takes all that the booking has."""
        found: dict[int, int] = {}
        at_stake = []
        for number, (stake, losses) in enumerate(stakes):
            at_stake.append(stake)
            for tables in losses:
                found[tables] = found.get(tables, 0) | 1 << number
        by_first: dict[int, list[Loss]] = {}
        for tables, bits in found.items():
            by_first.setdefault(positions(tables)[0], []).append(Loss(tables, bits))
        return cls(tuple(at_stake), by_first, as_mask(by_first))

    def lost_to(self, mask: int) -> list[Stake]:
        """The bookings that find nothing any more once the tables of the mask are taken."""
        lost = 0
        for first in positions(mask & self._tables):
            for tables, stakes in self._losses[first]:
                if tables & mask == tables:
                    lost |= stakes
        return [self.stakes[number] for number in positions(lost)]


class Hope(NamedTuple):
    """A waiting booking with the sets that are free for it; there is at least one."""

    waiting: Waiting
    free: SomeSets


def look_ahead(
    policy: ServicePolicy, window: Window, claims: Timeline, waiting: tuple[Waiting, ...]
) -> Outlook:
    """What a plan for the window can take from those who wait.

    `claims` are those that the plan respects, with none missing that touches the window of a waiting booking. Bookings
    whose windows don't overlap the plan's are left out, and so are those that find nothing as it is. Kept with the
    claims for as long as the same bookings wait.
    """
    if not waiting:
        return Outlook()
    key = Outlook, window, policy.slack_max
    known = claims.kept.get(key)
    if known is None or known[0] != waiting:
        known = (waiting, _outlook(policy, window, claims, waiting))
        keep(claims.kept, key, known)
    outlook: Outlook = known[1]
    return outlook


def _outlook(
    policy: ServicePolicy, window: Window, claims: Timeline, waiting: tuple[Waiting, ...]
) -> Outlook:
    near = [each for each in waiting if each.window.overlaps(window)]
    hopes = _hopes(policy.slack_max, claims, near)
    rules = policy.combinations
    tables_max = rules.tables_max if rules.enabled else 1
    known: dict[SomeSets, frozenset[int]] = {}
    stakes = []
    for hope, taken in _counted_on(hopes):
        ways = hope.free.without(taken)
        if ways not in known:
            known[ways] = frozenset(_losses(ways, tables_max))
        if known[ways]:
            stake = Stake(hope.waiting.party.party_size, window_slots(hope.waiting.window))
            stakes.append((stake, known[ways]))
    return Outlook.of(stakes)


def _hopes(slack_max: int, claims: Timeline, waiting: Sequence[Waiting]) -> list[Hope]:
    owners = claims.owners_within(each.window for each in waiting)
    found: dict[tuple[object, ...], SomeSets] = {}
    hopes = []
    for each in waiting:
        party = each.party
        # A booking that waits for other tables, or for its hold to be confirmed, is not in its own way.
        busy = owners[each.window].but(each.booking_id)
        key = (party.party_size, party.zone_id, party.required_attributes, busy)
        if key not in found:
            found[key] = claims.sets.shortlist(party, slack_max).fitting.without(busy)
        if found[key].size:
            hopes.append(Hope(each, found[key]))
    return hopes


def _counted_on(hopes: Iterable[Hope]) -> list[tuple[Hope, int]]:
    """For each booking the tables that others count on, so that it can't.

    Whoever has the fewest sets chooses first, then the larger party; each takes its snuggest set that is left. Who
    finds none left competes for all of its sets.
    """
    ordered = sorted(
        hopes,
        key=lambda hope: (
            hope.free.size,
            -hope.waiting.party.party_size,
            hope.waiting.window,
            hope.waiting.booking_id,
        ),
    )
    windows = sorted({hope.waiting.window for hope in ordered})
    number = {window: index for index, window in enumerate(windows)}
    overlapping = [
        [index for index, other in enumerate(windows) if other.overlaps(window)] for window in windows
    ]
    promised = [0] * len(windows)
    own = []
    for hope in ordered:
        at = number[hope.waiting.window]
        taken = promised[at]
        mine = hope.free.snuggest(taken)
        own.append((at, mine))
        if mine:
            for index in overlapping[at]:
                promised[index] |= mine
    return [
        (hope, promised[at] & ~mine if mine else 0) for hope, (at, mine) in zip(ordered, own, strict=True)
    ]


def _losses(ways: SomeSets, tables_max: int) -> Iterator[int]:
    """Sets of up to so many tables that have some table of every way; every such set has all tables of one of them."""
    if not _more_than(tables_max, ways):
        yield from _hitting(ways, 0, tables_max)


def _hitting(left: SomeSets, hit: int, tables_max: int) -> Iterator[int]:
    """Whoever hits what is left has some table of the first of it."""
    way = left.first()
    if not way:
        yield hit
    elif tables_max:
        for at in positions(way):
            yield from _hitting(left.without(1 << at), hit | 1 << at, tables_max - 1)


def _more_than(count: int, ways: SomeSets) -> bool:
    """Whether there are visibly more disjoint ways than a plan of so many tables could take part of."""
    if ways.singles.bit_count() > count:
        return True
    while way := ways.first():
        ways = ways.without(way)
        count -= 1
        if count < 0:
            return True
    return False
