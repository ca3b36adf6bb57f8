"""Tells a receiver that is away from an event that it doesn't take."""

from collections.abc import Callable
from uuid import UUID

# One restaurant alone may have an event that nobody would take; two at once, with nothing delivered, hardly.
RESTAURANTS_MIN = 2


class Outage:
    """What one worker knows of it: which restaurants' events have failed since any event was last delivered.

    With failures of several restaurants and no delivery between them the receiver is at fault, not their events. That
    is believed for `longest_s` seconds; with 0 never. `now_s` counts seconds from any start, and never goes back.
    """

    def __init__(self, longest_s: float, now_s: Callable[[], float]) -> None:
        self._longest_s = longest_s
        self._now_s = now_s
        self._failing: set[UUID] = set()
        self._since_s = 0.0

    def delivered(self) -> None:
        """The receiver is there."""
        self._failing.clear()

    def failed(self, restaurant_id: UUID) -> float | None:
        """Notes a failure: for how many seconds the receiver has been away, or None where the event may be at fault."""
        if not self._failing:
            self._since_s = self._now_s()
        self._failing.add(restaurant_id)
        away_s = self._now_s() - self._since_s
        return away_s if len(self._failing) >= RESTAURANTS_MIN and away_s < self._longest_s else None
