"""Builds the sinks that the settings name, and the handler that gives every event to all of them."""

from collections.abc import Callable, Mapping, Sequence

from server.config import Settings
from server.delivery_settings import listed
from server.domain.events import EventType
from server.outbox.handlers import ByType, EverySink
from server.outbox.ports import Handler
from server.outbox.sinks.log import LogSink
from server.outbox.sinks.ports import Sink
from server.outbox.sinks.signature import read_secret
from server.outbox.sinks.telemetry import TelemetrySink
from server.persistence.pool import Pool
from server.persistence.telemetry import SqlTelemetryStore


def build_sinks(settings: Settings, pool: Pool) -> tuple[Sink, ...]:
    """A sink for each name in `settings.sinks`, in that order, none of them open yet."""
    makers: Mapping[str, Callable[[], Sink]] = {
        "log": LogSink,
        "telemetry": lambda: TelemetrySink(SqlTelemetryStore(pool, settings.telemetry_timeout_s)),
        "webhook": lambda: _webhook(settings),
        "nats": lambda: _nats(settings),
    }
    return tuple(makers[name]() for name in settings.sinks)


def event_handler(sinks: Sequence[Sink]) -> Handler:
    """Gives events of every type that the contract knows to every sink."""
    return ByType(dict.fromkeys(EventType, EverySink(sinks)))


# Their clients take longer to load than all the rest of a program that never sends an event.


def _webhook(settings: Settings) -> Sink:
    from server.outbox.sinks.webhook import WebhookSettings, WebhookSink

    assert settings.webhook_url is not None, "settings without it are refused"
    return WebhookSink(
        WebhookSettings(
            url=settings.webhook_url.get_secret_value(),
            keys=tuple(read_secret(secret) for secret in listed(settings.webhook_secret)),
            timeout_s=settings.webhook_timeout_s,
            connect_timeout_s=settings.webhook_connect_timeout_s,
            connections_max=settings.webhook_connections_max,
        )
    )


def _nats(settings: Settings) -> Sink:
    from server.outbox.sinks.nats import NatsSettings, NatsSink

    return NatsSink(
        NatsSettings(
            servers=listed(settings.nats_url),
            stream=settings.nats_stream,
            replicas=settings.nats_replicas,
            max_age_s=settings.nats_max_age_s,
            timeout_s=settings.nats_timeout_s,
        )
    )
