"""Shows what a process measures to Prometheus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, start_http_server

from server.bootstrap import StartError

HOST = "127.0.0.1"


@asynccontextmanager
async def measured(port: int | None) -> AsyncIterator[str | None]:
    """Measures everything that this process does from now on, and shows it at the address that is told.

    Without a port nothing is measured or shown; port 0 takes a free one. Only this machine may look. Raises
    `StartError` when the port is not to be had.
    """
    if port is None:
        yield None
        return
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    try:
        server, thread = start_http_server(port, HOST, registry)
    except OSError as problem:
        raise StartError(
            f"metrics_port: cannot listen on {HOST}:{port}: {problem.strerror}; is something else listening there?"
        ) from None
    try:
        yield f"http://{HOST}:{server.server_port}/metrics"
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
