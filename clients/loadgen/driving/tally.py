"""What came back: counts, latencies and rates, of one process or of all."""

from collections import Counter
from dataclasses import dataclass, field

from loadgen.driving.histogram import Histogram
from loadgen.driving.line import Outcome, Reply, outcome_of
from loadgen.driving.loops import SECOND_NS


@dataclass(slots=True)
class Tally:
    """Counts of calls. Can be pickled and merged.

    `replies` by method, status and reason; `latencies` by method and status, in nanoseconds; `seconds` by the second
    of the monotonic clock in which the answer came, and status and reason (the word of one of them); `missed` are
    arrivals of an open loop at which nothing began. `first_ns` and `last_ns` are when the first call was to begin and
    the last answer came; 0 before there was one.
    """

    replies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    latencies: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    seconds: dict[int, Counter[str]] = field(default_factory=dict)
    missed: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def note(self, method: str, reply: Reply, intended_ns: int) -> None:
        """One call; its latency counts from `intended_ns`, the instant at which it was to begin."""
        self._stretch(intended_ns, reply.ended_ns)
        self.replies[method, reply.status, reply.reason] += 1
        key = (method, reply.status)
        histogram = self.latencies.get(key)
        if histogram is None:
            histogram = self.latencies[key] = Histogram()
        histogram.record(reply.ended_ns - intended_ns)
        second = self.seconds.setdefault(reply.ended_ns // SECOND_NS, Counter())
        second[reply.reason or reply.status] += 1

    def merge(self, other: "Tally") -> None:
        """Adds what another one counted."""
        if other.last_ns:
            self._stretch(other.first_ns, other.last_ns)
        self.replies.update(other.replies)
        for key, histogram in other.latencies.items():
            self.latencies.setdefault(key, Histogram()).merge(histogram)
        for second, counts in other.seconds.items():
            self.seconds.setdefault(second, Counter()).update(counts)
        self.missed += other.missed

    def _stretch(self, first_ns: int, last_ns: int) -> None:
        self.first_ns = min(self.first_ns, first_ns) if self.last_ns else first_ns
        self.last_ns = max(self.last_ns, last_ns)

    @property
    def seconds_taken(self) -> float:
        """From the beginning of the first call to the end of the last."""
        return (self.last_ns - self.first_ns) / SECOND_NS

    @property
    def calls(self) -> int:
        return self.replies.total()

    def outcomes(self) -> Counter[Outcome]:
        """How many calls had which outcome."""
        counts: Counter[Outcome] = Counter()
        for (_, status), histogram in self.latencies.items():
            counts[outcome_of(status)] += histogram.count
        return counts

    def latency(self, method: str = "", outcome: Outcome | None = None, status: str = "") -> Histogram:
        """Latencies of one method or of all, of one outcome or of all, of one status or of all."""
        chosen = Histogram()
        for (called, ended), histogram in self.latencies.items():
            wanted = not method or called == method, not status or ended == status
            if all(wanted) and (outcome is None or outcome_of(ended) is outcome):
                chosen.merge(histogram)
        return chosen
