"""Every instrument of the service, each declared once, by the semantic conventions of OpenTelemetry."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from opentelemetry import metrics

from server.telemetry.pulse import Pulse

_Look: TypeAlias = Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]

BUCKETS_MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128)
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CallMetrics:
    """Measures calls of the contract. Costs nearly nothing while no meter provider is installed."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
        self._duration = meter.create_histogram(
            "rpc.server.call.duration",
            unit="s",
            description="How long a call took on the server, whatever came of it.",
            explicit_bucket_boundaries_advisory=BUCKETS_S,
        )

    def called(self, method: str, code: str, reason: str, elapsed_s: float) -> None:
        """Notes one finished call: its full method name, the names of its status code and of the reason why it was
        refused, or nothing, and how long it took."""
        self._duration.record(elapsed_s, _call_attributes(method, code, reason))


@cache
def _call_attributes(method: str, code: str, reason: str) -> Mapping[str, str]:
    """Methods, codes and reasons are few."""
    return {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "rpc.response.status_code": code,
        "reason": reason,
    }


class LoadMetrics:
    """Shows what a server has in hand."""

    def __init__(self, in_work: Mapping[str, Callable[[], int]]) -> None:
        """`in_work` counts by kind: calls, and streams, which last."""
        self._in_work = in_work
        meter = metrics.get_meter("maitred")
        meter.create_observable_up_down_counter(
            "maitred.server.in_work",
            [self._look],
            unit="{call}",
            description="Calls and streams that the server works on right now.",
        )

    def _look(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for kind, count in self._in_work.items():
            yield metrics.Observation(count(), {"kind": kind})


class GroupMetrics:
    """Measures transactions that several changes share."""

    def __init__(self, queued: Callable[[], int]) -> None:
        """`queued` counts the changes that wait for a transaction."""
        meter = metrics.get_meter("maitred")
        self._members = meter.create_histogram(
            "maitred.group.members",
            unit="{change}",
            description="Changes that took part in one transaction, by whether it was committed.",
            explicit_bucket_boundaries_advisory=BUCKETS_MEMBERS,
        )
        meter.create_observable_gauge(
            "maitred.group.queued",
            [lambda _: [metrics.Observation(queued())]],
            unit="{change}",
            description="Changes that wait for a transaction.",
        )

    def ended(self, members: int, *, committed: bool) -> None:
        self._members.record(members, {"outcome": "committed" if committed else "failed"})


class CacheMetrics:
    """Measures a cache: that of inventories, unless another is named."""

    def __init__(self, provider: metrics.MeterProvider | None = None, name: str = "cache") -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
        self._lookups = meter.create_counter(
            f"maitred.{name}.lookups", description="Lookups, by whether what was asked for was in memory."
        )
        self._loads = meter.create_counter(
            f"maitred.{name}.loads", description="What was loaded, by where it came from."
        )
        self._evictions = meter.create_counter(
            f"maitred.{name}.evictions", description="What was dropped from memory, by cause."
        )
        self._failures = meter.create_counter(
            f"maitred.{name}.failures", description="Times that the shared cache did not answer."
        )

    def looked_up(self, *, hit: bool) -> None:
        self._lookups.add(1, {"result": "hit" if hit else "miss"})

    def loaded(self, source: str) -> None:
        """`source` is database, or shared for a cache that processes share."""
        self._loads.add(1, {"source": source})

    def evicted(self, cause: str) -> None:
        """`cause` is room for another, outdated by a newer version, or flushed with everything."""
        self._evictions.add(1, {"cause": cause})

    def failed(self) -> None:
        self._failures.add(1)


class WatchMetrics:
    """Measures watched floors."""

    def __init__(self) -> None:
        meter = metrics.get_meter("maitred")
        self._watchers = meter.create_up_down_counter(
            "maitred.watch.watchers", description="Watchers that follow a floor right now."
        )
        self._sent_back = meter.create_counter(
            "maitred.watch.resumes_required", description="Watchers told to resume, by cause."
        )

    def joined(self) -> None:
        self._watchers.add(1)

    def left(self) -> None:
        self._watchers.add(-1)

    def sent_back(self, cause: str) -> None:
        self._sent_back.add(1, {"cause": cause})


class AutoAssignMetrics:
    """Counts what came of assigning bookings automatically."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
        self._outcomes = meter.create_counter(
            "maitred.auto_assign.outcomes",
            unit="{booking}",
            description="How automatic assignments ended: an outcome, the reason of a refusal, or cancelled.",
        )

    def ended(self, outcome: str, trigger: str) -> None:
        """Notes one run by its outcome in lower case and by who started it, inline or background."""
        self._outcomes.add(1, {"outcome": outcome, "trigger": trigger})


class RoundMetrics:
    """Shows how the services of a worker are doing."""

    def __init__(
        self,
        pulses: Sequence[Pulse],
        failures_max: int,
        leads: Callable[[], bool],
        provider: metrics.MeterProvider | None,
    ) -> None:
        """`failures_max` failures in a row are what a service may not have; `leads` says whether this worker is the one
        that does what one worker of all does at a time."""
        self._pulses = tuple(pulses)
        self._failures_max = failures_max
        meter = metrics.get_meter("maitred", meter_provider=provider)
        meter.create_observable_counter(
            "maitred.worker.rounds",
            [self._rounds],
            unit="{round}",
            description="Rounds of a worker's service, by service and whether they were done or failed.",
        )
        meter.create_observable_counter(
            "maitred.worker.rows",
            [self._each(lambda pulse: pulse.rows)],
            unit="{row}",
            description="Rows, holds, bookings or restaurants that a worker's service touched.",
        )
        meter.create_observable_gauge(
            "maitred.worker.failures_in_row",
            [self._each(lambda pulse: pulse.failures)],
            unit="{round}",
            description="Rounds of a worker's service that failed since the last one that was done.",
        )
        meter.create_observable_gauge(
            "maitred.worker.last_round.duration",
            [self._each(lambda pulse: pulse.last_round_s)],
            unit="s",
            description="How long the last round of a worker's service took.",
        )
        meter.create_observable_gauge(
            "maitred.worker.serving",
            [self._each(lambda pulse: int(pulse.beats(self._failures_max)))],
            description="Whether a worker's service does its work: 1 or 0, the same that health says.",
        )
        meter.create_observable_gauge(
            "maitred.worker.leader",
            [lambda _: (metrics.Observation(int(leads())),)],
            description="Whether the worker does the upkeep that one worker of all does: 1 or 0.",
        )

    def _rounds(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for pulse in self._pulses:
            for result, rounds in (("done", pulse.rounds_done), ("failed", pulse.rounds_failed)):
                yield metrics.Observation(rounds, {"service": pulse.service, "result": result})

    def _each(self, figure: Callable[[Pulse], float]) -> _Look:
        def look(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for pulse in self._pulses:
                yield metrics.Observation(figure(pulse), {"service": pulse.service})

        return look


class OutboxMetrics:
    """Shows what a worker's relay does, and how far delivery is behind."""

    def __init__(
        self,
        deliveries: Callable[[], Mapping[str, int]],
        restaurants_leased: Callable[[], int],
        lag_s: Callable[[], float | None],
        dead: Callable[[], int | None],
        provider: metrics.MeterProvider | None,
    ) -> None:
        """`deliveries` counts events by outcome; `lag_s` and `dead` are None where they are not known."""
        meter = metrics.get_meter("maitred", meter_provider=provider)
        meter.create_observable_counter(
            "maitred.outbox.deliveries",
            [_by("outcome", deliveries)],
            unit="{event}",
            description="Events that a worker had in hand, by outcome: delivered, retried, dead or unsettled.",
        )
        meter.create_observable_up_down_counter(
            "maitred.outbox.restaurants_leased",
            [lambda _: (metrics.Observation(restaurants_leased()),)],
            unit="{restaurant}",
            description="Restaurants whose events a worker has in hand right now.",
        )
        meter.create_observable_gauge(
            "maitred.outbox.lag",
            [_known(lag_s)],
            unit="s",
            description="Age of the oldest event of all restaurants that is not delivered; 0 when there is none.",
        )
        meter.create_observable_gauge(
            "maitred.outbox.dead",
            [_known(dead)],
            unit="{event}",
            description="Events of all restaurants that were given up and not redriven.",
        )


class InvariantMetrics:
    """Shows what the last look at all data found."""

    def __init__(
        self, violations: Callable[[], Mapping[str, int]], provider: metrics.MeterProvider | None
    ) -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
        meter.create_observable_gauge(
            "maitred.invariants.violations",
            [_by("check", violations)],
            unit="{violation}",
            description="Violations that the last look of the leading worker found, by check.",
        )


def _known(figure: Callable[[], float | None]) -> _Look:
    """Nothing where it is not known."""

    def look(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        value = figure()
        if value is not None:
            yield metrics.Observation(value)

    return look


def _by(label: str, figures: Callable[[], Mapping[str, int]]) -> _Look:
    def look(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for name, figure in tuple(figures().items()):
            yield metrics.Observation(figure, {label: name})

    return look
