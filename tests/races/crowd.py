"""Hosts who do everything that can be done to a floor, at random, from a seed."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from google.protobuf.message import Message

from maitred_client import AsyncMaitredClient, MaitredError, new_request_id
from maitred_client.calls import request_id_of
from maitred_client.messages import BookingAction, Hold, UnblockTablesRequest
from tests.builders.world import World, evening

Call: TypeAlias = Callable[[Any], Awaitable[Any]]

# How many of the newest holds are confirmed or released, and how often a booking sticks to its tables.
RECENT = 8
LOYALTY = 0.7
ACTIONS = [action for action in BookingAction.values() if action]


@dataclass(frozen=True, slots=True)
class Sent:
    """One call and what came of it: an answer or an error."""

    method: str
    request: Message
    answer: Message | None
    error: MaitredError | None

    @property
    def request_id(self) -> str:
        return request_id_of(self.request)


@dataclass(slots=True)
class Crowd:
    """What the hosts of one world know together."""

    world: World
    booking_ids: list[str]
    holds: list[Hold] = field(default_factory=list)
    open_holds: dict[str, Hold] = field(default_factory=dict)
    block_ids: list[str] = field(default_factory=list)
    seated_ids: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    liked: dict[str, list[str]] = field(default_factory=dict)

    async def wander(self, client: AsyncMaitredClient, rng: random.Random, steps: int) -> None:
        """One host at work. Refusals are expected and kept; anything that is not typed is raised."""
        for _ in range(steps):
            method, request = self._choose(rng)
            answer, error = await attempt(getattr(client, method), request)
            self.sent.append(Sent(method, request, answer, error))
            if answer is not None:
                self._learn(method, request, answer)

    def _learn(self, method: str, request: Any, answer: Any) -> None:
        if method in ("confirm_hold", "release_hold", "replace_hold"):
            self.open_holds.pop(request.hold_id, None)
        if method in ("hold_tables", "replace_hold"):
            self.holds.append(answer.hold)
            self.open_holds[answer.hold.hold_id] = answer.hold
        if method in ("assign_tables", "auto_assign", "confirm_hold"):
            self.seated_ids.append(answer.booking.booking_id)
        if method == "block_tables":
            self.block_ids.append(answer.block.block_id)

    def _choose(self, rng: random.Random) -> tuple[str, Message]:
        kinds: list[tuple[float, Callable[[random.Random], tuple[str, Message]]]] = [
            (5, self._hold),
            (3, self._assign),
            (1, self._auto_assign),
            (2, self._unassign),
            (2, self._change),
            (2, self._transition),
            (1, self._block),
        ]
        if self.holds:
            kinds += [(5, self._confirm), (2, self._release)]
        if self.open_holds:
            kinds += [(2, self._extend), (4, self._replace)]
        if self.seated_ids:
            kinds.append((6, self._reassign))
        if self.block_ids:
            kinds.append((1, self._unblock))
        weights = [weight for weight, _ in kinds]
        return rng.choices([choose for _, choose in kinds], weights)[0](rng)

    def _hold(self, rng: random.Random) -> tuple[str, Message]:
        booking_id = rng.choice(self.booking_ids)
        return "hold_tables", self.world.hold_request(booking_id, self._tables_for(booking_id, rng))

    def _assign(self, rng: random.Random) -> tuple[str, Message]:
        booking_id = rng.choice(self.booking_ids)
        return "assign_tables", self.world.assign_request(booking_id, self._tables_for(booking_id, rng))

    def _auto_assign(self, rng: random.Random) -> tuple[str, Message]:
        """It always finds a table, so it only looks after the last few: the others are left to the hosts."""
        booking_id = rng.choice(self.booking_ids[-RECENT:])
        return "auto_assign", self.world.auto_assign_request(booking_id, request_id=new_request_id())

    def _reassign(self, rng: random.Random) -> tuple[str, Message]:
        booking_id = rng.choice(self.seated_ids[-RECENT:])
        names = rng.choice([self._tables(rng), self._tables_for(booking_id, rng)])
        return "reassign_tables", self.world.reassign_request(booking_id, names)

    def _unassign(self, rng: random.Random) -> tuple[str, Message]:
        """Often where there is something to take away."""
        booking_id = rng.choice(rng.choice([self.seated_ids[-RECENT:] or self.booking_ids, self.booking_ids]))
        names = rng.choice([[], self._tables_for(booking_id, rng)[:1]])
        return "unassign_tables", self.world.unassign_request(booking_id, names)

    def _change(self, rng: random.Random) -> tuple[str, Message]:
        start = evening(18) + timedelta(minutes=30 * rng.randrange(6))
        booking_id = rng.choice(self.booking_ids)
        return "put_booking", self.world.booking_request(
            party=rng.randint(1, 6), start=start, booking_id=booking_id
        )

    def _transition(self, rng: random.Random) -> tuple[str, Message]:
        booking_id = rng.choice(self.booking_ids)
        return "transition_booking", self.world.transition_request(booking_id, rng.choice(ACTIONS))

    def _block(self, rng: random.Random) -> tuple[str, Message]:
        start = evening(17) + timedelta(minutes=30 * rng.randrange(12))
        end = start + timedelta(minutes=30)
        return "block_tables", self.world.block_request(self._tables(rng), start=start, end=end)

    def _confirm(self, rng: random.Random) -> tuple[str, Message]:
        return "confirm_hold", self.world.confirm_request(rng.choice(self.holds[-RECENT:]))

    def _release(self, rng: random.Random) -> tuple[str, Message]:
        return "release_hold", self.world.release_request(rng.choice(self.holds[-RECENT:]).hold_id)

    def _extend(self, rng: random.Random) -> tuple[str, Message]:
        return "extend_hold", self.world.extend_request(
            rng.choice(list(self.open_holds)), ttl_s=rng.choice([60, 300, 900])
        )

    def _replace(self, rng: random.Random) -> tuple[str, Message]:
        hold = rng.choice(list(self.open_holds.values()))
        names = self._tables_for(hold.booking_id, rng)
        return "replace_hold", self.world.replace_request(hold.hold_id, names)

    def _unblock(self, rng: random.Random) -> tuple[str, Message]:
        return "unblock_tables", UnblockTablesRequest(
            restaurant_id=self.world.restaurant_id,
            block_id=rng.choice(self.block_ids),
            request_id=new_request_id(),
        )

    def _tables_for(self, booking_id: str, rng: random.Random) -> list[str]:
        """Often the tables that the booking asked for before, or some of them: its own claims meet each other."""
        if rng.random() < LOYALTY and booking_id in self.liked:
            names = self.liked[booking_id]
            return names[: rng.randint(1, len(names))]
        return self.liked.setdefault(booking_id, self._tables(rng))

    def _tables(self, rng: random.Random) -> list[str]:
        names = sorted(self.world.tables)
        length = rng.randint(1, 3)
        first = rng.randrange(len(names) - length + 1)
        return names[first : first + length]


async def attempt(call: Call, request: Message) -> tuple[Any, MaitredError | None]:
    """The answer or the typed error of one call."""
    try:
        return await call(request), None
    except MaitredError as error:
        return None, error
