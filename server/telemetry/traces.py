"""Traces of calls. Nothing is exported unless an exporter is named: one without a collector stalls the shutdown."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

NO_EXPORTER = "none"
EXPORTER_GROUP = "opentelemetry_traces_exporter"
# How the spans of calls say it, and gRPC's numbers.
STATUS_ATTRIBUTE = "rpc.grpc.status_code"
REASON_ATTRIBUTE = "reason"
CANCELLED, DEADLINE_EXCEEDED = 1, 4


class UnknownExporterError(Exception):
    """No installed package provides the exporter that was asked for."""


class Traces:
    """The process's tracer provider, from start to stop."""

    def __init__(self, exporter: str, service_version: str) -> None:
        """`exporter` is `none`, or a name that an installed package registers with OpenTelemetry, such as `console` or
        `otlp`. Exporters read their own OTEL_ variables. Raises UnknownExporterError."""
        self.provider = None if exporter == NO_EXPORTER else _provider(exporter, service_version)

    def start(self) -> None:
        """Installs the provider for the whole process."""
        if self.provider is not None:
            trace.set_tracer_provider(self.provider)

    def stop(self) -> None:
        """Sends what is still waiting."""
        if self.provider is not None:
            self.provider.shutdown()


def spans_are_kept() -> bool:
    """Whether somebody has installed a tracer provider for the whole process."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def call_refused(reason: str) -> None:
    """Tells the span of the call at hand why it was refused."""
    trace.get_current_span().set_attribute(REASON_ATTRIBUTE, reason)


def trace_at_hand() -> Mapping[str, str]:
    """What a line of the log says of the span that it belongs to; nothing where there is none."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def call_cut_short(*, late: bool) -> None:
    """Tells the span of the call at hand that it ends without an answer: late, or given up. It would say OK."""
    span = trace.get_current_span()
    span.set_attribute(STATUS_ATTRIBUTE, DEADLINE_EXCEEDED if late else CANCELLED)
    if late:
        span.set_status(trace.StatusCode.ERROR)


def _provider(exporter: str, service_version: str) -> "TracerProvider":
    # What makes spans is imported where there are any.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": "maitred", "service.version": service_version})
    )
    provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    return provider


def _exporter(name: str) -> "SpanExporter":
    from opentelemetry.sdk.trace.export import SpanExporter

    available = {entry.name: entry for entry in entry_points(group=EXPORTER_GROUP)}
    if name not in available:
        raise UnknownExporterError(
            f"no package registers the trace exporter {name!r}; installed: {', '.join(sorted(available)) or 'none'}"
        )
    exporter = available[name].load()()
    if not isinstance(exporter, SpanExporter):
        raise UnknownExporterError(f"what is registered as the trace exporter {name!r} is no span exporter")
    return exporter
