"""Which known bookings a plan would leave without tables. The rules and their limits are in docs/planner.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from server.domain.booking import Party
from server.domain.policy import ServicePolicy
from server.domain.window import Window
from server.planner.gaps import window_slots
from server.planner.timeline import Timeline, keep


@dataclass(frozen=True, slots=True)
class Waiting:
    """A known booking that waits for tables."""

    booking_id: UUID
    party: Party
    window: Window


class Stake(NamedTuple):
    """What a waiting booking can lose: it does when tables are taken from every one of its `ways`, which are sets."""

    party_size: int
    slots: int
    ways: tuple[int, ...]

    def lost_to(self, mask: int) -> bool:
        return all(way & mask for way in self.ways)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The waiting bookings that a plan could leave without tables."""

    stakes: tuple[Stake, ...] = ()
    # The tables of every stake's first way. A set without any of them costs nobody anything.
    tables: int = 0

    def lost_to(self, mask: int) -> list[Stake]:
        """The bookings that find nothing any more once the tables of the mask are taken."""
        if not mask & self.tables:
            return []
        return [stake for stake in self.stakes if stake.lost_to(mask)]


class Hope(NamedTuple):
    """A waiting booking with the sets that are free for it, the snuggest first; there is at least one."""

    waiting: Waiting
    free: Sequence[int]


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
    stakes = []
    for hope, taken in _counted_on(hopes):
        ways = tuple(way for way in hope.free if not way & taken)
        if not _more_than(tables_max, ways):
            stakes.append(Stake(hope.waiting.party.party_size, window_slots(hope.waiting.window), ways))
    return Outlook(tuple(stakes), reduce(or_, (stake.ways[0] for stake in stakes), 0))


def _hopes(slack_max: int, claims: Timeline, waiting: Sequence[Waiting]) -> list[Hope]:
    owners = claims.owners_within(each.window for each in waiting)
    found: dict[tuple[object, ...], Sequence[int]] = {}
    hopes = []
    for each in waiting:
        party = each.party
        # A booking that waits for other tables, or for its hold to be confirmed, is not in its own way.
        busy = owners[each.window].but(each.booking_id)
        key = (party.party_size, party.zone_id, party.required_attributes, busy)
        if key not in found:
            found[key] = [way for way in claims.sets.snuggest(party, slack_max) if not way & busy]
        if found[key]:
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
            len(hope.free),
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
        mine = next((way for way in hope.free if not way & taken), 0)
        own.append((at, mine))
        if mine:
            for index in overlapping[at]:
                promised[index] |= mine
    return [
        (hope, promised[at] & ~mine if mine else 0) for hope, (at, mine) in zip(ordered, own, strict=True)
    ]


def _more_than(count: int, ways: Iterable[int]) -> bool:
    """Whether there are visibly more disjoint ways than a plan of so many tables could take part of."""
    seen = 0
    for way in ways:
        if not way & seen:
            seen |= way
            count -= 1
            if count < 0:
                return True
    return False
