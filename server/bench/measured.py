"""What one piece of work under the clock came to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log

from loadgen.driving import Histogram, Outcome, Tally

NS_PER_MS = 1_000_000
STEP = 1.25


class RefusedError(Exception):
    """Calls that had to succeed were refused, so their rate would say nothing; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` from the first start to the last end, and the latencies of what succeeded, in nanoseconds.

    `processor_ms` is by program, for all calls together; that of the clients only where they measured it themselves.
    """

    seconds: float
    latency: Histogram
    processor_ms: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.latency.count / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return self.latency.percentile(percent) / NS_PER_MS

    def processor_per_call_ms(self, *programs: str) -> float:
        """What a call costs these programs, whatever else the machine does."""
        return sum(self.processor_ms.get(program, 0.0) for program in programs) / self.latency.count


def measured_of(tallies: Iterable[Tally], processor_ms: Mapping[str, float]) -> Measured:
    """All of them together. Raises `RefusedError` unless every call succeeded."""
    together = Tally()
    for tally in tallies:
        together.merge(tally)
    refused = {
        f"{method} {status} {reason}".strip(): count
        for (method, status, reason), count in together.replies.items()
        if status != "OK"
    }
    if refused:
        listed = ", ".join(f"{count} × {what}" for what, count in refused.items())
        raise RefusedError(
            f"{refused_share(together)} calls failed, so there is nothing to measure: {listed}"
        )
    return Measured(together.seconds_taken, together.latency(outcome=Outcome.OK), processor_ms)


def refused_share(tally: Tally) -> str:
    """How many calls of how many did not succeed."""
    return f"{tally.calls - tally.outcomes()[Outcome.OK]} of {tally.calls}"


def latency_counts(measured: Sequence[Measured]) -> tuple[tuple[float, int], ...]:
    """How many calls of several repeats took up to so many milliseconds, in steps of a quarter."""
    counts: Counter[int] = Counter()
    for _, high_ns, count in merged(measured).buckets():
        counts[ceil(log(max(high_ns, 1) / NS_PER_MS, STEP))] += count
    return tuple((STEP**step, counts[step]) for step in range(min(counts), max(counts) + 1))


def merged(measured: Sequence[Measured]) -> Histogram:
    """The latencies of several repeats together."""
    together = Histogram()
    for each in measured:
        together.merge(each.latency)
    return together
