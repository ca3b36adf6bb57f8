"""Shows what a process measures to Prometheus."""

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, start_http_server

from server.bootstrap import StartError

HOST = "127.0.0.1"


def show_measurements(port: int | None) -> str | None:
    """Measures what this process does from now until it ends, and shows it to this machine at the address returned.

    Without a port nothing is measured or shown; port 0 takes a free one. Once in the life of a process. Raises
    `StartError` when the port is not to be had.
    """
    if port is None:
        return None
    registry = CollectorRegistry()
    try:
        server, _ = start_http_server(port, HOST, registry)
    except OSError as problem:
        raise StartError(
            f"metrics_port: cannot listen on {HOST}:{port}: {problem.strerror}; is something else listening there?"
        ) from None
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return f"http://{HOST}:{server.server_port}/metrics"
