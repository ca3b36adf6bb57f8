"""Every instrument of the service, each declared once, by the semantic conventions of OpenTelemetry."""

from opentelemetry import metrics

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

    def called(self, method: str, code: str, elapsed_s: float) -> None:
        """Notes one finished call: its full method name, the name of its status code, and how long it took."""
        self._duration.record(
            elapsed_s,
            {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": code},
        )


class CacheMetrics:
    """Measures the cache of inventories."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
        self._lookups = meter.create_counter(
            "maitred.cache.lookups", description="Inventories asked for, by whether they were in memory."
        )
        self._loads = meter.create_counter(
            "maitred.cache.loads", description="Inventories loaded, by where they came from."
        )
        self._evictions = meter.create_counter(
            "maitred.cache.evictions", description="Inventories dropped from memory, by cause."
        )
        self._failures = meter.create_counter(
            "maitred.cache.failures", description="Times that the shared cache did not answer."
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

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("maitred", meter_provider=provider)
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
