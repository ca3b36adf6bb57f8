"""How long to wait before something is tried again."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first_s` on, never above `longest_s`, and leaves a random part off so that many don't come back at
    once.

    `random` gives numbers from 0 up to 1. Full jitter would allow a wait of nothing; here at least half is kept.
    """

    first_s: float
    longest_s: float
    random: Callable[[], float]

    def after(self, attempts: int) -> float:
        """Seconds to wait after so many attempts, the last included: at least one."""
        return self._jittered(self.first_s * 2.0 ** min(attempts - 1, 32))

    def while_away(self, away_s: float) -> float:
        """Seconds to wait for what has been away for so long: about as long again, which doubles as well."""
        return self._jittered(max(self.first_s, away_s))

    def _jittered(self, wait_s: float) -> float:
        return min(self.longest_s, wait_s) * (0.5 + 0.5 * self.random())
