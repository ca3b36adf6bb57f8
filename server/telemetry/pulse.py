"""How a service in the background is doing: written by the service, read by health and measurements."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pulse:
    """What the rounds of one service came to. A round that is over `round_s_max` seconds old counts as hung.

    `failures` is in a row. A round that was cut short by stopping the service counts for nothing.
    """

    def __init__(
        self, service: str, round_s_max: float, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.service = service
        self.rounds_done = 0
        self.rounds_failed = 0
        self.failures = 0
        self.rows = 0
        self.last_round_s = 0.0
        self._round_s_max = round_s_max
        self._monotonic_s = monotonic_s
        self._began_s: float | None = None
        self._ended = False

    @contextmanager
    def round(self) -> Iterator[None]:
        """One round. What it raises is counted and passes through."""
        began_s = self._began_s = self._monotonic_s()
        try:
            yield
        except Exception:
            self.rounds_failed += 1
            self.failures += 1
            self.last_round_s = self._monotonic_s() - began_s
            raise
        else:
            self.rounds_done += 1
            self.failures = 0
            self.last_round_s = self._monotonic_s() - began_s
        finally:
            self._began_s = None

    def end(self) -> None:
        """There will be no more rounds, though nobody stopped the service."""
        self._ended = True

    def beats(self, failures_max: int) -> bool:
        """Whether the service is doing its work: fewer failures in a row than that, and no round that hangs."""
        hangs = self._began_s is not None and self._monotonic_s() - self._began_s > self._round_s_max
        return not self._ended and not hangs and self.failures < failures_max
