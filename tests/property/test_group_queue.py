"""Who starts in a group: everybody once, nobody beside somebody who touches the same, nobody out of turn."""

import itertools
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.orchestrator.ports import Footprint, Named
from server.persistence.group_queue import LOOKS_PER_MEMBER, GroupQueue

RESTAURANTS = [UUID(int=number) for number in (1, 2, 3)]
TABLES = [UUID(int=number) for number in (101, 102, 103)]
MEMBERS_MAX = 3

restaurants = st.sampled_from(RESTAURANTS[:2])
some_tables = st.lists(st.sampled_from(TABLES), max_size=2).map(tuple)


@dataclass(slots=True, eq=False)
class Guest:
    number: int
    footprint: Footprint
    contended: bool
    wanted: bool = field(default=True)

    def still_wanted(self) -> bool:
        return self.wanted


class Queueing(RuleBasedStateMachine):
    """The queue beside a list of everybody in it, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: GroupQueue[Guest] = GroupQueue()
        self.waiting: list[Guest] = []
        self.groups: list[list[Guest]] = []
        self.numbers = itertools.count(1)

    @rule(restaurant_id=restaurants, table_ids=some_tables, contended=st.booleans())
    def comes(self, restaurant_id: UUID, table_ids: tuple[UUID, ...], contended: bool) -> None:
        guest = Guest(next(self.numbers), Footprint(restaurant_id, table_ids=table_ids), contended)
        self.waiting.append(guest)
        assert self.queue.add(guest) is (guest.footprint.named not in self.under_way)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        guest = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(guest)
        could_start = any(
            self.ready(each) for each in self.waiting if each.footprint.named == guest.footprint.named
        )
        assert self.queue.drop(guest) is could_start
        assert not self.queue.drop(guest)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def is_over_without_a_word(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.waiting)).wanted = False

    @rule(contended=st.booleans())
    def start(self, contended: bool) -> None:
        could = [guest for guest in self.could_start() if self.is_contended(guest) is contended]
        assert bool(self.queue.groups_ready(MEMBERS_MAX, contended=contended)) is bool(
            [each for each in self.waiting if self.ready(each) and self.is_contended(each) is contended]
        )
        members = self.queue.start(MEMBERS_MAX, contended=contended)
        assert bool(members) is bool(could)
        assert len(members) <= MEMBERS_MAX
        self.require_turns(members, contended)
        for guest in [each for each in self.waiting if not each.wanted]:
            # Whether it was come upon is the queue's business.
            self.queue.drop(guest)
            self.waiting.remove(guest)
        self.waiting = [guest for guest in self.waiting if guest not in members]
        if members:
            self.groups.append(members)

    @precondition(lambda self: self.groups)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        group = data.draw(st.sampled_from(self.groups))
        self.groups.remove(group)
        can_start = self.queue.arrived({guest.footprint.named for guest in group})
        assert can_start is any(self.ready(guest) for guest in self.waiting)

    @rule(contended=st.booleans())
    def nobody_gets_any_further(self, contended: bool) -> None:
        expected = [
            each for each in self.waiting if self.ready(each) and self.is_contended(each) is contended
        ]
        taken = self.queue.take_ready(contended=contended)
        assert sorted(guest.number for guest in taken) == [guest.number for guest in expected]
        self.waiting = [guest for guest in self.waiting if guest not in taken]

    @invariant()
    def everybody_is_counted(self) -> None:
        assert len(self.queue) == len(self.waiting)

    def teardown(self) -> None:
        """When every group arrives, everybody starts at last, and nothing is left of any of them."""
        for group in self.groups:
            self.queue.arrived({guest.footprint.named for guest in group})
        left = {guest.number for guest in self.waiting if guest.wanted}
        for contended in itertools.islice(itertools.cycle((True, False)), 2 * len(self.waiting) + 2):
            members = self.queue.start(MEMBERS_MAX, contended=contended)
            self.queue.arrived({guest.footprint.named for guest in members})
            left -= {guest.number for guest in members}
        assert left == set()
        assert len(self.queue) == 0
        assert GroupQueue().__dict__ == self.queue.__dict__

    @property
    def under_way(self) -> set[Named]:
        return {guest.footprint.named for group in self.groups for guest in group}

    def ready(self, guest: Guest) -> bool:
        return guest.footprint.named not in self.under_way

    def could_start(self) -> list[Guest]:
        return [guest for guest in self.waiting if guest.wanted and self.ready(guest)]

    def is_contended(self, guest: Guest) -> bool:
        """Whoever waits for the lock has the rest of the restaurant wait with it."""
        named = guest.footprint.named
        return any(each.contended for each in self.waiting if each.footprint.named == named)

    def require_turns(self, members: list[Guest], contended: bool) -> None:
        for guest in members:
            assert guest.wanted
            assert self.ready(guest)
            assert self.is_contended(guest) is contended
            earlier = [
                each for each in self.could_start() if each.number < guest.number and touch(each, guest)
            ]
            assert earlier == []
        for one, other in itertools.combinations(members, 2):
            assert not touch(one, other)
        assert not contended or len({guest.footprint.named for guest in members}) <= 1


def touch(one: Guest, other: Guest) -> bool:
    same = one.footprint.named == other.footprint.named
    return same and not one.footprint.touches.isdisjoint(other.footprint.touches)


TestQueueing = Queueing.TestCase
TestQueueing.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_restaurants_take_turns() -> None:
    """However many wait in one restaurant, the next group has somebody of every other."""
    queue: GroupQueue[Guest] = GroupQueue()
    busy, *quiet = RESTAURANTS
    for number in range(50):
        queue.add(Guest(number, Footprint(busy, table_ids=(UUID(int=1_000 + number),)), contended=False))
    for number, restaurant_id in enumerate(quiet):
        queue.add(Guest(100 + number, Footprint(restaurant_id, table_ids=(TABLES[0],)), contended=False))
    first = queue.start(MEMBERS_MAX, contended=False)
    assert {guest.footprint.restaurant_id for guest in first} == {busy}
    queue.arrived({Named(None, busy)})
    second = queue.start(MEMBERS_MAX, contended=False)
    assert {guest.footprint.restaurant_id for guest in second} == {*quiet, busy}


def test_a_long_line_for_one_table_does_not_hide_who_wants_another() -> None:
    queue: GroupQueue[Guest] = GroupQueue()
    for number in range(10):
        queue.add(Guest(number, Footprint(RESTAURANTS[0], table_ids=(TABLES[0],)), contended=False))
    other = Guest(10, Footprint(RESTAURANTS[0], table_ids=(TABLES[1],)), contended=False)
    queue.add(other)
    assert [guest.number for guest in queue.start(MEMBERS_MAX, contended=False)] == [0, 10]


def test_nobody_overtakes_who_waits_for_the_same() -> None:
    """The second wants both tables and has to wait for the first; the third comes after it all the same."""
    queue: GroupQueue[Guest] = GroupQueue()
    for number, tables in enumerate([TABLES[:1], TABLES[:2], TABLES[1:2]]):
        queue.add(Guest(number, Footprint(RESTAURANTS[0], table_ids=tuple(tables)), contended=False))
    assert [guest.number for guest in queue.start(MEMBERS_MAX, contended=False)] == [0]


def test_nobody_waits_longer_because_of_those_who_gave_up() -> None:
    """They are more than a group looks at."""
    queue: GroupQueue[Guest] = GroupQueue()
    given_up = MEMBERS_MAX * LOOKS_PER_MEMBER
    for number in range(given_up + 1):
        queue.add(Guest(number, Footprint(RESTAURANTS[0]), contended=False, wanted=number == given_up))
    assert queue.start(MEMBERS_MAX, contended=False) == []
    assert [guest.number for guest in queue.start(MEMBERS_MAX, contended=False)] == [given_up]
