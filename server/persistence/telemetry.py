"""The `TelemetryStore` on PostgreSQL."""

from typing import Any

from server.persistence.documents import encode
from server.persistence.pool import InTime
from server.persistence.queries import load_queries
from server.telemetry.events import TelemetryEvent

TELEMETRY = load_queries("telemetry")


class SqlTelemetryStore(InTime):
    async def record(self, event: TelemetryEvent) -> None:
        await self._value(
            TELEMETRY["record_event"],
            event.event_id,
            event.occurred_at,
            event.event_type,
            event.schema,
            event.tenant_id,
            event.restaurant_id,
            event.booking_id,
            encode(event.context),
        )

    async def delete_older(self, than_s: float, events_max: int) -> int:
        """Forgets events that happened longer ago, at most so many at a time, and says how many."""
        return int(await self._value(TELEMETRY["delete_older"], than_s, events_max))

    async def _value(self, query: str, *values: object) -> Any:
        """The one value that the statement answers with, None when it answers with nothing."""
        found = await self._fetch(query, *values)
        return found[0][0] if found else None
