"""Who waits for a group, and who starts next. Nothing in here waits."""

from collections import deque
from dataclasses import dataclass, field
from math import ceil
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from server.orchestrator.ports import Footprint, Named

# How many members are looked at, for each that a group has room for, to find some that don't get in each other's way.
LOOKS_PER_MEMBER = 4


class Waiting(Protocol):
    """A member that waits for its group to start. Two that are equal are the same one."""

    @property
    def footprint(self) -> Footprint: ...

    @property
    def contended(self) -> bool:
        """Whether it wants to wait for the restaurant's lock, in a group that holds up no other restaurant."""
        ...

    def still_wanted(self) -> bool:
        """Asked when its turn has come; whoever answers no has left the queue."""
        ...


WaitingT = TypeVar("WaitingT", bound=Waiting)


@dataclass(slots=True)
class _Lane(Generic[WaitingT]):
    """Of one restaurant. `contended` counts the members that want a group which waits for the lock."""

    members: deque[WaitingT] = field(default_factory=deque)
    contended: int = 0


class GroupQueue(Generic[WaitingT]):
    """Members of one group touch nothing in common, and a restaurant is in one group at a time.

    Restaurants take turns. Of two members that touch something in common the one that came first starts first. While a
    contended member waits, its restaurant starts in groups of its own.
    """

    def __init__(self) -> None:
        self._lanes: dict[Named, _Lane[WaitingT]] = {}
        # By whether they are contended: restaurants that could start, the one that has waited longest first.
        self._ready: dict[bool, dict[Named, None]] = {False: {}, True: {}}
        self._under_way: set[Named] = set()
        self._length = 0

    def __len__(self) -> int:
        """How many members wait."""
        return self._length

    def add(self, waiting: WaitingT) -> bool:
        """Whether its restaurant could start now."""
        restaurant = waiting.footprint.named
        lane = self._lanes.setdefault(restaurant, _Lane())
        lane.members.append(waiting)
        lane.contended += waiting.contended
        self._length += 1
        return self._place(restaurant)

    def drop(self, waiting: WaitingT) -> bool:
        """It does not want to start any more. Harmless when it has started already.

        Whether others of its restaurant could start now: they need no contended group any more if they needed one.
        """
        lane = self._lanes.get(waiting.footprint.named)
        if lane is None or waiting not in lane.members:
            return False
        lane.members.remove(waiting)
        self._gone(lane, waiting)
        return self._place(waiting.footprint.named)

    def groups_ready(self, members_max: int, *, contended: bool) -> int:
        """How many groups of that many members could start now, at most."""
        restaurants = len(self._ready[contended])
        return restaurants if contended else min(restaurants, ceil(self._length / members_max))

    def start(self, members_max: int, *, contended: bool) -> list[WaitingT]:
        """Takes out who starts now, if anybody can. Their restaurants are under way until they are `arrived`."""
        members: list[WaitingT] = []
        for restaurant in tuple(self._ready[contended]):
            chosen = self._choose(self._lanes[restaurant], members_max - len(members))
            # It comes last from now on.
            del self._ready[contended][restaurant]
            if chosen:
                self._under_way.add(restaurant)
                members += chosen
            self._place(restaurant)
            if (contended and members) or len(members) >= members_max:
                break
        return members

    def arrived(self, restaurants: set[Named]) -> bool:
        """Their group is over. Whether anybody could start now."""
        self._under_way -= restaurants
        for restaurant in restaurants & self._lanes.keys():
            self._place(restaurant)
        return any(self._ready.values())

    def take_ready(self, *, contended: bool) -> list[WaitingT]:
        """Takes out everybody of the restaurants that could start."""
        taken: list[WaitingT] = []
        for restaurant in self._ready[contended]:
            taken += self._lanes.pop(restaurant).members
        self._ready[contended].clear()
        self._length -= len(taken)
        return taken

    def _place(self, restaurant: Named) -> bool:
        """Puts a restaurant where it belongs: among those that could start, in one way or the other, or not."""
        lane = self._lanes[restaurant]
        contended = lane.contended > 0
        self._ready[not contended].pop(restaurant, None)
        starts = bool(lane.members) and restaurant not in self._under_way
        if starts:
            self._ready[contended].setdefault(restaurant)
        else:
            self._ready[contended].pop(restaurant, None)
        if not lane.members:
            del self._lanes[restaurant]
        return starts

    def _gone(self, lane: _Lane[WaitingT], waiting: WaitingT) -> None:
        lane.contended -= waiting.contended
        self._length -= 1

    def _choose(self, lane: _Lane[WaitingT], room: int) -> list[WaitingT]:
        chosen: list[WaitingT] = []
        passed_over: list[WaitingT] = []
        touched: set[UUID] = set()
        for _ in range(room * LOOKS_PER_MEMBER):
            if not lane.members or len(chosen) == room:
                break
            waiting = lane.members.popleft()
            if not waiting.still_wanted():
                self._gone(lane, waiting)
                continue
            if touched.isdisjoint(waiting.footprint.touches):
                self._gone(lane, waiting)
                chosen.append(waiting)
            else:
                passed_over.append(waiting)
            # Of what is passed over, too: nobody overtakes somebody who wants the same.
            touched |= waiting.footprint.touches
        lane.members.extendleft(reversed(passed_over))
        return chosen
