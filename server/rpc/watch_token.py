"""Where a watch goes on: a restaurant, the floor version up to which everything was told, and its last event.

It is checked before it gets anywhere near a query.
"""

from uuid import UUID

from server.orchestrator.floor_log import FloorPlace
from server.rpc.opaque import opaque, values_in

LABEL = "watch"
TOKEN_LENGTH_MAX = 200
VERSION_MAX = 2**63 - 1


def watch_token(restaurant_id: UUID, place: FloorPlace) -> str:
    event_id = place.event_id and str(place.event_id)
    return opaque([LABEL, str(restaurant_id), place.floor_version, event_id])


def read_watch_token(restaurant_id: UUID, token: str) -> FloorPlace | None:
    """The place in a token of this restaurant, or None when it is none."""
    parts = values_in(token, TOKEN_LENGTH_MAX)
    if parts is None or parts[:2] != [LABEL, str(restaurant_id)] or len(parts) != 4:
        return None
    return _place(*parts[2:])


def _place(version: object, event_id: object) -> FloorPlace | None:
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= VERSION_MAX:
        return None
    if event_id is None:
        return FloorPlace(version)
    try:
        return FloorPlace(version, UUID(event_id)) if isinstance(event_id, str) else None
    except ValueError:
        return None
