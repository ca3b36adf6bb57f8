"""The events that a database holds, whatever has become of them."""

from server.outbox.events import OutboxEvent
from server.persistence.rows import outbox_event
from tests.support.database import rows


async def committed_events(url: str) -> list[OutboxEvent]:
    """Of all restaurants, each in its order."""
    query = "SELECT * FROM capacity_outbox ORDER BY restaurant_id, floor_version, position"
    return [outbox_event(row) for row in await rows(url, query)]
