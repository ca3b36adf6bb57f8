"""What the outbox needs from the rooms beside it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from server.outbox.events import Lease, OutboxEvent, Run, Settlement


class EventQueue(Protocol):
    """Committed events that wait to be delivered, leased by restaurant.

    Every method but `claim` is fenced: a lease that was lost meanwhile changes nothing any more.
    """

    async def claim(self, runs_max: int, events_max: int) -> tuple[Run, ...]:
        """Leases restaurants with something to deliver. A run may turn out empty.

        While delivery is paused there is none.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> frozenset[Lease]:
        """Writes what became of runs and gives their leases back. The leases that still held, or that it gave back
        already when it was asked the same before.
        """
        ...

    async def extend(self, runs: Sequence[Run]) -> frozenset[Lease]:
        """Keeps leases for their full length from now on. The leases that still held."""
        ...

    async def give_back(self, runs: Sequence[Run]) -> frozenset[Lease]:
        """Gives leases back of what could not be settled. The leases that still held.

        It arrives again after as long as a lease lasts; since nobody died over it, that counts against no event.
        """
        ...

    async def adopt(self) -> None:
        """Takes up restaurants that no relay has seen before."""
        ...


Handler: TypeAlias = Callable[[OutboxEvent], Awaitable[None]]
"""Delivers one event. Raises `Undeliverable` for what no repeat would cure; anything else is tried again."""


class Undeliverable(Exception):  # what it says about the event is the point, not that it is an error
    """The event can never be delivered; the text says why."""


class RetryLater(Exception):  # a request, not a failure of the code
    """The receiver asks to be left alone for a while."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s
