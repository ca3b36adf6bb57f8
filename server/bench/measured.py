"""What one piece of work under the clock came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.bench.figures import percentile_of

NS_PER_MS = 1_000_000


class RefusedError(Exception):
    """Calls that had to succeed were refused, so their rate says nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` from the first start to the last end; a latency for each call that succeeded. `processor_ms` is by
    program, for all calls together.
    """

    seconds: float
    latencies_ms: Sequence[float]
    processor_ms: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Calls per second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        return percentile_of(self.latencies_ms, percent)

    def processor_per_call_ms(self) -> float:
        """Of server and database: what a call costs whatever else the machine does."""
        served = self.processor_ms.get("server", 0.0) + self.processor_ms.get("database", 0.0)
        return served / len(self.latencies_ms)


def measured_of(stamps: Sequence[tuple[int, int]], processor_ms: Mapping[str, float]) -> Measured:
    """From starts and ends in nanoseconds of one clock."""
    first = min(start for start, _ in stamps)
    last = max(end for _, end in stamps)
    return Measured((last - first) / 1e9, [(end - start) / NS_PER_MS for start, end in stamps], processor_ms)
