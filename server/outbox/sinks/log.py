"""A line in the log per event."""

import structlog

from server.outbox.encoding import message_name, sequence
from server.outbox.events import OutboxEvent

log = structlog.get_logger(__name__)


class LogSink:
    """Writes each event to the process's own log, as `capacity_event` with its payload."""

    name = "log"

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def deliver(self, event: OutboxEvent) -> None:
        log.info(
            "capacity_event",
            event_id=str(event.event_id),
            event_type=event.event_type,
            message=message_name(event.event_type),
            tenant_id=str(event.tenant_id),
            restaurant_id=str(event.restaurant_id),
            sequence=sequence(event),
            occurred_at=event.created_at.isoformat(),
            payload=dict(event.payload),
        )
