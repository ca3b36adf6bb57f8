"""The event model: what happened, kept for dashboards and alerts to count."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TelemetryEvent:
    """One thing that happened. `context` holds no personal data; `schema` says what it is, its version included.

    Tenant and restaurant are None for what happened to no restaurant in particular.
    """

    event_id: UUID
    occurred_at: datetime
    event_type: str
    schema: str
    tenant_id: UUID | None
    restaurant_id: UUID | None
    booking_id: UUID | None
    context: Mapping[str, Any]


class TelemetryStore(Protocol):
    """Keeps telemetry events."""

    async def record(self, event: TelemetryEvent) -> None:
        """Keeps the event; one with an id that is there already changes nothing."""
        ...
