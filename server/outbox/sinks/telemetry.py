"""Events as telemetry, counted by dashboards and alerts."""

from server.outbox.encoding import message_name
from server.outbox.events import OutboxEvent
from server.telemetry.events import TelemetryEvent, TelemetryStore

# Who did it is nobody's business in a count.
LEFT_OUT = frozenset({"actorId"})


class TelemetrySink:
    """Keeps each event in a `TelemetryStore`, without the actor."""

    name = "telemetry"

    def __init__(self, store: TelemetryStore) -> None:
        self._store = store

    async def open(self) -> None:
        """The store is open for as long as its pool is."""

    async def close(self) -> None:
        """The pool is closed by whoever opened it."""

    async def deliver(self, event: OutboxEvent) -> None:
        await self._store.record(
            TelemetryEvent(
                event.event_id,
                event.created_at,
                event.event_type,
                message_name(event.event_type),
                event.tenant_id,
                event.restaurant_id,
                event.booking_id,
                {name: value for name, value in event.payload.items() if name not in LEFT_OUT},
            )
        )
