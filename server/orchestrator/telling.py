"""Refusals that the world is told of, and how often it is."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from uuid import UUID

from server.domain.limits import REFUSAL_TOLD_EVERY_S
from server.errors import Refusal, ServiceError
from server.orchestrator.changes import Changes


class ToldRefusal(ServiceError):
    """A refusal with what is written when it is recorded: its event and its audit entry.

    Of refusals with the same topic one is told every `REFUSAL_TOLD_EVERY_S` seconds.
    """

    def __init__(self, refusal: Refusal, restaurant_id: UUID, changes: Changes, topic: Hashable) -> None:
        super().__init__(refusal)
        self.restaurant_id = restaurant_id
        self.changes = changes
        self.topic = topic


class Pace:
    """Says whose turn it is to be told, in this process: telling takes the restaurant's lock, refusing does not."""

    def __init__(
        self, every_s: float = REFUSAL_TOLD_EVERY_S, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s = every_s
        self._monotonic_s = monotonic_s
        # In the order of their times.
        self._told_s: dict[Hashable, float] = {}

    def __len__(self) -> int:
        """How many topics are remembered."""
        return len(self._told_s)

    @contextmanager
    def turn(self, topic: Hashable) -> Iterator[bool]:
        """Whether to tell now. What fails inside was not told, and the next may."""
        now_s = self._monotonic_s()
        over = takewhile(lambda known: self._told_s[known] <= now_s - self._every_s, self._told_s)
        for known in tuple(over):
            del self._told_s[known]
        if topic in self._told_s:
            yield False
            return
        self._told_s[topic] = now_s
        try:
            yield True
        except BaseException:
            self._told_s.pop(topic, None)
            raise
