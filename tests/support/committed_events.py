"""The events that a database holds, whatever has become of them."""

from server.outbox.events import OutboxEvent
from server.persistence.documents import decode
from tests.support.database import rows


async def committed_events(url: str) -> list[OutboxEvent]:
    """Of all restaurants, each in its order."""
    query = "SELECT * FROM capacity_outbox ORDER BY restaurant_id, floor_version, position"
    return [
        OutboxEvent(
            row["id"],
            row["tenant_id"],
            row["restaurant_id"],
            row["floor_version"],
            row["position"],
            row["created_at"],
            row["event_type"],
            row["booking_id"],
            row["idempotency_key"],
            decode(row["payload"], dict[str, object]),
            row["attempt_count"],
        )
        for row in await rows(url, query)
    ]
