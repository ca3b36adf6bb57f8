"""What a load found, as one value for programs, from which tables and pages are made as well."""

from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from loadgen.checking.report import Report as Check
from loadgen.counters import Comparison
from loadgen.driving import Histogram, Outcome
from loadgen.running import LoadResult

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
NS_PER_MS: Final = 1_000_000
# With these the service says that it found itself wrong, or fails without a word.
BROKEN: Final = frozenset({"INTERNAL", "UNKNOWN"})


def report_of(result: LoadResult, comparison: Comparison | None, check: Check | None) -> dict[str, Any]:
    """Everything that is known of a load, as values that `json.dumps` takes. Rates are per second, lengths in ms or
    s.

    `latency_from` says from where latencies count: in a closed loop from the moment at which a call was sent, which
    is when its caller was free; in an open one from the moment at which the operation was to begin, so that waiting
    in the client counts too. Repeats and the later calls of an operation count from when they were sent.
    """
    plan, found = result.plan, result.found
    tally, seconds = found.tally, found.tally.seconds_taken
    open_loop = plan.per_s is not None
    return {
        "scenario": plan.scenario.name,
        "about": plan.scenario.about,
        "target": plan.target,
        "run_id": str(plan.run_id),
        "seed": plan.seed,
        "began_at": result.began_at.isoformat(timespec="seconds"),
        "stopped": result.stopped,
        "loop": "open" if open_loop else "closed",
        "latency_from": "intended start" if open_loop else "sending",
        "per_s": plan.per_s,
        "in_flight": plan.in_flight,
        "processes": plan.processes,
        "preparing_s": round(result.preparing_s, 3),
        "seconds": round(seconds, 3),
        "operations": found.operations,
        "calls": tally.calls,
        "operations_per_s": _per_s(found.operations, seconds),
        "calls_per_s": _per_s(tally.calls, seconds),
        "missed": tally.missed,
        "repeats": found.repeats,
        "unequal_answers": found.unequal,
        "broken": sum(count for (_, status, _), count in tally.replies.items() if status in BROKEN),
        "outcomes": {outcome.value: tally.outcomes()[outcome] for outcome in Outcome},
        "latency_ms": {"all": _latency(tally.latency()), **_by_outcome(result)},
        "methods": {
            method: {
                outcome.value: _latency(histogram)
                for outcome in Outcome
                if (histogram := tally.latency(method, outcome)).count
            }
            for method in sorted({method for method, _ in tally.latencies})
        },
        "replies": [
            {"method": method, "status": status, "reason": reason, "count": count}
            for (method, status, reason), count in sorted(tally.replies.items())
        ],
        "per_second": _per_second(result),
        "counters": _counters(comparison),
        "check": None if check is None else check.as_json(),
    }


def is_sound(report: dict[str, Any]) -> bool:
    """Whether nothing was found that a correct service could not have done."""
    counters, check = report["counters"], report["check"]
    wrong = report["unequal_answers"] or report["broken"] or counters["agree"] is False
    return not wrong and (not check or check["clean"])


def refusals(report: dict[str, Any]) -> dict[str, int]:
    """How often which word was the end of a call that was not done: a reason, or a status where there was none."""
    counts = Counter[str]()
    for reply in report["replies"]:
        if reply["status"] != "OK":
            counts[reply["reason"] or reply["status"]] += reply["count"]
    return dict(counts.most_common())


def _by_outcome(result: LoadResult) -> dict[str, dict[str, float]]:
    return {outcome.value: _latency(result.found.tally.latency(outcome=outcome)) for outcome in Outcome}


def _latency(histogram: Histogram) -> dict[str, float]:
    percentiles = {f"p{percent:g}": _ms(histogram.percentile(percent)) for percent in PERCENTILES}
    return {"count": histogram.count, "mean": _ms(histogram.mean), **percentiles, "max": _ms(histogram.most)}


def _ms(length_ns: float) -> float:
    return round(length_ns / NS_PER_MS, 3)


def _per_s(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds else 0.0


def _per_second(result: LoadResult) -> list[dict[str, int]]:
    """Answers in each second since the first call was to begin, by word; a second without any is empty."""
    seconds = result.found.tally.seconds
    if not seconds:
        return []
    return [dict(seconds.get(second, {})) for second in range(min(seconds), max(seconds) + 1)]


def _counters(comparison: Comparison | None) -> dict[str, Any]:
    """`agree` is None when nobody said where the server shows its counts, or they could not be read in the end."""
    if comparison is None:
        return {"agree": None, "compared": 0, "unsure": 0, "differences": []}
    return {
        "agree": comparison.agrees,
        "compared": comparison.compared,
        "unsure": comparison.unsure,
        "differences": [asdict(difference) for difference in comparison.differences],
    }
